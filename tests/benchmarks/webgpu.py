"""First and second visit of the WebGPU page: what is transferred, how long until a prediction."""

import asyncio
import re
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from playwright.async_api import Page, Playwright, Request, async_playwright

from benchmarks.report import Figure
from support.browser import ARGUMENTS, chromium
from support.webgpu import WEBGPU_ARGUMENTS, assemble, serve_page
from support.webgpu import Page as Served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FIRST_VISIT_TARGET = 8e6
SECOND_VISIT_TARGET = 50e3
PREDICTION_TARGET = 3.0
TIMEOUT = 60_000
SETTLING = 1.0
ONE = ((0.42, 0.3), (0.5, 0.2), (0.5, 0.8))
"""A one, in shares of the canvas."""


@dataclass(frozen=True)
class Kind:
    """A kind of browser and what it is asked to use; seconds a prediction may take, if measured."""

    name: str
    arguments: tuple[str, ...]
    query: str = ""
    prediction_target: float | None = PREDICTION_TARGET


KINDS = (
    Kind("no WebGPU", ARGUMENTS),
    Kind("software GPU", WEBGPU_ARGUMENTS),
    # For comparison: what the page does not choose by itself.
    Kind("WebGPU on it", WEBGPU_ARGUMENTS, "?backend=webgpu", prediction_target=None),
)


@dataclass(frozen=True)
class Visit:
    """One visit: bytes as Chromium counted them and as nginx sent them, seconds to the answer."""

    received: int
    sent: int
    prediction: float
    answer: str


def measure() -> list[Figure]:
    """Visit twice with each kind of browser: without WebGPU, and with a software adapter."""
    figures = []
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        assemble(folder / "www")
        with serve_page(folder / "www", folder) as served:
            for kind in KINDS:
                first, second = asyncio.run(_two_visits(served, folder / kind.name, kind))
                figures += _figures(kind, first, second)
    return figures


def _figures(kind: Kind, first: Visit, second: Visit) -> list[Figure]:
    def sent(visit: Visit) -> str:
        return f"nginx sent {visit.sent / 1e3:,.0f} kB; read as {visit.answer}"

    return [
        Figure(
            f"{kind.name}: first visit",
            first.received / 1e6,
            "MB",
            detail=sent(first),
            at_most=FIRST_VISIT_TARGET / 1e6,
        ),
        Figure(
            f"{kind.name}: drawing to prediction, first visit",
            first.prediction,
            "s",
            detail="drawn at once, while the runtime still loads",
            at_most=kind.prediction_target,
        ),
        Figure(
            f"{kind.name}: second visit",
            second.received / 1e3,
            "kB",
            detail=sent(second),
            at_most=SECOND_VISIT_TARGET / 1e3,
        ),
        Figure(
            f"{kind.name}: drawing to prediction, second visit",
            second.prediction,
            "s",
            at_most=kind.prediction_target,
        ),
    ]


async def _two_visits(served: Served, profile: Path, kind: Kind) -> tuple[Visit, Visit]:
    """Visit, close the browser, visit again with the same profile, as on another day."""
    async with async_playwright() as playwright:
        first = await _visit(playwright, served, profile, kind)
        return first, await _visit(playwright, served, profile, kind)


async def _visit(playwright: Playwright, served: Served, profile: Path, kind: Kind) -> Visit:
    sent_before = _bytes_sent(served)
    async with _browser(playwright, profile, kind.arguments) as page:
        requests: list[Request] = []

        def finished(request: Request) -> None:
            requests.append(request)

        page.on("requestfinished", finished)
        await page.goto(f"{served.url}/{kind.query}")
        drawn = await _draw(page)
        await page.wait_for_selector('.digits[data-state="answered"]', timeout=TIMEOUT)
        prediction = time.perf_counter() - drawn
        answer = await page.locator(".digits-answer-digit").inner_text()
        # What comes after the prediction counts too.
        await asyncio.sleep(SETTLING)
        sizes = [await request.sizes() for request in requests]
    received = sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)
    return Visit(received, _bytes_sent(served) - sent_before, prediction, answer)


@asynccontextmanager
async def _browser(
    playwright: Playwright, profile: Path, arguments: tuple[str, ...]
) -> "AsyncIterator[Page]":
    context = await playwright.chromium.launch_persistent_context(
        profile, executable_path=chromium(), args=list(arguments)
    )
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _draw(page: Page) -> float:
    """Draw at once; returns when the pen was lifted."""
    canvas = page.locator(".digits-canvas")
    box = await canvas.bounding_box(timeout=TIMEOUT)
    assert box is not None, "the canvas is on the page"
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ONE]
    await page.mouse.move(*points[0])
    await page.mouse.down()
    for point in points[1:]:
        await page.mouse.move(*point, steps=8)
    await page.mouse.up()
    return time.perf_counter()


def _bytes_sent(served: Served) -> int:
    """Bodies that nginx has sent so far, by its own log."""
    return sum(
        int(size) for size in re.findall(r'" \d{3} (\d+) [\d.]+s$', served.log, re.MULTILINE)
    )
