"""Every page that is ours, by axe-core in light and dark: nothing serious in any state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from support.browser import open_page
from support.pages import Pages
from support.status_page import REFUSED_REMEDY, TITLES, container, down, part, status

PATIENCE = 30_000
SCHEMES = ("light", "dark")

SETTLED = """Promise.all(document.getAnimations()
    .filter(one => one.effect.getComputedTiming().iterations !== Infinity)
    .map(one => one.finished.catch(() => null)))"""


async def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds serious or critical, a line for each element."""
    # A colour on its way to another is measured as neither.
    await page.evaluate(SETTLED)
    await page.evaluate(axe)
    found: dict[str, Any] = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]}\n{node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


# ---- The chat -----------------------------------------------------------------------------------


async def chat_empty(page: Page) -> None:
    await expect(page.locator("#starters")).to_be_visible(timeout=PATIENCE)


async def chat_answered(page: Page) -> None:
    await chat_empty(page)
    await page.locator("#starters button").first.click()
    await expect(page.locator(".answer-note-facts")).to_be_visible(timeout=PATIENCE)


CODE = """```python
import os  # a comment
@decorator
class Thing(Base):
    def run(self, x: int = 5) -> str:
        return f"{x}" + str(True)
```
```css
a:hover { color: red }
```
"""


async def chat_code(page: Page) -> None:
    await chat_empty(page)
    await page.locator("#chat-input").fill(CODE)
    await page.locator("#chat-submit").click()
    await expect(page.locator("code.hljs .hljs-comment").first).to_be_visible(timeout=PATIENCE)
    await expect(page.locator(".answer-note-facts")).to_be_visible(timeout=PATIENCE)


async def chat_settings(page: Page) -> None:
    await chat_empty(page)
    await page.locator("#chat-settings-open-modal").click()
    await expect(page.locator("#chat-settings #model")).to_be_visible()


async def chat_about(page: Page) -> None:
    await chat_empty(page)
    await page.get_by_role("button", name="About").click()
    await expect(page.get_by_text("What else there is")).to_be_visible()


# ---- The WebGPU page ----------------------------------------------------------------------------


async def digits(page: Page) -> None:
    await expect(page.locator("#capabilities")).not_to_have_attribute("aria-busy", "true")
    await expect(page.locator("#digits")).not_to_be_empty()


async def browser_chat(page: Page) -> None:
    await digits(page)
    await page.locator("#tab-chat").click()
    await expect(page.get_by_role("heading", name="One question, two answers")).to_be_visible()


async def backends(page: Page) -> None:
    await digits(page)
    await page.locator("#tab-backends").click()
    await expect(page.locator("#backends")).to_be_visible()


async def as_it_comes(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).to_be_visible()


STATES: dict[str, tuple[str, str, Callable[[Page], Awaitable[None]]]] = {
    "the chat, empty": ("chainlit", "/", chat_empty),
    "the chat, an answer": ("chainlit", "/", chat_answered),
    "the chat, code": ("chainlit", "/", chat_code),
    "the chat's settings": ("chainlit", "/", chat_settings),
    "what the chat is": ("chainlit", "/", chat_about),
    "digits": ("webgpu-static", "/", digits),
    "the chat in the browser": ("webgpu-static", "/", browser_chat),
    "the backends": ("webgpu-static", "/", backends),
    "what the alerts mean": ("healthcheck", "/alerts", as_it_comes),
    "a part that is starting": ("prometheus", "/", as_it_comes),
    "a part that was left out": ("grafana", "/d/overview", as_it_comes),
    "a path that does not exist": ("prometheus", "/debug/pprof", as_it_comes),
    "the API": ("gateway", "/", as_it_comes),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("state", STATES)
async def test_axe_finds_nothing_serious(
    browser: Browser, pages: Pages, axe: str, state: str, scheme: str
):
    service, path, reach = STATES[state]
    async with open_page(
        browser, pages.url(service, path), color_scheme=scheme, bypass_csp=True
    ) as (page, _):
        await reach(page)
        assert (found := await violations(page, axe)) == [], "\n".join(found)


# ---- The status page ----------------------------------------------------------------------------


def trouble() -> dict[str, Any]:
    ended = {"running": False, "memory_bytes": None, "memory_limit_bytes": None, "health": None}
    items = [
        container("gateway", memory_bytes=250_000_000),
        container("open-webui", restarts=3, health="unhealthy"),
        container("prometheus", state="restarting", exit_code=2, restarts=17, **ended),
    ]
    parts = [part(name) for name in TITLES]
    parts[0] = part("chat", "u" * 40 + "dd" + "u" * 30 + "sss" + "u" * 25)
    parts[1] = down("foundry", "refused", "Nothing listens.", REFUSED_REMEDY)
    containers = {"enabled": True, "items": items, "error": None}
    return status(parts, "down", "Chats get no answer.", containers=containers)


def degraded() -> dict[str, Any]:
    parts = [part(name) for name in TITLES]
    parts[8] = down("grafana", "refused", "Nothing listens.", "`docker compose up -d grafana`")
    return status(parts, "degraded", "Grafana does not answer.")


def first_look() -> dict[str, Any]:
    nothing: dict[str, Any] = {"state": "unknown", "since": None, "last_success": None, "facts": {}}
    return status([part(name, "", **nothing) for name in TITLES], "starting", "Looking.")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("answer", [status, trouble, degraded, first_look])
async def test_axe_finds_nothing_serious_on_the_status_page(
    browser: Browser, pages: Pages, axe: str, answer: Callable[[], dict[str, Any]], scheme: str
):
    pages.probe.answer = told = answer()
    async with open_page(
        browser, pages.url("healthcheck"), color_scheme=scheme, bypass_csp=True
    ) as (page, _):
        shown = page.locator(f'body[data-state="{told["status"]}"]')
        await expect(shown).to_be_attached(timeout=PATIENCE)
        await page.locator("details").first.evaluate("one => { one.open = true }")
        assert (found := await violations(page, axe)) == [], "\n".join(found)


async def test_axe_would_notice(browser: Browser, pages: Pages, axe: str):
    async with open_page(browser, pages.url("gateway"), bypass_csp=True) as (page, _):
        await page.evaluate(
            "document.querySelector('main').append(document.createElement('button'))"
        )
        [found] = await violations(page, axe)
    assert found.startswith("button-name:")
