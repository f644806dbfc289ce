"""The menu of the stack in a real browser: reached by keyboard, fit for a phone, loads nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from support.browser import Record, open_page
from support.pages import Pages

PATIENCE = 30_000
OWN = {
    "chainlit": ("#chat-input", "Chat"),
    "webgpu-static": ("#capabilities", "In your browser"),
    "healthcheck": ("h1", "Status"),
    "gateway": ("h1", "API"),
    "prometheus": ("h1", "Prometheus"),  # the edge's own page: it is not running
}
FOCUSED = "document.activeElement.innerText?.trim() ?? ''"


async def opened(page: Page, service: str) -> None:
    await expect(page.locator(OWN[service][0]).first).to_be_visible(timeout=PATIENCE)


async def tab_to_the_top(page: Page) -> None:
    """Go on by Tab to the page's first stop; the chat begins with its input box."""
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await page.evaluate(FOCUSED) == "Skip to the content":
            return
    raise AssertionError("20 times Tab, and no link that skips the menu")


@pytest.mark.parametrize("service", OWN)
async def test_is_the_first_thing_that_the_keyboard_reaches(
    browser: Browser, pages: Pages, service: str
):
    async with open_page(browser, pages.url(service)) as (page, _):
        await opened(page, service)
        titles = await page.locator(".stack-menu li a").all_inner_texts()
        assert titles == ["Chat", "Open WebUI", "In your browser", "Status", "Prometheus", "API"]
        await tab_to_the_top(page)
        for title in titles:
            await page.keyboard.press("Tab")
            assert await page.evaluate(FOCUSED) == title
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert await page.evaluate(outline) != "none", title


@pytest.mark.parametrize("service", OWN)
async def test_marks_the_page_that_one_is_on_and_no_other(
    browser: Browser, pages: Pages, service: str
):
    async with open_page(browser, pages.url(service)) as (page, _):
        await opened(page, service)
        current = page.locator(".stack-menu [aria-current=page]")
        assert await current.all_inner_texts() == [OWN[service][1]]


@pytest.mark.parametrize("service", ["chainlit", "healthcheck", "gateway"])
async def test_can_be_skipped(browser: Browser, pages: Pages, service: str):
    async with open_page(browser, pages.url(service)) as (page, _):
        await opened(page, service)
        await tab_to_the_top(page)
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert not await page.evaluate("document.activeElement.closest('.stack-menu') !== null")


async def test_leads_from_page_to_page_under_either_name_of_this_machine(
    browser: Browser, pages: Pages
):
    for host in ("localhost", "127.0.0.1"):
        async with open_page(browser, pages.url("chainlit", host=host)) as (page, _):
            await opened(page, "chainlit")
            for service in ("healthcheck", "webgpu-static", "chainlit"):
                await page.get_by_role("link", name=OWN[service][1], exact=True).click()
                await opened(page, service)
                at = urlsplit(page.url)
                assert (at.hostname, at.port) == (host, pages.edge.ports[service])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("service", OWN)
async def test_fits_a_phone_and_asks_no_other_address(
    browser: Browser, pages: Pages, service: str, scheme: str
):
    size = {"width": 360, "height": 740}
    url = pages.url(service)
    async with open_page(browser, url, viewport=size, color_scheme=scheme) as (page, record):
        await opened(page, service)
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await page.evaluate(wide)
        await in_full_view(page)
        assert_quiet(record, url, service)


async def in_full_view(page: Page) -> None:
    """Every link of the menu lies within the window."""
    for link in await page.locator(".stack-menu li a").all():
        box = await link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["height"] >= 24, "a finger finds it"


def assert_quiet(record: Record, url: str, service: str) -> None:
    assert record.foreign(url.rstrip("/")) == []
    if service != "prometheus":  # whose 503 the console tells
        assert record.errors == []


async def test_the_chat_keeps_its_composer_in_the_window(browser: Browser, pages: Pages):
    async with open_page(browser, pages.url("chainlit")) as (page, _):
        await opened(page, "chainlit")
        await page.locator("#starters button").first.click()
        await expect(page.locator(".answer-note-facts")).to_be_visible(timeout=PATIENCE)
        await expect(page.locator("#chat-submit, #stop-button").first).to_be_in_viewport(ratio=1)
        fits = "document.documentElement.scrollHeight <= innerHeight"
        assert await page.evaluate(fits)


async def test_the_menu_follows_the_chats_own_switch_of_theme(browser: Browser, pages: Pages):
    colour = "getComputedStyle(document.querySelector('.stack-menu')).backgroundColor"
    async with open_page(browser, pages.url("chainlit"), color_scheme="light") as (page, _):
        await opened(page, "chainlit")
        light = await page.evaluate(colour)
        await page.locator("#theme-toggle").click()
        await page.get_by_role("menuitem", name="Dark").click()
        await page.wait_for_function(f"{colour} !== '{light}'")


async def test_a_part_that_was_away_opens_by_itself(browser: Browser, pages: Pages):
    async with open_page(browser, pages.url("prometheus")) as (page, _):
        await expect(page.get_by_role("heading", level=1)).to_have_text("Prometheus is starting")
        await page.route("**/*", lambda route: route.fulfill(body="<h1>There</h1>"))
        await expect(page.get_by_role("heading", level=1)).to_have_text("There", timeout=PATIENCE)
