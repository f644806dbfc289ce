"""Unit tests of Prometheus rules by ``promtool test rules``, told as a story of a whole stack.

A story begins with every metric of a stack that is well, and changes some. So an alert that stays
silent does so although everything it could look at is there.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from support.prometheus import FOLDER, binary

if TYPE_CHECKING:
    from collections.abc import Mapping

STEP = 15
"""Seconds between two samples, as between two scrapes."""
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
    return f"{name}{{{', '.join(f'{key}="{labels[key]}"' for key in sorted(labels))}}}"


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


def times(value: str, count: int) -> str:
    """One value again and again; promtool's own shorthand knows no NaN."""
    return " ".join([value] * count)


def steps(minutes: float) -> int:
    return round(minutes * 60 / STEP)


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


def firing(at: str, *alerts: str) -> Expected:
    """Exactly these alerts fire."""
    query = 'group by (alertname) (ALERTS{alertstate="firing"})'
    return Expected(at, query, {f'{{alertname="{alert}"}}': 1 for alert in alerts})


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
        pace: Time between two samples, and between two evaluations.
    """

    minutes: float
    changes: Series
    expected: tuple[Expected, ...]
    annotations: tuple[Mapping[str, Any], ...] = ()
    pace: str = f"{STEP}s"
    from_health: bool = field(default=True)

    def told(self) -> dict[str, Any]:
        """This story as one of promtool's tests."""
        all_series = {**(healthy(self.minutes) if self.from_health else {}), **self.changes}
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


def read_rules() -> dict[str, list[dict[str, Any]]]:
    """The groups of every file of rules."""
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
