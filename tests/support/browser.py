"""Headless Chromium through Playwright, with every request and console message on record."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ARGUMENTS = (
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

expect.set_options(timeout=30_000)
"""Milliseconds until a page counts as not doing what is expected. Playwright's own five seconds are
for machines that do nothing else."""


def chromium() -> str:
    """The browser's path; fails with how to get it."""
    named = os.environ.get("CHROMIUM")
    for name in (named, "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    raise AssertionError(
        "There is no Chromium. On Debian: apt-get install chromium fonts-dejavu. Elsewhere, set "
        "CHROMIUM to the path of Chrome or Chromium."
    )


@dataclass
class Record:
    """What a page did."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def foreign(self, origin: str) -> list[str]:
        """Requests to anywhere but ``origin``, inline data aside."""
        socket_origin = origin.replace("http", "ws", 1)
        own = (f"{origin}/", f"{socket_origin}/", "data:", "blob:")
        return [url for url in self.requests if not url.startswith(own)]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for the whole session."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield running
        await running.close()


@contextlib.asynccontextmanager
async def open_page(
    browser: Browser, url: str, **context: Any
) -> AsyncIterator[tuple[Page, Record]]:
    """Open ``url`` in a fresh profile.

    Args:
        browser: From the fixture.
        url: The page.
        context: Playwright's context options, such as ``viewport`` or ``color_scheme``.
    """
    profile = await browser.new_context(**context)
    page = await profile.new_page()
    record = Record()

    def on_console(message: ConsoleMessage) -> None:
        record.console.append(f"{message.type}: {message.text}")
        if message.type == "error":
            record.errors.append(message.text)

    page.on("request", lambda request: record.requests.append(request.url))
    page.on("websocket", lambda websocket: record.requests.append(websocket.url))
    page.on("console", on_console)
    page.on("pageerror", lambda error: record.errors.append(str(error)))
    try:
        await page.goto(url)
        yield page, record
    finally:
        await profile.close()
