"""Unit tests of Prometheus rules by ``promtool test rules``, told as a story of a whole stack.

A story begins with every metric of a stack that is well, and changes some. So an alert that stays
silent does so although everything it could look at is there.
"""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from support.prometheus import FOLDER, binary

if TYPE_CHECKING:
    from collections.abc import Mapping

STEP = 15
"""Seconds between two samples, as between two scrapes."""
SLOWER = 16
JOBS = ("gateway", "healthcheck", "chainlit", "prometheus", "grafana")
CHEAP_PROBES = {
    "foundry": "foundry",
    "gateway": "http",
    "chainlit": "http",
    "chainlit-socket": "websocket",
    "open-webui": "http",
    "webgpu": "http",
    "prometheus": "prometheus",
    "grafana": "http",
}
MODULES = {**CHEAP_PROBES, "chat": "chat"}
SERVICES = ("gateway", "chainlit", "open-webui", "prometheus")

Series = dict[str, str]


def series(name: str, /, **labels: str) -> str:
    """The name of a series, its labels in one order."""
    pairs = ", ".join(f'{key}="{labels[key]}"' for key in sorted(labels))
    return f"{name}{{{pairs}}}"


def up(job: str) -> str:
    return series("up", job=job, instance=job)


def of_probe(metric: str, probe: str, **labels: str) -> str:
    """A series of the prober about one probe, with the labels that it has there."""
    if not metric.startswith("probe_"):
        metric = f"foundry_healthcheck_{metric}"
    if not metric.endswith(("_timestamp_seconds", "_skipped_total")):
        labels["module"] = MODULES[probe]
    return series(metric, job="healthcheck", instance="healthcheck", probe=probe, **labels)


def success(probe: str) -> str:
    return of_probe("probe_success", probe)


def failures(probe: str, reason: str) -> str:
    return of_probe("failures_total", probe, reason=reason)


def of_prober(metric: str, **labels: str) -> str:
    name = f"foundry_healthcheck_{metric}"
    return series(name, job="healthcheck", instance="healthcheck", **labels)


def of_gateway(metric: str, **labels: str) -> str:
    name = f"foundry_gateway_{metric}"
    return series(name, job="gateway", instance="gateway", **labels)


def _gen_ai(metric: str, client: str, **labels: str) -> str:
    return series(
        f"gen_ai_client_operation_{metric}",
        job="gateway",
        instance="gateway",
        client=client,
        gen_ai_operation_name="chat",
        gen_ai_provider_name="microsoft.foundry_local",
        gen_ai_request_model="phi-4-mini",
        **labels,
    )


def operations(error_type: str = "", client: str = "chainlit") -> str:
    return _gen_ai("duration_seconds_count", client, error_type=error_type)


def first_chunks(client: str = "chainlit") -> str:
    return _gen_ai("time_to_first_chunk_seconds_count", client)


def first_chunks_in_time(client: str = "chainlit") -> str:
    return _gen_ai("time_to_first_chunk_seconds_bucket", client, le="2.56")


def loaded() -> str:
    return of_prober("foundry_models_loaded")


UPSTREAM = of_gateway("upstream_up", url="http://host.docker.internal:51211")


STARTED = series("process_start_time_seconds", job="healthcheck", instance="healthcheck")


def steps(minutes: float) -> int:
    return round(minutes * 60 / STEP)


def constant(*spans: tuple[str | float, float]) -> str:
    """Values and for how many minutes each holds; ``_`` is no sample."""
    # One by one: promtool's shorthand knows no NaN.
    return " ".join(" ".join([f"{value}"] * steps(minutes)) for value, minutes in spans)


def counter(*spans: tuple[float | None, float]) -> str:
    """A counter's growth per minute and for how many minutes each; None is no sample.

    It appears as it does in the services: with its first event.
    """
    values = []
    count = 0.0
    for growth, minutes in spans:
        for _ in range(steps(minutes)):
            if growth is None:
                values.append("_")
            else:
                count += growth * STEP / 60
                values.append(f"{count:g}")
    return " ".join(values)


def long_counter(*spans: tuple[float, float]) -> str:
    """``counter`` for a slow story."""
    return counter(*((growth * SLOWER, minutes / SLOWER) for growth, minutes in spans))


def budgets(minutes: float) -> Series:
    """What the budgets of a well stack are made of: the probe asks once a minute."""
    asked = long_counter((1, minutes))
    return {
        up("gateway"): constant((1, minutes / SLOWER)),
        of_probe("runs_total", "chat"): asked,
        first_chunks("healthcheck"): asked,
        first_chunks_in_time("healthcheck"): asked,
    }


