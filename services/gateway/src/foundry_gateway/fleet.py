"""All configured upstreams: which one answers, and a light background look at each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from foundry_gateway.errors import FoundryUnreachable
from foundry_gateway.upstream import Upstream

if TYPE_CHECKING:
    from foundry_gateway.settings import Settings

ASKED_RECENTLY_SECONDS = 30.0


class Fleet:
    """Upstreams in order of preference."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        urls = [(url, url == settings.embedded_url) for url in settings.foundry_urls]
        if settings.embedded_url and settings.embedded_url not in settings.foundry_urls:
            urls.append((settings.embedded_url, True))
        self.upstreams = tuple(
            Upstream(url, settings, embedded=embedded) for url, embedded in urls
        )
        self._asked_at = float("-inf")
        self._asked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def active(self) -> Upstream | None:
        """The most preferred upstream that answers, if any."""
        return next((upstream for upstream in self.upstreams if upstream.state == "up"), None)

    @property
    def error(self) -> FoundryUnreachable | None:
        """Why nothing answers: the preferred upstream's trouble.

        A stack runtime that was never started (its name does not resolve) is no trouble.
        """
        return next((upstream.error for upstream in self.upstreams if upstream.error), None)

    def note_interest(self) -> None:
        """Somebody is asking: look often for a while."""
        now = time.monotonic()
        if now - self._asked_at > ASKED_RECENTLY_SECONDS:
            self._asked.set()
        self._asked_at = now

    async def pick(self) -> Upstream:
        """Return the upstream to use, looking again when none is known to answer.

        Raises:
            FoundryUnreachable: None answers.
        """
        self.note_interest()
        if active := self.active:
            return active
        await self.refresh()
        if active := self.active:
            return active
        raise self.error or FoundryUnreachable("No Foundry Local is configured.", "Set FOUNDRY_URL.", "other")

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
            await upstream.refresh()
            recently = time.monotonic() - self._asked_at < ASKED_RECENTLY_SECONDS
            if recently:
                await asyncio.sleep(self._settings.refresh_interval)
                continue
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.refresh_interval_idle):
                    await self._asked.wait()
