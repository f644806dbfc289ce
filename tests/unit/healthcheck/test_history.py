from __future__ import annotations

from typing import Any

import pytest

from foundry_healthcheck.alerts import Alert, Alerts
from foundry_healthcheck.containers import ContainerState, ContainerStates
from foundry_healthcheck.history import JUDGEMENT_TTL, LENGTH, PartState, instant
from foundry_healthcheck.parts import parts
from foundry_healthcheck.prober import Prober
from foundry_healthcheck.probing import Outcome
from foundry_healthcheck.settings import Settings
from foundry_healthcheck.status import describe, judge

CHAT, FOUNDRY, GATEWAY = parts(Settings())


def up(at: float, **facts: float) -> Outcome:
    return Outcome("up", 0.1, at, facts=dict(facts))


def down(at: float, reason: str = "refused") -> Outcome:
    return Outcome("down", 0.1, at, reason, "It is gone.", "Start it.")  # type: ignore[arg-type]


def skipped(at: float) -> Outcome:
    return Outcome("skipped", 0.0, at, "users_first", "Users come first.", "Wait.")


def state(*outcomes: Outcome, part=CHAT) -> PartState:
    made = PartState(part)
    for outcome in outcomes:
        made.record(outcome)
    return made


def test_a_part_is_unknown_until_it_has_been_looked_at() -> None:
    assert state().state == "unknown"
    assert state().since is None


def test_since_is_when_the_state_changed_and_not_the_last_run() -> None:
    seen = state(up(1), up(2), down(3), down(4))
    assert (seen.state, seen.since, seen.last_run, seen.last_success) == ("down", 3, 4, 2)
    assert [outcome.state for outcome in seen.history] == ["up", "up", "down", "down"]


def test_only_a_change_is_reported_as_one() -> None:
    seen = PartState(CHAT)
    assert [seen.record(each) for each in (up(1), up(2), down(3), skipped(4), up(5))] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_a_skip_keeps_the_judgement_for_a_while() -> None:
    assert state(up(0), skipped(JUDGEMENT_TTL - 1)).state == "up"
    assert state(down(0), skipped(JUDGEMENT_TTL - 1)).state == "down"
    assert state(up(0), skipped(JUDGEMENT_TTL + 1)).state == "skipped"
    assert state(skipped(0)).state == "skipped"


def test_while_a_failure_stands_it_is_what_is_shown() -> None:
    shown = state(down(0), skipped(1)).shown
    assert shown is not None
    assert (shown.reason, shown.remedy) == ("refused", "Start it.")
    shown = state(up(0), skipped(1)).shown
    assert shown is not None
    assert shown.reason == "users_first"


def test_a_page_that_was_never_there_is_starting_for_a_while() -> None:
    page = parts(Settings(open_webui_url="http://open-webui:8080"))[-1]
    seen = PartState(page, expected=100)
    assert seen.record(down(50, "name_not_resolved"))
    assert not seen.record(down(60, "http_error"))
    assert (seen.state, seen.since) == ("starting", 50)
    assert [each.state for each in seen.history] == ["starting", "starting"]
    states = (*core(up(1), up(1), up(1)), seen)
    assert judge(states) == ("starting", "Still to come: Open WebUI.")
    assert seen.record(down(101))
    assert (seen.state, seen.since) == ("down", 101)


def test_a_part_that_was_there_or_will_not_mend_itself_is_down_at_once() -> None:
    page = parts(Settings(open_webui_url="http://open-webui:8080"))[-1]
    seen = PartState(page, expected=100)
    for outcome in (up(1), down(2)):
        seen.record(outcome)
    assert seen.state == "down"
    seen = PartState(page, expected=100)
    seen.record(down(1, "not_foundry"))
    assert seen.state == "down"


def test_the_history_keeps_the_newest_hundred() -> None:
    seen = state(*(up(at) for at in range(LENGTH + 5)))
    assert [outcome.at for outcome in seen.history] == list(range(5, LENGTH + 5))


def test_instants_are_utc_to_the_millisecond() -> None:
    assert instant(None) is None
    assert instant(0.9996) == "1970-01-01T00:00:01.000Z"
    assert instant(1_795_371_136.0345) == "2026-11-22T18:12:16.034Z"


def core(
    chat: Outcome | None, foundry: Outcome | None, gateway: Outcome | None
) -> tuple[PartState, ...]:
    given = ((CHAT, chat), (FOUNDRY, foundry), (GATEWAY, gateway))
    return tuple(state(*([each] if each else []), part=part) for part, each in given)


