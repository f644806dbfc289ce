"""What is made of Prometheus' word about alerts; the answers are in its own form."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from foundry_healthcheck.alerts import ABOUT, MOST, PATH, Alerts, parse, read, untold
from foundry_healthcheck.transport import make_session
from support.rule_tests import rules


def firing(name: str, state: str = "firing", severity: str = "page", **labels: str) -> Any:
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} says", "remedy": "Mend it.", "secret": "no"},
        "state": state,
        "activeAt": "2026-11-22T18:12:16.034Z",
        "value": "1e+00",
    }


def answer(*alerts: Any) -> Any:
    return {"status": "success", "data": {"alerts": list(alerts)}}


def test_only_what_fires_is_told_and_what_wants_somebody_now_first() -> None:
    found = parse(
        answer(
            firing("GatewaySaturated", severity="ticket"),
            firing("GatewayDown", state="pending"),
            firing("PageDown", probe="chainlit"),
        )
    )
    assert [(each.name, each.severity) for each in found] == [
        ("PageDown", "page"),
        ("GatewaySaturated", "ticket"),
    ]
    assert found[0].parts == ("chainlit",)
    assert (found[0].summary, found[0].remedy) == ("PageDown says", "Mend it.")


def test_one_alert_for_several_windows_is_told_once() -> None:
    windows = [firing("ChatErrorBudgetBurn", long_window=each) for each in ("1h", "6h")]
    windows.append(firing("ChatErrorBudgetBurn", severity="ticket", long_window="1d"))
    (found,) = parse(answer(*windows))
    assert found.severity == "page"


def test_what_wants_somebody_now_comes_first_also_where_it_fires_in_two_severities() -> None:
    found = parse(
        answer(
            firing("ChatErrorBudgetBurn", long_window="1h"),
            firing("ChatErrorBudgetBurn", severity="ticket", long_window="1d"),
            firing("ChatFirstChunkBudgetBurn", severity="ticket", long_window="1d"),
        )
    )
    assert [(each.name, each.severity) for each in found] == [
        ("ChatErrorBudgetBurn", "page"),
        ("ChatFirstChunkBudgetBurn", "ticket"),
    ]


def test_an_alert_leads_to_what_it_means_where_that_is_written() -> None:
    known, other = parse(answer(firing("GatewayDown"), firing("MyOwnRule")))
    assert known.runbook == "/alerts#gatewaydown"
    assert other.runbook is None


@pytest.mark.parametrize(
    ("given", "since"),
    [
        ("2026-11-22T18:12:16.034123456Z", "2026-11-22T18:12:16.034123456Z"),
        ("yesterday", None),
        ("", None),
        (5, None),
        (None, None),
    ],
)
def test_since_is_an_instant_or_not_known(given: object, since: str | None) -> None:
    (found,) = parse(answer(firing("GatewayDown") | {"activeAt": given}))
    assert found.since == since


def test_texts_are_bounded_and_so_is_their_number() -> None:
    many = [firing("PageDown", probe=str(number)) for number in range(200)]
    assert len(parse(answer(*many))) == MOST
    long = firing("PageDown")
    long["annotations"]["summary"] = "a \n\x1b[2J" * 10_000
    (found,) = parse(answer(long))
    assert len(found.summary) <= 600
    assert found.summary.isprintable()


def test_what_a_part_shows_already_is_not_told_again() -> None:
    found = Alerts(parse(answer(firing("FoundryLocalDown"), firing("PageDown", probe="webgpu"))))
    assert untold(found, {"foundry": "up", "webgpu": "up"}) == found.items
    told = untold(found, {"foundry": "down", "webgpu": "up"})
    assert [each.name for each in told] == ["PageDown"]
    assert untold(found, {"foundry": "down", "webgpu": "down"}) == ()


def test_every_alert_that_ships_says_what_it_is_about() -> None:
    assert {rule["alert"] for rule in rules() if "alert" in rule} == set(ABOUT)


@pytest.mark.parametrize("wrong", [None, [], {"data": []}, {"data": {"alerts": {}}}, "x", 5])
def test_another_answer_is_none(wrong: object) -> None:
    with pytest.raises(ValueError, match="alerts"):
        parse(wrong)


@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (503, "starting", "status 503"),
        (200, "<html>", "cannot be read"),
        (200, "[" * 100_000, "cannot be read"),
        (200, "x" * 3_000_000, "cannot be read"),
    ],
)
async def test_an_answer_that_is_none_is_said_and_breaks_nothing(
    serving: Any, status: int, text: str, says: str
) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    async with serving({PATH: handle}) as url, make_session() as http:
        found = await read(http, url)
    assert found.items == ()
    assert says in (found.error or "")
