"""Every alert fires when it should and is silent when it should be, by promtool.

The stories begin with a stack that is well (support.rule_tests). A ``fires`` story names exactly
the alerts that fire; in a ``silent`` story none does unless it says so.
"""

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest

from support.rule_tests import (
    STARTED,
    UPSTREAM,
    Expected,
    Story,
    constant,
    counter,
    failures,
    firing,
    first_chunks,
    first_chunks_in_time,
    loaded,
    long_counter,
    no_budget_burns,
    of_gateway,
    of_probe,
    of_prober,
    operations,
    pages,
    promtool_says,
    read_rules,
    rules,
    series,
    success,
    up,
)


def down(probe: str, *, healthy: float = 2, minutes: float = 8) -> dict[str, str]:
    """A probe that was well, and fails from then on."""
    return {success(probe): constant((1, healthy), (0, minutes))}


def budget(alert: str, window: str, at: str, *, burns: bool) -> Expected:
    query = f'group (ALERTS{{alertstate="firing", alertname="{alert}", long_window="{window}"}})'
    return Expected(at, query, {"{}": 1} if burns else {})


NO_FOUNDRY = {
    **down("foundry"),
    **down("chat"),
    failures("foundry", "refused"): counter((None, 2), (6, 8)),
    loaded(): constant((1, 2), ("NaN", 8)),
    UPSTREAM: constant((1, 2), (0, 8)),
}
WITHOUT_VERDICT = {success("foundry"): "", loaded(): ""}
WITHOUT_PROBER = {**WITHOUT_VERDICT, up("healthcheck"): "0x24"}
NO_TRAFFIC = {
    key: ""
    for client in ("chainlit", "healthcheck")
    for key in (operations(client=client), first_chunks(client), first_chunks_in_time(client))
}
HOUR, DAY = 60.0, 1440.0


def answers_fail(*spans: tuple[float | None, float]) -> dict[str, str]:
    """The probe asks once a minute; so many of its questions a minute fail."""
    return {failures("chat", "bad_answer"): counter(*spans)}


def answers_late(*spans: tuple[float, float]) -> dict[str, str]:
    """The probe gets an answer a minute; so many of them a minute are in time."""
    return {first_chunks_in_time("healthcheck"): counter(*spans)}


def slow_story(minutes: float, changes: dict[str, str], *expected: Expected) -> Story:
    return Story(minutes, changes, expected, slow=True)


def slow_failures(*spans: tuple[float, float]) -> dict[str, str]:
    """So many of the probe's questions a minute fail, for so many minutes."""
    return {failures("chat", "bad_answer"): long_counter(*spans)}


def slow_answers(*spans: tuple[float, float]) -> dict[str, str]:
    """So many answers a minute begin late, for so many minutes."""
    in_time = long_counter(*((1 - late, minutes) for late, minutes in spans))
    return {first_chunks_in_time("healthcheck"): in_time}


