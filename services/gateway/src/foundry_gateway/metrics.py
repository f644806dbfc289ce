"""Prometheus metrics under the OpenTelemetry GenAI names, client side.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ in Prometheus' spelling. Every
label has a bounded set of values: the calling app from a closed set, the model only when the
runtime knows it, the error one of our codes. There is no label for a person.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from foundry_common.bodies import Budget
    from foundry_gateway.admission import Admission
    from foundry_gateway.fleet import Fleet

SECONDS_BUCKETS = (*tuple(0.01 * 2**n for n in range(14)), 163.84, 327.68, 655.36)
"""0.01 … 81.92 doubling, as the convention advises, and a tail for cold loads."""
CHUNK_BUCKETS = (0.001, 0.002, 0.004, *SECONDS_BUCKETS)
"""The same, and finer below: a small model makes thousands of chunks a second."""
TOKEN_BUCKETS = tuple(float(4**n) for n in range(11))
PROVIDER = "microsoft.foundry_local"

CLIENTS = frozenset(("chainlit", "open-webui", "webgpu", "healthcheck"))
_FAMILIES = (
    ("openai", "openai-sdk"),
    ("open webui", "open-webui"),
    ("curl/", "curl"),
    ("mozilla/", "browser"),
    ("python", "python"),
    ("node", "node"),
)


def client_label(name: str | None, user_agent: str | None) -> str:
    """Return who is calling: by its own word if known, else by the family of its User-Agent."""
    if name in CLIENTS:
        return str(name)
    agent = (user_agent or "").lower()
    return next((label for mark, label in _FAMILIES if mark in agent), "other")


class ChunkHistogram(Collector):
    """A histogram that takes many observations at once.

    A stream makes hundreds of observations a second; its own tally is added here once, at its end.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._series: dict[tuple[str, ...], list[float]] = {}

    def add(self, labels: tuple[str, ...], tally: ChunkTally) -> None:
        """Add a stream's tally to one series."""
        series = self._series.setdefault(labels, [0.0] * (len(CHUNK_BUCKETS) + 2))
        for index, count in enumerate(tally.counts):
            series[index] += count
        series[-1] += tally.seconds

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Return the metric for exposition."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        bounds = [repr(bound) for bound in CHUNK_BUCKETS] + ["+Inf"]
        for labels, series in self._series.items():
            total = 0.0
            buckets = []
            for bound, count in zip(bounds, series, strict=False):
                total += count
                buckets.append((bound, total))
            family.add_metric(labels, buckets, series[-1])
        return [family]


class ChunkTally:
    """Times between the chunks of one stream."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(CHUNK_BUCKETS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float, chunks: int) -> None:
        """Count chunks that arrived together after ``seconds``: each took its share."""
        self.counts[bisect_left(CHUNK_BUCKETS, seconds / chunks)] += chunks
        self.seconds += seconds


_COMMON = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "client")


class Metrics:
    """All metrics of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.duration = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Whole operations, waiting included.",
            (*_COMMON, "error_type"),
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.first_chunk = Histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "From the request's arrival to the first chunk of its answer, waiting included.",
            _COMMON,
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens per operation, as the runtime counts them; output of broken-off streams as "
            "chunks seen.",
            (*_COMMON, "gen_ai_token_type"),
            buckets=TOKEN_BUCKETS,
            registry=self.registry,
        )
        self.per_chunk = ChunkHistogram(
            "gen_ai_client_operation_time_per_output_chunk_seconds",
            "Between one chunk of an answer and the next.",
            _COMMON,
        )
        self.registry.register(self.per_chunk)
        self.rejected = Counter(
            "foundry_gateway_rejected_requests",
            "Requests refused before they reached Foundry Local.",
            ("error_type", "client"),
            registry=self.registry,
        )

        self.queue_wait = Histogram(
            "foundry_gateway_queue_wait_seconds",
            "From a request's arrival to its slot; refused and abandoned ones are not counted.",
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.model_load = Histogram(
            "foundry_gateway_model_load_seconds",
            "Loading a model into Foundry Local, once for all the requests that wait for it.",
            ("gen_ai_request_model", "outcome"),
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.ready = self._gauge("ready", "Whether a chat could be answered now.")

    def watch(self, admission: Admission, fleet: Fleet, bodies: Budget) -> None:
        """Expose the queue and the upstreams, read at scrape time."""
        self._gauge("requests_active", "Requests being answered.").set_function(
            lambda: admission.active
        )
        self._gauge("requests_waiting", "Requests waiting for a slot.").set_function(
            lambda: admission.waiting
        )
        self._gauge("requests_limit", "Requests answered at once at most.").set(admission.limit)
        self._gauge(
            "prompt_tokens_active", "Tokens of the prompts being answered, about."
        ).set_function(lambda: admission.active_tokens)
        self._gauge("prompt_tokens_limit", "Tokens of prompts answered at once at most.").set(
            admission.max_tokens
        )
        self._gauge("body_bytes_held", "Bytes of request bodies being read or held.").set_function(
            lambda: bodies.held
        )
        self._gauge("body_bytes_limit", "Bytes of request bodies held at most.").set(bodies.total)
        up = Gauge(
            "foundry_gateway_upstream_up",
            "Whether Foundry Local answers at this address.",
            ("url",),
            registry=self.registry,
        )
        for upstream in fleet.upstreams:
            up.labels(upstream.url).set_function(
                lambda upstream=upstream: float(upstream.state == "up")  # type: ignore[misc]
            )

    def reject(self, code: str, headers: Mapping[str, str]) -> None:
        """Count a request that was refused before it reached Foundry Local."""
        client = client_label(headers.get("X-Client"), headers.get("User-Agent"))
        self.rejected.labels(code, client).inc()

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"foundry_gateway_{name}", documentation, registry=self.registry)