def test_everything_up_says_how_fast_the_last_answer_began() -> None:
    word, summary = judge(core(up(1, time_to_first_chunk_seconds=0.012), up(1), up(1)))
    assert (word, summary) == ("up", "Everything works; the last answer began after 12 ms.")


def test_before_the_first_look_it_is_starting() -> None:
    assert judge(core(None, up(1), up(1)))[0] == "starting"


def test_a_stopped_foundry_is_named_as_the_cause_and_not_the_chat() -> None:
    word, summary = judge(core(down(1), down(1), up(1)))
    assert word == "down"
    assert "Foundry Local: It is gone." in summary


def test_no_loaded_model_does_not_stop_people() -> None:
    assert judge(core(skipped(1), down(1, "no_model_loaded"), up(1)))[0] == "degraded"


def test_a_page_that_is_down_is_a_degradation() -> None:
    page = parts(Settings(open_webui_url="http://open-webui:8080"))[-1]
    states = (*core(up(1), up(1), up(1)), state(down(1), part=page))
    word, summary = judge(states)
    assert (word, summary) == ("degraded", "Open WebUI: It is gone.")


def test_a_slow_answer_is_a_degradation_and_an_answer() -> None:
    slow = Outcome("slow", 30.0, 1, message="The answer came, but took 30 s.")
    word, summary = judge(core(slow, up(1), up(1)))
    assert (word, summary[:24]) == ("degraded", "An answer from the model")
    assert state(slow).last_success == 1


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_no_alert_fires_while_all_is_well(severity: str) -> None:
    alert = Alert("ChatStreamsBreak", severity, "Answers break", "", "", None, ("chat",))
    word, summary = judge(core(up(1), up(1), up(1)), (alert,))
    assert (word, summary) == ("degraded", "An alert fires: Answers break.")


def test_what_nobody_knows_is_not_well() -> None:
    well = core(up(1), up(1), up(1))
    assert judge(well, (), ["Alerts cannot be read."]) == ("degraded", "Alerts cannot be read.")


def told(prometheus: Outcome) -> tuple[str, bool]:
    prober = Prober(Settings(prometheus_url="http://prometheus:9090"))
    for seen in prober.states.values():
        seen.record(up(1))
    prober.states["prometheus"].record(prometheus)
    prober.alerts = Alerts(error="Alerts cannot be read.")
    answer = describe(prober)
    return answer["summary"], answer["alerts"]["told"]


def test_that_alerts_are_not_known_is_told_unless_prometheus_is_the_trouble() -> None:
    assert told(up(2)) == ("Alerts cannot be read.", False)
    assert told(down(2)) == ("Prometheus: It is gone.", True)


def of_container(service: str, state: str, **more: Any) -> ContainerState:
    return ContainerState(service, state == "running", state, 0, **more)


@pytest.mark.parametrize(
    ("container", "summary"),
    [
        (of_container("edge", "restarting", exit_code=1), "restarting after exit code 1"),
        (of_container("docker-view", "exited", exit_code=137), "exited after exit code 137"),
        (of_container("edge", "running", health="unhealthy"), "unhealthy"),
        (of_container("edge", "paused"), "paused"),
        (of_container("edge", "running", health="starting"), None),
        (of_container("secrets", "finished", exit_code=0), None),
    ],
)
def test_a_container_that_is_not_well_makes_the_stack_unwell(
    container: ContainerState, summary: str | None
) -> None:
    prober = Prober(Settings())
    for seen in prober.states.values():
        seen.record(up(1))
    prober.containers = ContainerStates((container,))
    answer = describe(prober)
    (item,) = answer["containers"]["items"]
    assert (answer["status"] == "up", item["trouble"]) == (summary is None, summary)
    if summary:
        assert answer["summary"] == f"The container of {container.service} is {summary}."


def test_a_container_whose_part_is_down_is_not_told_twice() -> None:
    prober = Prober(Settings())
    for seen in prober.states.values():
        seen.record(up(1))
    prober.states["gateway"].record(down(2))
    prober.containers = ContainerStates((of_container("gateway", "restarting", exit_code=1),))
    answer = describe(prober)
    assert answer["containers"]["items"][0]["trouble"] is None
    assert "And" not in answer["summary"]


def test_a_chat_that_is_not_asked_does_not_make_the_stack_unwell() -> None:
    word, summary = judge(core(skipped(1), up(1), up(1)))
    assert word == "up"
    assert "Users come first." in summary