FIRES = {
    "FoundryLocalDown": [
        Story(6, NO_FOUNDRY, (firing("2m30s"), firing("4m", "FoundryLocalDown"))),
        Story(6, {**WITHOUT_PROBER, UPSTREAM: "0x24"}, (firing("4m", "FoundryLocalDown"),)),
    ],
    "FoundryLocalNoModelLoaded": [
        Story(
            10,
            {**down("foundry"), loaded(): constant((1, 2), (0, 8))},
            (firing("6m"), firing("8m", "FoundryLocalNoModelLoaded")),
        )
    ],
    "ModelLoadFailing": [
        Story(
            10,
            {
                of_gateway(
                    "model_load_seconds_count", gen_ai_request_model="phi-4-mini", outcome="failed"
                ): constant(("_", 2), (1, 2), (2, 6))
            },
            (firing("3m45s"), firing("5m", "ModelLoadFailing")),
        )
    ],
    "ChatNotAnswering": [
        Story(8, down("chat"), (firing("3m30s"), firing("5m", "ChatNotAnswering")))
    ],
    "ChatSlowFirstToken": [
        Story(
            20,
            {**NO_TRAFFIC, first_chunks(): counter((0.5, 20)), first_chunks_in_time(): "0x80"},
            (firing("8m"), firing("13m", "ChatSlowFirstToken", "ChatFirstChunkBudgetBurn")),
        )
    ],
    "ChatStreamsBreak": [
        # Few enough that no budget is burnt for it.
        Story(
            10,
            {operations("upstream_error"): constant(("_", 2), (1, 1), (2, 1), (3, 6))},
            (firing("3m45s"), firing("5m", "ChatStreamsBreak")),
        )
    ],
    "GatewayDown": [
        Story(
            6,
            {up("gateway"): constant((1, 2), (0, 4)), **down("gateway"), **down("chat")},
            (firing("2m30s"), firing("4m", "GatewayDown")),
        )
    ],
    "GatewaySaturated": [
        Story(
            6,
            {
                of_gateway("requests_active"): "8x24",
                of_gateway("requests_waiting"): constant((0, 1), (3, 5)),
            },
            (firing("2m30s"), firing("4m", "GatewaySaturated")),
        ),
        Story(
            6,
            {operations("overloaded", "open-webui"): constant(("_", 1), (1, 5))},
            (firing("2m"), firing("4m", "GatewaySaturated")),
        ),
    ],
    "ChainlitSocketDown": [
        Story(6, down("chainlit-socket"), (firing("2m30s"), firing("4m", "ChainlitSocketDown")))
    ],
    "PageDown/page": [
        Story(
            8,
            {**down("chainlit"), **down("chainlit-socket")},
            (firing("3m30s"), firing("5m", "PageDown"), pages("5m", "PageDown")),
        ),
        Story(8, down("open-webui"), (firing("5m", "PageDown"), pages("5m", "PageDown"))),
    ],
    "PageDown/ticket": [
        Story(8, down("webgpu"), (firing("3m30s"), firing("5m", "PageDown"), pages("5m"))),
        Story(8, down("grafana"), (firing("5m", "PageDown"), pages("5m"))),
    ],
    "TargetMissing": [
        Story(
            10,
            {up(job): constant((1, 1), (0, 9))},
            (firing("5m30s"), firing("7m", "TargetMissing")),
        )
        for job in ("healthcheck", "chainlit", "grafana")
    ],
    "ProbeStale": [
        Story(
            20,
            {of_probe("last_run_timestamp_seconds", "chainlit"): constant((60, 20))},
            (firing("17m30s"), firing("19m", "ProbeStale")),
        ),
        Story(
            30,
            {of_probe("last_run_timestamp_seconds", "chat"): constant((60, 30))},
            (firing("27m30s"), firing("29m", "ProbeStale")),
        ),
    ],
    "PrometheusNotRecording": [
        Story(
            8,
            {up("prometheus"): constant((1, 1), ("_", 7))},
            (firing("4m"), firing("6m", "PrometheusNotRecording")),
        ),
        *(
            Story(
                8,
                {
                    series(name, job="prometheus", instance="prometheus"): counter((0, 1), (1, 7)),
                },
                (firing("1m45s"), firing("4m", "PrometheusNotRecording")),
            )
            for name in (
                "prometheus_tsdb_wal_writes_failed_total",
                "prometheus_tsdb_compactions_failed_total",
            )
        ),
    ],
    "RulesFailing": [
        Story(
            10,
            {
                series(
                    "prometheus_rule_evaluation_failures_total",
                    job="prometheus",
                    instance="prometheus",
                ): counter((0, 1), (4, 9))
            },
            (firing("5m45s"), firing("8m", "RulesFailing")),
        )
    ],
    "ContainerRestarting": [
        Story(
            20,
            {
                of_prober("container_restarts_total", service="chainlit"): constant(
                    (0, 2), (1, 2), (2, 2), (3, 14)
                )
            },
            (firing("5m30s"), firing("8m", "ContainerRestarting")),
        )
    ],
    "ContainerMemoryNearLimit": [
        Story(
            20,
            {
                of_prober("container_memory_bytes", service="chainlit"): constant(
                    (100, 2), (196, 18)
                )
            },
            (firing("11m45s"), firing("13m", "ContainerMemoryNearLimit")),
        )
    ],
    "ChatErrorBudgetBurn/1h": [
        # Every answer fails, from the first minute of a fresh stack on.
        Story(
            12,
            answers_fail((None, 1), (1, 11)),
            (
                budget("ChatErrorBudgetBurn", "1h", "4m", burns=False),
                budget("ChatErrorBudgetBurn", "1h", "9m", burns=True),
            ),
        ),
        # Users' requests alone, while the probe is content.
        Story(
            12,
            {operations("foundry_unreachable", "open-webui"): counter((None, 1), (2, 11))},
            (budget("ChatErrorBudgetBurn", "1h", "9m", burns=True),),
        ),
    ],
    "ChatFirstChunkBudgetBurn/1h": [
        Story(
            20,
            {**NO_TRAFFIC, **answers_late((0.1, 20)), first_chunks("healthcheck"): "0+0.25x80"},
            (budget("ChatFirstChunkBudgetBurn", "1h", "12m", burns=True),),
        )
    ],
    "ChatErrorBudgetBurn/6h": [
        slow_story(
            6 * HOUR,
            slow_failures((0, 4 * HOUR), (0.25, 2 * HOUR)),
            budget("ChatErrorBudgetBurn", "6h", "3h", burns=False),
            budget("ChatErrorBudgetBurn", "6h", "5h50m", burns=True),
        )
    ],
    "ChatErrorBudgetBurn/1d": [
        slow_story(
            DAY,
            slow_failures((0, 8 * HOUR), (0.05, 16 * HOUR)),
            budget("ChatErrorBudgetBurn", "1d", "7h", burns=False),
            budget("ChatErrorBudgetBurn", "1d", "23h50m", burns=True),
            budget("ChatErrorBudgetBurn", "6h", "23h50m", burns=False),
        )
    ],
    "ChatErrorBudgetBurn/3d": [
        slow_story(
            3 * DAY,
            slow_failures((0, DAY), (0.02, 2 * DAY)),
            budget("ChatErrorBudgetBurn", "3d", "23h", burns=False),
            budget("ChatErrorBudgetBurn", "3d", "71h", burns=True),
            budget("ChatErrorBudgetBurn", "1d", "71h", burns=False),
        )
    ],
    "ChatFirstChunkBudgetBurn/6h": [
        slow_story(
            6 * HOUR,
            slow_answers((0, 3 * HOUR), (0.8, 3 * HOUR)),
            budget("ChatFirstChunkBudgetBurn", "6h", "2h50m", burns=False),
            budget("ChatFirstChunkBudgetBurn", "6h", "5h50m", burns=True),
        )
    ],
    "ChatFirstChunkBudgetBurn/1d": [
        slow_story(
            DAY,
            slow_answers((0, 8 * HOUR), (0.25, 16 * HOUR)),
            budget("ChatFirstChunkBudgetBurn", "1d", "7h", burns=False),
            budget("ChatFirstChunkBudgetBurn", "1d", "23h50m", burns=True),
            budget("ChatFirstChunkBudgetBurn", "6h", "23h50m", burns=False),
        )
    ],
    "ChatFirstChunkBudgetBurn/3d": [
        slow_story(
            3 * DAY,
            slow_answers((0, DAY), (0.1, 2 * DAY)),
            budget("ChatFirstChunkBudgetBurn", "3d", "23h", burns=False),
            budget("ChatFirstChunkBudgetBurn", "3d", "71h", burns=True),
            budget("ChatFirstChunkBudgetBurn", "1d", "71h", burns=False),
        )
    ],
}

