"""The status page in a real browser, in every state the health probe can report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from foundry_healthcheck.reasons import REASONS, SKIPS
from support.browser import Record, open_page
from support.foundry import DEMO_ALIAS, start_foundry_v2
from support.gateway import Gateway, run_gateway
from support.healthcheck import Healthcheck, start_healthcheck
from support.status_page import (
    PAGE,
    REFUSED_REMEDY,
    TITLES,
    CannedProbe,
    canned_probe,
    container,
    down,
    moment,
    part,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.chat_stack import ChatStack

PATIENCE = 60_000
"""Milliseconds, as Playwright counts."""
LONG = 1800
"""Seconds: no probe pauses that long."""


def all_well() -> dict[str, Any]:
    parts = [part(name) for name in TITLES]
    parts[0] = part("chat", "u" * 40 + "dd" + "u" * 30 + "sss" + "u" * 25)
    return status(parts)


def foundry_refused() -> dict[str, Any]:
    parts = [part(name) for name in TITLES]
    its_own = "If Foundry Local is stopped, start it."
    parts[0] = down("chat", "refused", "The gateway cannot reach it.", its_own, probes=2)
    parts[1] = down(
        "foundry", "refused", "Nothing at http://host.docker.internal:51211.", REFUSED_REMEDY
    )
    return status(parts, "down", "Chats get no answer.")


def socket_dead() -> dict[str, Any]:
    parts = [part(name) for name in TITLES]
    remedy = "Its live line does not open: `docker compose restart chainlit`."
    parts[4] = down("chainlit-socket", "handshake_failed", "No handshake.", remedy)
    return status(parts, "degraded", "The chat app's live line does not open.")


def first_look() -> dict[str, Any]:
    nothing: dict[str, Any] = {"state": "unknown", "since": None, "last_success": None, "facts": {}}
    return status([part(name, "", **nothing) for name in TITLES], "starting", "Looking.")


def everything_down() -> dict[str, Any]:
    parts = [
        down(name, "timed_out", "No answer within 8 s.", f"`docker compose restart {name}`")
        for name in TITLES
    ]
    return status(parts, "down", "Nothing answers.")


def with_containers() -> dict[str, Any]:
    ended = {"running": False, "memory_bytes": None, "memory_limit_bytes": None, "health": None}
    items = [
        container("gateway", memory_bytes=250_000_000),
        container("open-webui", restarts=3, health="unhealthy"),
        container("prometheus", state="restarting", exit_code=2, restarts=17, **ended),
        container("secrets", state="finished", exit_code=0, **ended),
    ]
    return all_well() | {"containers": {"enabled": True, "items": items, "error": None}}


def alert_fires() -> dict[str, Any]:
    alert = {
        "name": "ChatStreamsBreak",
        "severity": "page",
        "summary": "Foundry Local breaks off its answers",
        "description": "3 answers were broken off.",
        "remedy": "Restart it: `foundry server restart`.",
        "since": moment(900),
        "parts": ["chat"],
        "runbook": "/alerts#chatstreamsbreak",
        "told": False,
    }
    told = alert | {"summary": "This one stands above", "told": True}
    alerts = {"items": [alert, told], "error": None, "told": True}
    return status(state="degraded", summary="An alert fires.", alerts=alerts)


def alerts_not_known() -> dict[str, Any]:
    alerts = {"items": [], "error": "Prometheus' answer cannot be read.", "told": False}
    return status(state="degraded", summary=alerts["error"], alerts=alerts)


def slow() -> dict[str, Any]:
    parts = [part(name) for name in TITLES]
    late = "The answer comes, but took 34 s."
    parts[0] = part("chat", state="slow", message=late, remedy="Nothing has to be mended.")
    parts[0]["history"][-1]["outcome"] = "slow"
    parts[1] = part("foundry", "uuu", state="starting", reason="refused")
    for probe in parts[1]["history"]:
        probe["outcome"] = "starting"
    return status(parts, "degraded", late)


STATES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "all well": (all_well, "up"),
    "foundry refused": (foundry_refused, "down"),
    "socket dead": (socket_dead, "degraded"),
    "first look": (first_look, "starting"),
    "everything down": (everything_down, "down"),
    "containers": (with_containers, "up"),
    "alert fires": (alert_fires, "degraded"),
    "alerts not known": (alerts_not_known, "degraded"),
    "slow": (slow, "degraded"),
}


async def settled(page: Page, state: str) -> None:
    """Wait until the page shows a state."""
    await expect(page.locator(f'body[data-state="{state}"]')).to_be_attached(timeout=PATIENCE)


def row(page: Page, name: str) -> Any:
    return page.locator(".part").nth(list(TITLES).index(name))


def text(of: str) -> str:
    """A text with its no-break spaces made plain."""
    return of.replace("\u00a0", " ")


# ---- At a glance ----------------------------------------------------------------------------


async def test_says_at_a_glance_that_all_is_well(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        await expect(page.get_by_role("heading", level=1)).to_have_text("All is well")
        await expect(page).to_have_title("\u2713 All is well \u00b7 Foundry Chat")
        await expect(page.locator("#problems")).to_be_hidden()
        assert await page.locator(".part").count() == len(TITLES)


async def test_does_not_say_that_all_is_well_while_an_alert_fires(browser: Browser):
    async with canned_probe(alert_fires()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "degraded")
        await expect(page.get_by_role("heading", level=1)).to_have_text("An alert fires")
        card = page.locator("#problem-list .problem")
        await expect(card).to_have_count(1)
        await expect(card).to_contain_text("Foundry Local breaks off its answers")
        await expect(card.locator("code")).to_have_text("foundry server restart")
        await expect(card.get_by_role("link")).to_have_attribute("href", "/alerts#chatstreamsbreak")


async def test_does_not_say_that_all_is_well_while_nobody_knows_what_fires(browser: Browser):
    async with (
        canned_probe(alerts_not_known()) as probe,
        open_page(browser, probe.url) as (page, _),
    ):
        await settled(page, "degraded")
        card = page.locator("#problem-list .problem")
        await expect(card).to_contain_text("Prometheus' answer cannot be read.")
        await expect(card.locator("code")).to_have_text("docker compose logs --tail 50 prometheus")


async def test_an_answer_that_is_slow_has_words_and_is_no_failure(browser: Browser):
    async with canned_probe(slow()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "degraded")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Answers are slow")
        await expect(row(page, "chat")).to_contain_text("it answers, but late")
        await expect(row(page, "chat")).to_contain_text(text("100 % of 100 answered"))
        await expect(row(page, "foundry")).to_contain_text("Starting")


@pytest.mark.parametrize(
    ("answer", "state", "sign"),
    [
        (foundry_refused(), "down", "\u2717"),
        (socket_dead(), "degraded", "\u25b2"),
        (first_look(), "starting", "\u2026"),
    ],
    ids=["down", "degraded", "starting"],
)
async def test_the_tab_tells_the_state_by_title_and_by_icon(
    browser: Browser, answer: dict, state: str, sign: str
):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        icon = page.locator("link[rel=icon]")
        well = await icon.get_attribute("href")
        probe.answer = answer
        await settled(page, state)
        assert (await page.title()).startswith(f"{sign} ")
        changed = await icon.get_attribute("href")
        assert changed is not None
        assert changed.startswith("data:image/svg+xml,")
        assert changed != well


async def test_shows_how_fast_the_model_answers(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        assert text(await page.locator("#first-value").inner_text()) == "104 ms"
        assert await page.locator("#speed-value").inner_text() == "62.4"
        assert await page.locator("#speed-note").inner_text() == "16 tokens from phi-4-mini"
        assert text(await page.locator("#answered-value").inner_text()) == "97 %", "not rounded up"
        assert await page.locator("#answered-note").inner_text() == "95 of the last 97"


# ---- What is wrong --------------------------------------------------------------------------


async def test_says_what_is_wrong_and_what_to_do_in_words(browser: Browser):
    async with canned_probe(foundry_refused()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "down")
        card = page.locator("#problems article")
        assert await card.count() == 1, "what Foundry Local causes is shown with it"
        await expect(card.get_by_role("heading", level=3)).to_have_text(
            "Foundry Local, An answer from the model"
        )
        await expect(card.locator(".why")).to_contain_text("The connection is refused")
        await expect(card.locator(".message")).to_contain_text(
            "Nothing at http://host.docker.internal:51211."
        )
        words = await card.locator(".remedy p").inner_text()
        assert words == REFUSED_REMEDY.replace("`", "")
        commands = await card.locator("code").all_inner_texts()
        assert commands[0] == "foundry server start"
        assert len(commands) == REFUSED_REMEDY.count("`") / 2
        await expect(row(page, "foundry").locator(".state")).to_contain_text("Down for 1\u00a0min")


async def test_parts_with_the_same_remedy_share_it(browser: Browser):
    remedy = "Its container is not running: `docker compose up -d gateway`."
    parts = [
        down("chat", "name_not_resolved", "No such name.", remedy),
        down("foundry", "refused", "Nothing listens.", REFUSED_REMEDY),
        down("gateway", "name_not_resolved", "No such name.", remedy),
    ]
    answer = status(parts, "down", "Chats get no answer.")
    async with canned_probe(answer) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "down")
        titles = await page.locator("#problems h3").all_inner_texts()
        assert titles == ["An answer from the model, Gateway", "Foundry Local"]


async def test_a_remedy_stands_before_the_parts_even_on_a_phone(browser: Browser):
    phone = {"viewport": {"width": 360, "height": 740}}
    async with (
        canned_probe(foundry_refused()) as probe,
        open_page(browser, probe.url, **phone) as (page, _),
    ):
        await settled(page, "down")
        tops = {
            name: (await page.locator(name).bounding_box() or {})["y"]
            for name in (".hero", "#problems", ".figures", "#parts")
        }
    assert tops[".hero"] < tops["#problems"] < tops[".figures"] < tops["#parts"]


async def test_what_a_probed_program_answered_is_never_markup(browser: Browser):
    evil = '<img src="/evil" onerror="document.title=1"><script>document.title=1</script>'
    parts = [down("gateway", evil, evil, f"`{evil}`") | {"title": evil, "target": evil}]
    async with canned_probe(status(parts, "down", evil)) as probe:
        async with open_page(browser, probe.url) as (page, record):
            await settled(page, "down")
            await expect(page.locator("#summary")).to_have_text(evil)
            await expect(page.locator(".remedy code")).to_have_text(evil)
        assert not [url for url in record.requests if "evil" in url]


async def test_says_when_a_probe_has_not_been_made_for_long(browser: Browser):
    parts = [part("chat"), part("gateway") | {"last_run": moment(LONG)}]
    async with canned_probe(status(parts)) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        late = page.locator(".part").nth(1).locator(".state")
        await expect(late).to_have_text("Not asked since 30\u00a0min ago: the probe is late")
        await expect(page.locator(".part").nth(0).locator(".state")).to_contain_text("Up")


async def test_a_probe_that_yields_to_users_is_no_failure(browser: Browser):
    why = {"state": "skipped", "reason": "users_first", "message": "3 are waiting."}
    parts = [part("chat", "u" * 60 + "s" * 40, **why)]
    async with canned_probe(status(parts)) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        await expect(page.locator("#problems")).to_be_hidden()
        await expect(row(page, "chat").locator(".state")).to_have_text("Skipped: users come first")
        await expect(row(page, "chat").locator(".share")).to_have_text("100\u00a0% of 60 answered")


def test_every_reason_of_the_prober_has_words_of_its_own():
    script = (PAGE / "status.js").read_text(encoding="utf-8")
    table = script.partition("const REASONS = {")[2].partition("};")[0]
    words = dict(re.findall(r'(\w+): "(.+)",', table))
    assert set(words) == {*REASONS, *SKIPS}
    assert len(set(words.values())) == len(words)


# ---- The last hundred -----------------------------------------------------------------------


async def test_the_strip_tells_outcomes_apart_by_shape_and_in_words(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        strip = row(page, "chat").locator(".strip")
        drawn = await strip.locator("use").evaluate_all("all => all.map(u => u.href.baseVal)")
        shapes = {
            name: await page.locator(name).evaluate(
                'symbol => symbol.innerHTML.replace(/ class="[^"]*"/g, \'\')'
            )
            for name in set(drawn)
        }
        label = await strip.get_attribute("aria-label")
        told = await strip.locator("title").nth(40).text_content()
    assert len(drawn) == 100
    assert [drawn.count(f"#tick-{name}") for name in ("up", "down", "skipped")] == [95, 2, 3]
    assert drawn[40:42] == ["#tick-down"] * 2, "the newest is last"
    assert len(set(shapes.values())) == 3, "no colour is needed to tell them apart"
    assert label is not None
    assert "The last 100 probes: 95 answered, 2 failed, 3 skipped." in label
    assert "the connection is refused" in label
    assert told is not None
    assert told.endswith(": the connection is refused")


async def test_latency_is_a_line_with_gaps_where_nothing_answered(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        spark = row(page, "chat").locator(".spark")
        lines = await spark.locator(".line").count()
        label = await spark.get_attribute("aria-label")
    assert lines == 3, "one for each run of answers"
    assert re.fullmatch(r"Time of a probe of the last 95: usually .*, at most .*\.", label or "")


async def test_with_fewer_than_a_hundred_the_newest_still_stands_at_the_right(browser: Browser):
    parts = [part("gateway", "uud")]
    async with canned_probe(status(parts)) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        places = await page.locator(".strip use").evaluate_all(
            "all => all.map(u => u.x.baseVal.value)"
        )
    assert places == [388, 392, 396]


# ---- Containers -----------------------------------------------------------------------------


async def test_containers_show_their_state_restarts_and_memory(browser: Browser):
    async with canned_probe(with_containers()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        cards = [text(each) for each in await page.locator(".container").all_inner_texts()]
    gateway, open_webui, prometheus, secrets = cards
    assert "238 MiB of 256 MiB: nearly full" in gateway
    assert "Running, unhealthy, restarted 3 times" in open_webui
    assert "Restarting after exit code 2, restarted 17 times" in prometheus
    assert "Finished" in secrets
    assert "MiB" not in prometheus + secrets


async def test_a_container_that_is_not_well_is_among_what_is_wrong(browser: Browser):
    summary = "The container of edge is unhealthy."
    items = [container("edge", health="unhealthy", trouble="unhealthy"), container("gateway")]
    answer = status(state="degraded", summary=summary)
    answer |= {"containers": {"enabled": True, "items": items, "error": None}}
    async with canned_probe(answer) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "degraded")
        card = page.locator("#problem-list .problem")
        await expect(card).to_have_count(1)
        await expect(card).to_contain_text("The container of edge")
        await expect(card.locator("code")).to_have_text("docker compose logs --tail 50 edge")


async def test_without_the_view_of_docker_there_is_no_word_of_containers(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        await expect(page.locator("#containers")).to_be_hidden()


async def test_says_why_containers_are_not_known(browser: Browser):
    unknown = {"enabled": True, "items": [], "error": "It cannot be opened: set `DOCKER_GID`."}
    answer = all_well() | {"containers": unknown}
    async with canned_probe(answer) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        await expect(page.locator("#containers-error")).to_have_text(
            "It cannot be opened: set DOCKER_GID."
        )


# ---- News as it comes -----------------------------------------------------------------------


async def test_a_screen_reader_hears_a_change_of_state_and_nothing_else(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        live = page.get_by_role("status")
        assert await live.get_attribute("aria-live") == "polite"
        await expect(live).to_have_text("All is well. Every part answers, and so does the model.")
        await page.evaluate(
            "window.heard = []; new MutationObserver(() => heard.push("
            "document.getElementById('announcer').textContent)).observe("
            "document.getElementById('announcer'), {childList: true, subtree: true, "
            "characterData: true})"
        )
        await answers(probe, 2)
        assert await page.evaluate("heard") == []
        probe.answer = foundry_refused()
        await settled(page, "down")
        await expect(live).to_have_text("The chat does not work. Chats get no answer.")
        assert len(await page.evaluate("heard")) == 1


async def answers(probe: CannedProbe, more: int) -> None:
    """Wait until the page has been given that many further answers."""
    until = probe.asked + more
    await probe.wait_until_asked(until)


async def test_says_when_the_probe_itself_falls_silent_and_recovers_by_itself(browser: Browser):
    async with canned_probe(all_well()) as probe:
        port = int(probe.url.rpartition(":")[2])
        profile = await browser.new_context()
        page = await profile.new_page()
        await page.goto(probe.url)
        await settled(page, "up")
    try:
        await settled(page, "gone")
        heading = page.get_by_role("heading", level=1)
        await expect(heading).to_have_text("No news from the health probe")
        assert (await page.title()).startswith("? ")
        summary = await page.locator("#summary").inner_text()
        assert re.match(r"Its last word came at \d+:\d+:\d+", summary), "when the last news came"
        assert "Every part answers" in summary, "and what it was"
        remedy = page.locator("#problems .remedy")
        await expect(remedy).to_contain_text("docker compose up -d healthcheck")
        await expect(page.get_by_role("status")).to_contain_text("No news")
        await expect(page.locator(".part").first).to_be_visible()
        async with canned_probe(all_well(), port):
            await settled(page, "up")
            await expect(page.locator("#problems")).to_be_hidden()
    finally:
        await profile.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (web.Response(status=502), "answers 502"),
        (web.Response(text="<html>"), "not the probe"),
        (web.Response(text="{}"), "not the probe"),
    ],
    ids=["bad gateway", "a page", "another JSON"],
)
async def test_what_answers_in_the_place_of_the_probe_is_not_taken_for_it(
    browser: Browser, answer: web.Response, why: str
):
    async with canned_probe() as probe:
        probe.answer = answer
        async with open_page(browser, probe.url) as (page, _):
            await settled(page, "gone")
            await expect(page.locator("#problems .why")).to_contain_text(why)
            await expect(page.locator("#summary")).to_have_text(
                "It has not answered since this page was opened."
            )


async def test_details_stay_open_and_focused_while_news_comes(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        details = row(page, "chat").locator("summary")
        await details.focus()
        await page.keyboard.press("Enter")
        facts = row(page, "chat").locator(".facts")
        await expect(facts).to_contain_text("phi-4-mini")
        await expect(row(page, "chat").locator(".failures li")).to_have_count(2)
        probe.answer = foundry_refused()
        await settled(page, "down")
        await expect(details).to_be_focused()
        await expect(facts).to_be_visible()


async def test_every_control_is_reached_by_keyboard_and_has_a_name(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, "up")
        names = []
        for _press in range(len(TITLES) + 2):
            await page.keyboard.press("Tab")
            names.append(text(await page.evaluate("document.activeElement.textContent")))
    assert names[:-2] == [f"Details of {title}" for title in TITLES.values()]
    assert names[-2:] == ["JSON", "Prometheus"]


# ---- Everywhere -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
async def test_loads_nothing_from_elsewhere_and_breaks_no_rule(browser: Browser, state: str):
    make, shown = STATES[state]
    async with canned_probe(make()) as probe, open_page(browser, probe.url) as (page, record):
        await settled(page, shown)
        await answers(probe, 1)
        clean(record, probe.url)


def clean(record: Record, origin: str) -> None:
    """No error, no report of the Content-Security-Policy, no request elsewhere."""
    assert record.console == []
    assert record.errors == []
    assert record.foreign(origin) == []


@pytest.mark.parametrize("state", STATES)
async def test_fits_the_width_of_the_screen(browser: Browser, state: str):
    make, shown = STATES[state]
    sticking_out = {}
    async with canned_probe(make()) as probe, open_page(browser, probe.url) as (page, _):
        await settled(page, shown)
        for width in (360, 768, 1280, 1920):
            await page.set_viewport_size({"width": width, "height": 900})
            sticking_out[width] = await page.evaluate(STICKING_OUT)
    assert sticking_out == {360: [], 768: [], 1280: [], 1920: []}


STICKING_OUT = """
[...document.querySelectorAll('main *, header *, footer *')].filter(each => {
  if (each.closest('svg, .unseen') || each.getClientRects().length === 0) return false;
  const around = each.parentElement.getClientRects().length ? each.parentElement : document.body;
  return each.getBoundingClientRect().right > around.getBoundingClientRect().right + 1;
}).map(each => each.outerHTML.slice(0, 90))
"""
"""Elements that stick out of what they stand in; the body is as wide as the screen."""


async def test_nine_parts_fit_on_the_screen_of_a_wall(browser: Browser):
    async with canned_probe(all_well()) as probe, open_page(browser, probe.url) as (page, _):
        await page.set_viewport_size({"width": 1920, "height": 1080})
        await settled(page, "up")
        height = await page.evaluate("document.documentElement.scrollHeight")
    assert height <= 1080


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_from_what_is_behind_it(browser: Browser, scheme: str):
    async with (
        canned_probe(all_well()) as probe,
        open_page(browser, probe.url, color_scheme=scheme) as (page, _),
    ):
        await settled(page, "up")
        names = ["ground", "surface", "ink", "muted", "accent", "good", "bad", "warn"]
        names += ["good-soft", "bad-soft", "warn-soft"]
        values = await page.evaluate(
            "names => names.map(name =>"
            " getComputedStyle(document.documentElement).getPropertyValue(`--${name}`))",
            names,
        )
    colours = dict(zip(names, values, strict=True))
    behind = ["ground", "surface"]
    pairs = [(front, back) for front in ("ink", "muted", "accent", "bad") for back in behind]
    pairs += [(front, f"{soft}-soft") for front in ("ink",) for soft in ("good", "bad", "warn")]
    pairs += [("muted", "bad-soft"), ("bad", "bad-soft")]
    low = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}, "WCAG 2.2, 1.4.3"
    for shape in ("good", "bad", "warn"):
        assert contrast(colours[shape], colours["surface"]) >= 3, "WCAG 2.2, 1.4.11"


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours, by WCAG 2.2."""
    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of `#rgb` or `#rrggbb`."""
    digits = colour.strip().removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


async def test_nothing_moves_for_who_asked_for_that(browser: Browser):
    async with (
        canned_probe(all_well()) as probe,
        open_page(browser, probe.url, reduced_motion="reduce") as (page, _),
    ):
        await settled(page, "up")
        moving = await page.evaluate(
            "[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);"
            " return s.transitionDuration !== '0s' || s.animationName !== 'none' }).length"
        )
    assert moving == 0


# ---- With the real prober -------------------------------------------------------------------


def probing(foundry: str, gateway: Gateway, **more: str) -> AbstractContextManager[Healthcheck]:
    return start_healthcheck(
        FOUNDRY_URL=foundry,
        GATEWAY_URL=gateway.url,
        GATEWAY_API_KEY=gateway.key,
        HEALTHCHECK_INTERVAL="1",
        HEALTHCHECK_CHAT_INTERVAL="2",
        **more,
    )


async def test_the_real_prober_serves_the_page_and_fills_it(
    browser: Browser, chat_stack: ChatStack
):
    chat_app = {"CHAINLIT_URL": chat_stack.app.url}
    with probing(chat_stack.foundry.url, chat_stack.gateway, **chat_app) as healthcheck:
        async with open_page(browser, healthcheck.url) as (page, record):
            await settled(page, "up")
            titles = await page.locator(".part h3").all_inner_texts()
            assert titles == [each["title"] for each in healthcheck.status()["parts"]]
            await expect(page.locator("#first-value")).to_contain_text(re.compile(r"\d"))
            await expect(page.locator("#speed-value")).to_contain_text(re.compile(r"\d"))
            await expect(page.locator("#speed-note")).to_contain_text("foundry-demo")
            await expect(page.locator("#problems")).to_be_hidden()
            clean(record, healthcheck.url)


async def test_a_stopped_foundry_local_is_told_with_the_prober_s_own_words(
    browser: Browser, tmp_path: Path
):
    with (
        start_foundry_v2() as foundry,
        run_gateway(tmp_path / "gateway", FOUNDRY_URL=foundry.url, MODEL=DEMO_ALIAS) as gateway,
        probing(foundry.url, gateway) as healthcheck,
    ):
        async with open_page(browser, healthcheck.url) as (page, record):
            await settled(page, "up")
            foundry.stop()
            await settled(page, "down")
            reason = page.locator("#problems .why").filter(has_text="the connection is refused")
            await expect(reason.first).to_be_visible()
            remedies = page.locator("#problems .remedy code")
            await expect(remedies.filter(has_text="scripts/foundry_host.py").first).to_be_visible()
            clean(record, healthcheck.url)


async def test_the_page_outlives_the_real_prober(browser: Browser, chat_stack: ChatStack):
    profile = await browser.new_context()
    try:
        page = await profile.new_page()
        with probing(chat_stack.foundry.url, chat_stack.gateway) as healthcheck:
            await page.goto(healthcheck.url)
            await settled(page, "up")
        await settled(page, "gone")
        await expect(page.locator("#summary")).to_contain_text("Its last word came at")
    finally:
        await profile.close()
