"""For every fault that people have met: exactly which alerts fire, by promtool.

Each story changes what that fault changes for everybody who measures: the prober, the gateway and
Prometheus. That the parts really measure so is tested in tests/faults with the real ones.
"""

from pathlib import Path

import pytest

from support.rule_tests import (
    UPSTREAM,
    Series,
    Story,
    constant,
    counter,
    failures,
    firing,
    healthy,
    loaded,
    of_probe,
    operations,
    promtool_says,
    success,
    up,
)

WELL, LONG = 3, 12
GONE = constant((1, WELL), ("stale", 0.25), ("_", LONG))
"""A series whose target cannot be read any more."""


def fails(probe: str, reason: str, *, a_minute: float = 6) -> Series:
    return {
        success(probe): constant((1, WELL), (0, LONG)),
        failures(probe, reason): counter((None, WELL), (a_minute, LONG)),
    }


def no_foundry(reason: str, *, gateway_notices_after: float = 0) -> Series:
    """Nothing that the prober could call Foundry Local answers."""
    return {
        **fails("foundry", reason),
        **fails("chat", "http_error", a_minute=1),
        **fails("gateway", "not_ready"),
        loaded(): constant((1, WELL), ("NaN", LONG)),
        UPSTREAM: constant((1, WELL + gateway_notices_after), (0, LONG - gateway_notices_after)),
    }


def stored_until(minutes: float) -> Series:
    """Not a sample of anything is stored any more."""
    nothing = constant(("_", LONG))
    return {name: f"{values} {nothing}" for name, values in healthy(minutes).items()}


FAULTS = {
    "foundry_local_stopped": Story(
        WELL + LONG,
        no_foundry("refused"),
        (
            firing("3m"),
            firing("5m", "FoundryLocalDown"),
            firing("12m", "FoundryLocalDown", "ChatErrorBudgetBurn"),
        ),
    ),
    "foundry_local_stopped_in_the_middle_of_an_answer": Story(
        WELL + LONG,
        {
            **no_foundry("refused"),
            operations("upstream_error"): constant(("_", WELL), (1, LONG)),
        },
        (
            firing("5m", "FoundryLocalDown"),
            firing("12m", "FoundryLocalDown", "ChatErrorBudgetBurn"),
        ),
    ),
    "foundry_local_ends_with_every_answer_and_is_started_again": Story(
        WELL + LONG,
        {
            **fails("chat", "stream_broken", a_minute=1),
            operations("upstream_error", "healthcheck"): counter((None, WELL), (1, LONG)),
        },
        (
            firing("4m30s"),
            firing("7m", "ChatNotAnswering", "ChatStreamsBreak"),
            firing("12m", "ChatNotAnswering", "ChatStreamsBreak", "ChatErrorBudgetBurn"),
        ),
    ),
    "foundry_local_frozen": Story(
        WELL + LONG,
        no_foundry("timed_out", gateway_notices_after=2),
        (
            firing("5m", "FoundryLocalDown"),
            firing("12m", "FoundryLocalDown", "ChatErrorBudgetBurn"),
        ),
    ),
    "another_program_at_foundry_locals_port": Story(
        WELL + LONG, no_foundry("not_foundry"), (firing("5m", "FoundryLocalDown"),)
    ),
    "model_unloaded": Story(
        WELL + LONG,
        {
            **fails("foundry", "no_model_loaded"),
            loaded(): constant((1, WELL), (0, LONG)),
            of_probe("skipped_total", "chat", reason="model_not_loaded"): counter(
                (None, WELL), (1, LONG)
            ),
            of_probe("runs_total", "chat"): counter((1, WELL), (0, LONG)),
        },
        (firing("7m"), firing("9m", "FoundryLocalNoModelLoaded")),
    ),
    "gateway_killed": Story(
        WELL + LONG,
        {
            **{name: GONE for name in healthy(LONG) if 'job="gateway"' in name},
            up("gateway"): constant((1, WELL), (0, LONG)),
            **fails("gateway", "refused"),
            **fails("chat", "refused", a_minute=1),
        },
        (
            firing("3m45s"),
            firing("5m", "GatewayDown"),
            firing("12m", "GatewayDown", "ChatErrorBudgetBurn"),
        ),
    ),
    "chainlits_socket_dead_while_its_page_is_fine": Story(
        WELL + LONG,
        fails("chainlit-socket", "handshake_failed"),
        (firing("3m45s"), firing("5m", "ChainlitSocketDown")),
    ),
    "disk_of_prometheus_full": Story(
        WELL + LONG, stored_until(WELL), (firing("6m"), firing("8m", "PrometheusNotRecording"))
    ),
    "prober_killed": Story(
        WELL + LONG,
        {
            **{name: GONE for name in healthy(LONG) if 'job="healthcheck"' in name},
            up("healthcheck"): constant((1, WELL), (0, LONG)),
        },
        (firing("7m"), firing("9m", "TargetMissing")),
    ),
    "grafana_left_out_on_purpose": Story(
        WELL + LONG,
        {name: "" for name in healthy(LONG) if "grafana" in name},
        (firing("5m"), firing("14m")),
    ),
    "nothing_at_all": Story(WELL + LONG, {}, (firing("1m"), firing("5m"), firing("14m"))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_exactly_the_alerts_of_the_fault_fire(tmp_path: Path, fault: str):
    assert promtool_says(tmp_path, FAULTS[fault]) == ""
