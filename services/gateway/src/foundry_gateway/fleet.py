"""All configured upstreams: which one answers, and a light background look at each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from foundry_gateway.errors import FoundryUnreachableError
from foundry_gateway.upstream import Upstream

if TYPE_CHECKING:
    from foundry_gateway.settings import Settings

ASKED_RECENTLY_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Fleet:
    """Upstreams in order of preference.

    Args:
        settings: Which addresses, and how often to look at them.
    """

    def __init__(self, settings: Settings) -> None:
        self._interval = settings.refresh_interval
        self._interval_idle = settings.refresh_interval_idle
        self._chosen = settings.embedded_chosen
        urls = dict.fromkeys(settings.foundry_urls, False)
        if settings.embedded_url:
            urls.setdefault(settings.embedded_url, True)
        self.upstreams = tuple(
            Upstream(url, settings, optional=optional) for url, optional in urls.items()
        )
        self._asked_at = float("-inf")
        self._asked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def active(self) -> Upstream | None:
        """The most preferred upstream that answers, if any."""
        return next((upstream for upstream in self.upstreams if upstream.state == "up"), None)

    @property
    def visible(self) -> tuple[Upstream, ...]:
        """The upstreams worth showing, the one first whose trouble is the first to be mended.

        Not a runtime of the stack's own that nobody has chosen, and whose container does not run. A
        chosen one comes first: it is there because the others are not.
        """
        shown = (
            upstream
            for upstream in self.upstreams
            if not upstream.optional
            or self._chosen
            or upstream.error is None
            or upstream.error.cause != "name_not_resolved"
        )
        return tuple(sorted(shown, key=lambda each: not (each.optional and self._chosen)))

    @property
    def error(self) -> FoundryUnreachableError:
        """Why nothing answers: the trouble that is shown first."""
        errors = (upstream.error for upstream in self.visible)
        return next(
            (error for error in errors if error is not None),
            FoundryUnreachableError("Foundry Local has not answered yet.", "Try again.", "other"),
        )

    def note_interest(self) -> None:
        """Somebody is asking: look often for a while."""
        self._asked_at = time.monotonic()
        self._asked.set()

    async def pick(self) -> Upstream:
        """Return the upstream to use, looking again when none is known to answer.

        Raises:
            FoundryUnreachableError: None answers.
        """
        active = await self.glance()
        if active is None:
            await self.refresh()
        if active := self.active:
            return active
        raise self.error

    async def glance(self) -> Upstream | None:
        """Return the active upstream without waiting, except for the very first look at each."""
        self.note_interest()
        for upstream in self.upstreams:
            if upstream.state == "unknown":
                await upstream.refresh()
            if upstream.state == "up":
                return upstream
        return None

    async def refresh(self) -> None:
        """Look at every upstream once, all at the same time."""
        await asyncio.gather(*(upstream.refresh() for upstream in self.upstreams))

    def start(self) -> None:
        """Begin looking in the background."""
        self._tasks = [asyncio.create_task(self._watch(upstream)) for upstream in self.upstreams]

    async def close(self) -> None:
        """Stop looking and drop all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for upstream in self.upstreams:
            await upstream.close()

    async def _watch(self, upstream: Upstream) -> None:
        while True:
            try:
                await upstream.refresh()
            except Exception:  # noqa: BLE001 - one bad look must not be the last
                _log.exception("looking at %s failed", upstream.url)
            if time.monotonic() - self._asked_at < ASKED_RECENTLY_SECONDS:
                await asyncio.sleep(self._interval)
                continue
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_idle):
                    await self._asked.wait()
