"""Prometheus metrics: probes as blackbox_exporter names them, chats under the GenAI names.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ in Prometheus' spelling, with the
names, labels and buckets that the gateway uses, so that one panel shows both.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from foundry_healthcheck.parts import CHAT, FOUNDRY
from foundry_healthcheck.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foundry_healthcheck.containers import ContainerState, ContainerStates
    from foundry_healthcheck.history import PartState
    from foundry_healthcheck.measurement import Measurement
    from foundry_healthcheck.parts import Part
    from foundry_healthcheck.probing import Outcome

SECONDS_BUCKETS = (*tuple(0.01 * 2**n for n in range(14)), 163.84, 327.68, 655.36)
CHUNK_BUCKETS = (0.001, 0.002, 0.004, *SECONDS_BUCKETS)
TOKEN_BUCKETS = tuple(float(4**n) for n in range(11))
OPERATION = "chat"
PROVIDER = "microsoft.foundry_local"
CLIENT = "healthcheck"

_NOT_KNOWN = float("nan")
_CONTAINER = "foundry_healthcheck_container"
_COMMON = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "client")


class Metrics:
    """All metrics of one prober, in a registry of their own.

    Args:
        parts: What is probed; their runs are counted from zero.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        probe = ("probe", "module")
        self._success = self._gauge("probe_success", "Whether the last run found it up.", probe)
        self._duration = self._gauge("probe_duration_seconds", "Of the last run.", probe)
        self._runs = self._counter("runs", "Runs that came to a verdict.", probe)
        self._failures = self._counter("failures", "Failed runs by reason.", (*probe, "reason"))
        self._skipped = self._counter("skipped", "Runs not made, by reason.", ("probe", "reason"))
        self._last_run = self._gauge(
            "foundry_healthcheck_last_run_timestamp_seconds",
            "Last run, skipped ones included; 0 before the first.",
            ("probe",),
        )
        self._last_success = self._gauge(
            "foundry_healthcheck_last_success_timestamp_seconds",
            "Last success; 0 before the first.",
            ("probe",),
        )
        self._foundry = self._gauge(
            "foundry_healthcheck_foundry_info",
            "Which generation of Foundry Local answers, and where.",
            ("dialect", "url"),
        )
        self._loaded = self._gauge(
            "foundry_healthcheck_foundry_models_loaded",
            "Models that answer now; NaN while Foundry Local does not answer.",
        )
        self._loaded.set(_NOT_KNOWN)
        build = self._gauge("foundry_healthcheck_build_info", "Version.", ("version", "python"))
        build.labels(__version__, platform.python_version()).set(1)
        for part in parts:
            self._runs.labels(part.name, part.module)
            self._last_run.labels(part.name)
            self._last_success.labels(part.name)
        self._chat = _ChatMetrics(self.registry)
        self._containers = _ContainerMetrics()
        self.registry.register(self._containers)

    def record(self, state: PartState, outcome: Outcome) -> None:
        """Count one run."""
        part = state.part
        labels = (part.name, part.module)
        self._last_run.labels(part.name).set(outcome.at)
        if outcome.state == "skipped":
            self._skipped.labels(part.name, outcome.reason).inc()
        elif outcome.state == "starting":
            pass  # no verdict: it never answered, and may be on its way
        else:
            up = outcome.state in ("up", "slow")
            self._success.labels(*labels).set(float(up))
            self._duration.labels(*labels).set(outcome.duration)
            self._runs.labels(*labels).inc()
            if up:
                self._last_success.labels(part.name).set(outcome.at)
            else:
                self._failures.labels(*labels, outcome.reason).inc()
        if part.name == FOUNDRY:
            self._note_foundry(outcome)
        # One that gave way to users has a measurement, but of nothing.
        judged = outcome.state not in ("skipped", "starting")
        if part.name == CHAT and outcome.measurement and judged:
            self._chat.record(outcome.measurement, outcome.reason or "")

    def show_containers(self, states: ContainerStates) -> None:
        """Show the containers as they are now."""
        self._containers.items = states.items

    def _note_foundry(self, outcome: Outcome) -> None:
        self._foundry.clear()
        dialect, url = outcome.facts.get("dialect"), outcome.facts.get("url")
        if dialect and url:
            self._foundry.labels(dialect, url).set(1)
            loaded = outcome.facts.get("models_loaded")
            if isinstance(loaded, int):
                self._loaded.set(loaded)
        else:
            self._loaded.set(_NOT_KNOWN)

    def _gauge(self, name: str, documentation: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, documentation, labels, registry=self.registry)

    def _counter(self, name: str, documentation: str, labels: tuple[str, ...]) -> Counter:
        full = f"foundry_healthcheck_{name}"
        return Counter(full, documentation, labels, registry=self.registry)


class _ChatMetrics:
    """The histograms of the chat probe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Whole answers to the probe's question.",
            (*_COMMON, "error_type"),
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._first_chunk = Histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "From the probe's question to the first chunk of text.",
            _COMMON,
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._per_chunk = Histogram(
            "gen_ai_client_operation_time_per_output_chunk_seconds",
            "Between one chunk of an answer and the next.",
            _COMMON,
            buckets=CHUNK_BUCKETS,
            registry=registry,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of the probe's question and of its answer, as the runtime counts them.",
            (*_COMMON, "gen_ai_token_type"),
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )

    def record(self, seen: Measurement, error: str) -> None:
        labels = (OPERATION, PROVIDER, seen.model or "unknown", CLIENT)
        self._duration.labels(*labels, error).observe(seen.total)
        if seen.first_chunk is not None:
            self._first_chunk.labels(*labels).observe(seen.first_chunk)
        for gap in seen.gaps:
            self._per_chunk.labels(*labels).observe(gap)
        for kind, count in (("input", seen.input_tokens), ("output", seen.output_tokens)):
            if count:
                self._tokens.labels(*labels, kind).observe(count)


class _ContainerMetrics(Collector):
    """States of the stack's containers; no sample at all without the view of Docker.

    A collector of its own, because Docker does the counting: a counter here could only add.
    """

    def __init__(self) -> None:
        self.items: Sequence[ContainerState] = ()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics for exposition."""
        yield self._gauge("running", "Whether it runs.", "running")
        yield self._gauge("memory_bytes", "Memory in use.", "memory_bytes")
        yield self._gauge("memory_limit_bytes", "Memory it may use.", "memory_limit_bytes")
        yield self._counter("restarts", "Starts after a death, since this started.", "restarts")
        yield self._counter("cpu_seconds", "Processor time since it started.", "cpu_seconds")

    def _gauge(self, name: str, documentation: str, field: str) -> Metric:
        family = GaugeMetricFamily(f"{_CONTAINER}_{name}", documentation, labels=("service",))
        return self._fill(family, field)

    def _counter(self, name: str, documentation: str, field: str) -> Metric:
        family = CounterMetricFamily(f"{_CONTAINER}_{name}", documentation, labels=("service",))
        return self._fill(family, field)

    def _fill(self, family: GaugeMetricFamily | CounterMetricFamily, field: str) -> Metric:
        for item in self.items:
            value = getattr(item, field)
            if value is not None:
                family.add_metric((item.service,), float(value))
        return family