ASLEEP = ("_", 70)
SILENT = {
    "FoundryLocalDown": [
        Story(
            6,
            {
                success("foundry"): constant((1, 2), (0, 0.5), (1, 4)),
                loaded(): constant((1, 2), ("NaN", 0.5), (1, 4)),
            },
            (firing("2m30s"), firing("4m")),
        ),
        # It has yet to start with the stack: the prober waits for it, without a verdict.
        Story(6, {**WITHOUT_VERDICT, UPSTREAM: "0x24"}, (firing("4m"),)),
        # It answers, without a model: another alert, and not yet.
        Story(5, {success("foundry"): "0x20", loaded(): "0x20"}, (firing("4m30s"),)),
        # One of two addresses is enough.
        Story(
            6,
            {
                **WITHOUT_PROBER,
                of_gateway("upstream_up", url="http://foundry-local:51211"): "0x24",
            },
            (firing("4m"),),
        ),
    ],
    "FoundryLocalNoModelLoaded": [
        Story(8, {loaded(): constant((1, 1), (0, 4), (1, 3))}, (firing("4m45s"), firing("7m"))),
        Story(8, {loaded(): constant(("NaN", 8))}, (firing("7m"),)),
    ],
    "ModelLoadFailing": [
        Story(
            25,
            {
                of_gateway(
                    "model_load_seconds_count", gen_ai_request_model="phi-4-mini", outcome="failed"
                ): constant(("_", 2), (1, 10), ("_", 13)),
                of_gateway(
                    "model_load_seconds_count", gen_ai_request_model="phi-4-mini", outcome="loaded"
                ): counter((1, 25)),
            },
            (firing("4m"), firing("14m"), firing("24m")),
        )
    ],
    "ChatNotAnswering": [
        # One question without an answer.
        Story(6, {success("chat"): constant((1, 2), (0, 1), (1, 3))}, (firing("3m"), firing("5m"))),
        # Foundry Local is why, and has an alert of its own.
        Story(10, NO_FOUNDRY, (firing("7m", "FoundryLocalDown"),)),
        # The last word is a failure of long ago: users keep the model busy.
        Story(
            40,
            {success("chat"): constant((0, 40)), of_probe("runs_total", "chat"): "7x160"},
            (firing("20m"), firing("39m")),
        ),
    ],
    "ChatSlowFirstToken": [
        # A cold load now and then.
        Story(
            20,
            {first_chunks_in_time(): counter((0.5, 5), (0, 4), (0.5, 11))},
            (firing("10m"), firing("19m")),
        ),
        # All four answers were late, and then nobody asked.
        Story(
            20,
            {
                **NO_TRAFFIC,
                first_chunks(): counter((None, 2), (0.5, 8), (0, 10)),
                first_chunks_in_time(): constant(("_", 2), (0, 18)),
            },
            (firing("11m"), firing("19m")),
        ),
        Story(20, NO_TRAFFIC, (firing("10m"), firing("19m"))),
    ],
    "ChatStreamsBreak": [
        Story(
            20,
            {operations("upstream_error"): constant(("_", 2), (1, 2), (2, 16))},
            (firing("5m"), firing("19m")),
        ),
        # The gateway starts again: its counters begin anew.
        Story(
            20,
            {operations("upstream_error"): constant((9, 10), ("_", 2), (1, 8))},
            (firing("5m"), firing("14m"), firing("19m")),
        ),
    ],
    "GatewayDown": [
        Story(6, {up("gateway"): constant((1, 2), (0, 0.75), (1, 3))}, (firing("2m45s"),))
    ],
    "GatewaySaturated": [
        # A burst; and busy without a queue.
        Story(
            8,
            {
                of_gateway("requests_active"): "8x32",
                of_gateway("requests_waiting"): constant((0, 2), (5, 1), (0, 5)),
            },
            (firing("3m"), firing("7m")),
        ),
        # Waiting for a model to load, with slots free.
        Story(8, {of_gateway("requests_waiting"): "1x32"}, (firing("7m"),)),
    ],
    "ChainlitSocketDown": [
        Story(5, {success("chainlit-socket"): constant((1, 2), (0, 0.5), (1, 3))}, (firing("3m"),)),
        # Its page is down too: that is the alert.
        Story(
            6,
            {
                success("chainlit"): constant((0, 6)),
                success("chainlit-socket"): constant((0, 6)),
            },
            (firing("5m", "PageDown"),),
        ),
    ],
    "PageDown/page": [
        Story(6, {success("chainlit"): constant((1, 2), (0, 1.5), (1, 3))}, (firing("4m"),)),
        # A restart on purpose.
        Story(
            6, {success("open-webui"): constant((1, 2), ("_", 1), (0, 1), (1, 3))}, (firing("5m"),)
        ),
    ],
    "PageDown/ticket": [
        Story(6, {success("webgpu"): constant((1, 2), (0, 1.5), (1, 3))}, (firing("4m"),)),
        # Left out on purpose: nothing probes it.
        Story(
            6,
            {
                success("grafana"): "",
                of_probe("runs_total", "grafana"): "",
                of_probe("last_run_timestamp_seconds", "grafana"): "",
                up("grafana"): "",
            },
            (firing("5m"),),
        ),
    ],
    "TargetMissing": [
        Story(10, {up("chainlit"): constant((1, 2), (0, 4.5), (1, 4))}, (firing("6m"),)),
        # Left out on purpose (PROMETHEUS_WITHOUT): it is not in the configuration.
        Story(10, {up("grafana"): ""}, (firing("9m"),)),
        # The gateway has an alert of its own.
        Story(10, {up("gateway"): "0x40"}, (firing("9m", "GatewayDown"),)),
    ],
    "ProbeStale": [
        # More than an hour asleep, and the probes run within the minute.
        Story(
            80,
            {
                of_probe("last_run_timestamp_seconds", probe): constant(
                    (60, 4), ASLEEP, (60, 1), (75 * 60, 5)
                )
                for probe in ("chat", "foundry", "chainlit")
            },
            (firing("75m30s"), firing("78m")),
        ),
        # Everything asked every ten minutes; an answer that takes fifteen; and never.
        Story(
            20,
            {
                of_probe("last_run_timestamp_seconds", probe): constant((0, 10), (600, 10))
                for probe in ("chat", "foundry", "chainlit")
            },
            (firing("9m"), firing("19m")),
        ),
        Story(
            26,
            {of_probe("last_run_timestamp_seconds", "chat"): constant((60, 26))},
            (firing("25m"),),
        ),
        # Just started, on a machine where the first answer takes its time.
        Story(
            50,
            {
                of_probe("last_run_timestamp_seconds", "chat"): constant((1700, 30), (0, 20)),
                STARTED: constant((0, 30), (1800, 20)),
            },
            (firing("49m"),),
        ),
        Story(
            20,
            {
                of_probe("last_run_timestamp_seconds", "chat"): constant((1, 20)),
                of_probe("skipped_total", "chat", reason="disabled"): "1x80",
            },
            (firing("19m"),),
        ),
    ],
    "PrometheusNotRecording": [
        Story(8, {up("prometheus"): constant((1, 1), ("_", 3.5), (1, 4))}, (firing("7m"),)),
    ],
    "RulesFailing": [
        Story(
            15,
            {
                series(
                    "prometheus_rule_evaluation_failures_total",
                    job="prometheus",
                    instance="prometheus",
                ): constant((0, 2), (1, 13))
            },
            (firing("6m45s"), firing("8m"), firing("14m")),
        )
    ],
    "ContainerRestarting": [
        Story(
            20,
            {
                of_prober("container_restarts_total", service="chainlit"): constant(
                    (4, 2), (5, 2), (6, 2), (0, 14)
                )
            },
            (firing("5m30s"), firing("19m")),
        )
    ],
    "ContainerMemoryNearLimit": [
        Story(
            30,
            {of_prober("container_memory_bytes", service="chainlit"): constant((180, 30))},
            (firing("29m"),),
        ),
        # A peak; and a container without a limit.
        Story(
            30,
            {
                of_prober("container_memory_bytes", service="chainlit"): constant(
                    (100, 5), (199, 9), (100, 16)
                ),
                of_prober("container_memory_limit_bytes", service="gateway"): "0x120",
            },
            (firing("13m45s"), firing("29m")),
        ),
    ],
    "ChatErrorBudgetBurn/1h": [
        # After a night asleep the first question fails: half of the hour's events, but one.
        Story(
            90,
            {
                of_probe("runs_total", "chat"): constant((3, 4), ASLEEP, (3, 1), (4, 1), (5, 14)),
                failures("chat", "timed_out"): constant(("_", 75), (1, 15)),
                operations(): constant((3, 4), ASLEEP, (3, 16)),
            },
            (firing("76m"), firing("80m"), firing("89m")),
        ),
        # Ten bad minutes half an hour ago: the hour is bad, but it is over.
        Story(
            50,
            answers_fail((None, 1), (1, 10), (0, 39)),
            (
                budget("ChatErrorBudgetBurn", "1h", "10m", burns=True),
                firing("45m"),
            ),
        ),
        # What the caller got wrong or broke off, and what the probe was skipped for.
        Story(
            20,
            {
                operations("invalid_request", "curl"): counter((5, 20)),
                operations("cancelled"): counter((5, 20)),
                of_gateway(
                    "rejected_requests_total", error_type="invalid_api_key", client="curl"
                ): counter((5, 20)),
                of_probe("skipped_total", "chat", reason="users_first"): counter((1, 20)),
            },
            (firing("10m"), firing("19m")),
        ),
        Story(20, NO_TRAFFIC, (firing("19m"),)),
    ],
    "ChatErrorBudgetBurn/6h": [
        # One failure in two hours; and an hour without answers, long over.
        slow_story(
            6 * HOUR,
            slow_failures((1 / 120, 6 * HOUR)),
            no_budget_burns("3h"),
            no_budget_burns("5h50m"),
        ),
        slow_story(
            6 * HOUR,
            slow_failures((0, HOUR), (1, HOUR), (0, 4 * HOUR)),
            budget("ChatErrorBudgetBurn", "6h", "1h56m", burns=True),
            budget("ChatErrorBudgetBurn", "6h", "5h50m", burns=False),
        ),
    ],
    "ChatErrorBudgetBurn/1d": [
        slow_story(DAY, slow_failures((0.005, DAY)), no_budget_burns("12h"), no_budget_burns("23h"))
    ],
    "ChatErrorBudgetBurn/3d": [
        # Half of what is allowed.
        slow_story(
            3 * DAY, slow_failures((0.005, 3 * DAY)), no_budget_burns("24h"), no_budget_burns("71h")
        )
    ],
    "ChatFirstChunkBudgetBurn/6h": [
        slow_story(
            6 * HOUR,
            slow_answers((0.03, 6 * HOUR)),
            no_budget_burns("3h"),
            no_budget_burns("5h50m"),
        )
    ],
    "ChatFirstChunkBudgetBurn/1d": [
        slow_story(DAY, slow_answers((0.03, DAY)), no_budget_burns("12h"), no_budget_burns("23h"))
    ],
    "ChatFirstChunkBudgetBurn/3d": [
        slow_story(
            3 * DAY, slow_answers((0.03, 3 * DAY)), no_budget_burns("24h"), no_budget_burns("71h")
        )
    ],
    "ChatFirstChunkBudgetBurn/1h": [
        # The first question of the morning loads the model.
        Story(
            20,
            {
                **NO_TRAFFIC,
                first_chunks(): constant(("_", 5), (1, 5), (2, 10)),
                first_chunks_in_time(): constant(("_", 5), (0, 5), (1, 10)),
            },
            (firing("6m"), firing("11m"), firing("19m")),
        ),
        Story(
            60,
            {
                **NO_TRAFFIC,
                first_chunks("healthcheck"): counter((1, 60)),
                **answers_late((0, 15), (1, 45)),
            },
            (budget("ChatFirstChunkBudgetBurn", "1h", "14m", burns=True), firing("55m")),
        ),
    ],
}


