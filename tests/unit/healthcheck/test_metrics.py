from __future__ import annotations

import math
import re

from prometheus_client import generate_latest

import foundry_gateway.metrics as gateway
from foundry_healthcheck import metrics
from foundry_healthcheck.containers import ContainerState, ContainerStates
from foundry_healthcheck.history import PartState
from foundry_healthcheck.measurement import Measurement
from foundry_healthcheck.metrics import Metrics
from foundry_healthcheck.parts import parts
from foundry_healthcheck.probing import Outcome
from foundry_healthcheck.settings import Settings

PARTS = parts(Settings())
CHAT, FOUNDRY, _ = PARTS


def seen() -> Measurement:
    measurement = Measurement("foundry-demo", input_tokens=20, output_tokens=3)
    measurement.received(1, 0.05)
    measurement.received(2, 0.07)
    measurement.total = 0.08
    return measurement


def recorded(part, *outcomes: Outcome):
    made = Metrics(PARTS)
    state = PartState(part)
    for outcome in outcomes:
        state.record(outcome)
        made.record(state, outcome)
    return made.registry.get_sample_value


def test_runs_and_timestamps_are_there_from_the_start() -> None:
    value = recorded(CHAT)
    labels = {"probe": "foundry", "module": "foundry"}
    assert value("foundry_healthcheck_runs_total", labels) == 0
    assert value("foundry_healthcheck_last_success_timestamp_seconds", {"probe": "chat"}) == 0
    assert value("probe_success", labels) is None
    assert math.isnan(value("foundry_healthcheck_foundry_models_loaded") or 0)


def test_success_failure_and_skip_are_counted_apart() -> None:
    value = recorded(
        CHAT,
        Outcome("up", 0.5, 10, measurement=seen()),
        Outcome("skipped", 0.0, 20, "users_first"),
        Outcome("down", 0.7, 30, "stream_broken"),
        Outcome("skipped", 0.0, 40, "users_first"),
    )
    labels = {"probe": "chat", "module": "chat"}
    assert value("foundry_healthcheck_runs_total", labels) == 2
    broken = {**labels, "reason": "stream_broken"}
    assert value("foundry_healthcheck_failures_total", broken) == 1
    skips = {"probe": "chat", "reason": "users_first"}
    assert value("foundry_healthcheck_skipped_total", skips) == 2
    # A skip is no verdict: the last one stands.
    assert value("probe_success", labels) == 0
    assert value("probe_duration_seconds", labels) == 0.7
    assert value("foundry_healthcheck_last_run_timestamp_seconds", {"probe": "chat"}) == 40
    assert value("foundry_healthcheck_last_success_timestamp_seconds", {"probe": "chat"}) == 10


def test_what_has_yet_to_start_is_no_failure_and_a_late_answer_is_none() -> None:
    value = recorded(
        CHAT,
        Outcome("starting", 0.1, 5, "refused", measurement=seen()),
        Outcome("slow", 30.0, 10, measurement=seen()),
    )
    labels = {"probe": "chat", "module": "chat"}
    assert value("foundry_healthcheck_runs_total", labels) == 1
    assert value("foundry_healthcheck_failures_total", {**labels, "reason": "refused"}) is None
    assert value("probe_success", labels) == 1


def test_the_gateways_names_labels_and_buckets_are_used() -> None:
    """So that one panel shows both; the two services share no code."""
    assert metrics.SECONDS_BUCKETS == gateway.SECONDS_BUCKETS
    assert metrics.CHUNK_BUCKETS == gateway.CHUNK_BUCKETS
    assert metrics.TOKEN_BUCKETS == gateway.TOKEN_BUCKETS
    assert metrics.PROVIDER == gateway.PROVIDER

    def families(registry) -> set[tuple[str, str]]:
        return {
            (family.name, family.type)
            for family in registry.collect()
            if family.name.startswith("gen_ai_")
        }

    assert families(Metrics(PARTS).registry) == families(gateway.Metrics().registry)


def test_an_answer_fills_the_four_histograms() -> None:
    value = recorded(CHAT, Outcome("up", 0.5, 10, measurement=seen()))
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "microsoft.foundry_local",
        "gen_ai_request_model": "foundry-demo",
        "client": "healthcheck",
    }
    name = "gen_ai_client_operation"
    assert value(f"{name}_duration_seconds_count", {**labels, "error_type": ""}) == 1
    assert value(f"{name}_time_to_first_chunk_seconds_sum", labels) == 0.05
    assert value(f"{name}_time_per_output_chunk_seconds_count", labels) == 2
    tokens = {**labels, "gen_ai_token_type": "output"}
    assert value("gen_ai_client_token_usage_sum", tokens) == 3


def test_a_question_that_gave_way_to_users_is_in_no_histogram() -> None:
    left = Measurement("foundry-demo", total=0.1)
    made = recorded(CHAT, Outcome("skipped", 0.1, 10, "users_first", measurement=left))
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "microsoft.foundry_local",
        "gen_ai_request_model": "foundry-demo",
        "client": "healthcheck",
        "error_type": "",
    }
    assert made("gen_ai_client_operation_duration_seconds_count", labels) is None


def test_the_generation_follows_foundry_and_goes_with_it() -> None:
    facts = {"dialect": "v2", "url": "http://a:1", "models_loaded": 2}
    there = Outcome("up", 0.1, 1, facts=facts)
    value = recorded(FOUNDRY, there)
    labels = {"dialect": "v2", "url": "http://a:1"}
    assert value("foundry_healthcheck_foundry_info", labels) == 1
    assert value("foundry_healthcheck_foundry_models_loaded") == 2
    empty = Outcome("down", 0.1, 2, "no_model_loaded", facts={**facts, "models_loaded": 0})
    assert recorded(FOUNDRY, there, empty)("foundry_healthcheck_foundry_models_loaded") == 0
    value = recorded(FOUNDRY, there, Outcome("down", 0.1, 2, "refused"))
    assert value("foundry_healthcheck_foundry_info", labels) is None
    assert math.isnan(value("foundry_healthcheck_foundry_models_loaded") or 0)


def test_containers_are_shown_as_they_are_and_disappear_with_the_view() -> None:
    made = Metrics(PARTS)
    gone = ContainerState("edge", running=False, state="exited", restarts=0)
    item = ContainerState("gateway", running=True, state="running", restarts=2, memory_bytes=5)
    made.show_containers(ContainerStates((gone, item)))
    value = made.registry.get_sample_value
    prefix = "foundry_healthcheck_container"
    assert value(f"{prefix}_running", {"service": "gateway"}) == 1
    assert value(f"{prefix}_running", {"service": "edge"}) == 0
    assert value(f"{prefix}_restarts_total", {"service": "gateway"}) == 2
    assert value(f"{prefix}_memory_bytes", {"service": "gateway"}) == 5
    assert value(f"{prefix}_memory_bytes", {"service": "edge"}) is None
    made.show_containers(ContainerStates(error="no view"))
    assert value(f"{prefix}_running", {"service": "gateway"}) is None


def test_every_counter_ends_in_total() -> None:
    text = generate_latest(Metrics(PARTS).registry).decode()
    counters = re.findall(r"^# TYPE (\S+) counter", text, flags=re.MULTILINE)
    assert len(counters) >= 5
    assert all(name.endswith("_total") for name in counters)