def healthy(minutes: float) -> Series:
    """Every metric that rules look at, of a stack that is well and used now and then."""
    n = steps(minutes)
    always, never, second = f"1x{n}", f"0x{n}", f"0+{STEP}x{n}"
    # A probe a minute, a question every two.
    probed, asked = f"0+0.25x{n}", f"0+0.125x{n}"
    found: Series = {up(job): always for job in JOBS}
    for probe in MODULES:
        found[success(probe)] = always
        found[of_probe("runs_total", probe)] = probed
        found[of_probe("last_run_timestamp_seconds", probe)] = second
    found[STARTED] = never
    found[loaded()] = always
    found[UPSTREAM] = always
    found[of_gateway("requests_active")] = always
    found[of_gateway("requests_waiting")] = never
    found[of_gateway("requests_limit")] = f"8x{n}"
    for client, count in (("chainlit", asked), ("healthcheck", probed)):
        found[operations(client=client)] = count
        found[first_chunks(client)] = count
        found[first_chunks_in_time(client)] = count
    for metric in ("tsdb_wal_writes_failed", "tsdb_compactions_failed", "rule_evaluation_failures"):
        name = f"prometheus_{metric}_total"
        found[series(name, job="prometheus", instance="prometheus")] = never
    for service in SERVICES:
        found[of_prober("container_restarts_total", service=service)] = never
        found[of_prober("container_memory_bytes", service=service)] = f"100x{n}"
        found[of_prober("container_memory_limit_bytes", service=service)] = f"200x{n}"
    return found


@dataclass(frozen=True)
class Expected:
    """What a query gives at one time of a story: label sets and their values."""

    at: str
    query: str
    samples: Mapping[str, float]


def records(at: str, query: str, value: float | None) -> Expected:
    """A query gives a value, to three digits, or None: no sample."""
    return Expected(at, f"round(sum({query}), 0.001)", {} if value is None else {"{}": value})


def firing(at: str, *alerts: str) -> Expected:
    """Exactly these alerts fire."""
    query = 'group by (alertname) (ALERTS{alertstate="firing"})'
    return Expected(at, query, {f'{{alertname="{alert}"}}': 1 for alert in alerts})


def no_budget_burns(at: str) -> Expected:
    """No budget is in danger, whatever else fires."""
    return Expected(at, 'group by (alertname) (ALERTS{alertname=~".*BudgetBurn"})', {})


def pages(at: str, *alerts: str) -> Expected:
    """Exactly these alerts fire that ask for somebody now."""
    query = 'group by (alertname) (ALERTS{alertstate="firing", severity="page"})'
    return Expected(at, query, {f'{{alertname="{alert}"}}': 1 for alert in alerts})


@dataclass(frozen=True)
class Story:
    """What happens to a stack, and what the rules make of it.

    Args:
        minutes: How long it goes on.
        changes: Series that differ from those of a healthy stack; an empty value takes one away.
        expected: What is seen.
        annotations: promtool's own expectations, for alerts whose text matters.
        slow: Whether it goes on for hours: told in samples ``SLOWER`` times as far apart, of what
            budgets are made of and nothing else. Its own ``long_counter`` counts so too.
    """

    minutes: float
    changes: Series
    expected: tuple[Expected, ...]
    annotations: tuple[Mapping[str, Any], ...] = ()
    slow: bool = False

    @property
    def pace(self) -> str:
        """Time between two samples, and between two evaluations."""
        return f"{STEP * SLOWER if self.slow else STEP}s"

    def told(self) -> dict[str, Any]:
        """This story as one of promtool's tests."""
        usual = budgets(self.minutes) if self.slow else healthy(self.minutes)
        all_series = {**usual, **self.changes}
        return {
            "interval": self.pace,
            "input_series": [
                {"series": name, "values": values} for name, values in all_series.items() if values
            ],
            "promql_expr_test": [
                {
                    "expr": expected.query,
                    "eval_time": expected.at,
                    "exp_samples": [
                        {"labels": labels, "value": value}
                        for labels, value in expected.samples.items()
                    ],
                }
                for expected in self.expected
            ],
            "alert_rule_test": list(self.annotations),
        }


def rules() -> list[dict[str, Any]]:
    """Every rule, in the order of the files."""
    return [rule for groups in read_rules().values() for group in groups for rule in group["rules"]]


@functools.cache
def read_rules() -> dict[str, list[dict[str, Any]]]:
    """The groups of every file of rules; not to be changed, only copied."""
    files = sorted((FOLDER / "rules").glob("*.yml"))
    return {path.name: yaml.safe_load(path.read_text(encoding="utf-8"))["groups"] for path in files}


def promtool_says(
    folder: Path, story: Story, groups: dict[str, list[dict[str, Any]]] | None = None
) -> str:
    """What promtool finds wrong with a story; nothing when all is as expected.

    Args:
        folder: For the files.
        story: What happens.
        groups: Other rules than those shipped, by file name.
    """
    paths = [str(path) for path in sorted((FOLDER / "rules").glob("*.yml"))]
    if groups is not None:
        paths = []
        for name, content in groups.items():
            (folder / name).write_text(json.dumps({"groups": content}), encoding="utf-8")
            paths.append(str(folder / name))
    test = {"rule_files": paths, "evaluation_interval": story.pace, "tests": [story.told()]}
    path = folder / "test.yml"
    path.write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
    command = [binary("promtool"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"