def identity(rule: dict) -> str:
    """An alert's name, and what tells it from others of that name."""
    alike = [other for other in rules() if other.get("alert") == rule["alert"]]
    labels = rule["labels"]
    part = labels.get("long_window", labels["severity"])
    return rule["alert"] if len(alike) == 1 else f"{rule['alert']}/{part}"


ALERTS = [identity(rule) for rule in rules() if "alert" in rule]


def only(alert: str, expression: str) -> dict:
    """The shipped rule of one alert alone, with this expression and without patience."""
    shipped = [rule for rule in rules() if "alert" in rule and identity(rule) == alert]
    (rule,) = copy.deepcopy(shipped)
    rule["expr"] = expression
    rule.pop("for", None)
    return {"alerts.yml": [{"name": "only", "rules": [rule]}]}


def numbered(stories: dict[str, list[Story]]) -> list:
    return [
        pytest.param(story, id=f"{alert}-{number}")
        for alert, told in stories.items()
        for number, story in enumerate(told, start=1)
    ]


def test_every_alert_has_stories_both_ways():
    assert sorted(FIRES) == sorted(ALERTS)
    assert sorted(SILENT) == sorted(ALERTS)
    assert all(FIRES.values())
    assert all(SILENT.values())


@pytest.mark.parametrize("story", numbered(FIRES))
def test_it_fires(tmp_path: Path, story: Story):
    assert promtool_says(tmp_path, story) == ""


@pytest.mark.parametrize("story", numbered(SILENT))
def test_it_is_silent(tmp_path: Path, story: Story):
    assert promtool_says(tmp_path, story) == ""


@pytest.mark.parametrize("alert", ALERTS)
def test_the_stories_notice_an_alert_that_never_or_always_fires(tmp_path: Path, alert: str):
    """One short story each: what cannot fail would prove nothing."""
    fires = min(FIRES[alert], key=lambda story: story.minutes)
    silent = min(SILENT[alert], key=lambda story: story.minutes)
    quiet = next(expected for expected in silent.expected if not expected.samples)
    always = only(alert, "vector(1)")
    assert "FAILED" in promtool_says(tmp_path, replace(silent, expected=(quiet,)), always)
    assert "FAILED" in promtool_says(tmp_path, fires, only(alert, "vector(0) > 1"))


SHOWN = re.compile(r"\{\{(?!\s*(?:range|else|end|if|with|\.Labels)).*?\}\}")


@pytest.mark.parametrize("name", [name for name, told in FIRES.items() if not told[0].slow])
def test_no_text_of_an_alert_that_fires_has_a_gap(tmp_path: Path, name: str):
    """Whatever a text fills in is there, with the labels that the alert really has."""
    groups = copy.deepcopy(read_rules())
    for rule in (each for file in groups.values() for group in file for each in group["rules"]):
        for key, text in rule.get("annotations", {}).items():
            rule["annotations"][key] = SHOWN.sub(lambda found: f"<<{found[0]}>>", text)
    story = FIRES[name][0]
    at = [each.at for each in story.expected if each.samples][-1]
    # Nothing is expected, so that promtool tells what it got.
    asked = {"eval_time": at, "alertname": name.partition("/")[0], "exp_alerts": []}
    said = promtool_says(tmp_path, replace(story, expected=(), annotations=(asked,)), groups)
    assert "Annotations" in said
    assert re.findall(r"<<(?:\s*|<no value>|NaN)>>", said) == []
    assert "error expanding" not in said.lower()
