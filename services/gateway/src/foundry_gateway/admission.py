"""Admission control: so many requests at once, so many waiting in order, the rest turned away.

Foundry Local starts every request at once and slows all of them down together; here the ones that
cannot be served well wait their turn instead.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from foundry_gateway.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

MAX_RETRY_AFTER_SECONDS = 60
_REMEDY = (
    "Try again after the time in Retry-After, or raise GATEWAY_MAX_CONCURRENCY or "
    "GATEWAY_MAX_QUEUE if the machine has room."
)


class Ticket:
    """A place in the queue."""

    def __init__(self, ready: asyncio.Future[None], queue: deque[Ticket]) -> None:
        self.ready = ready
        self._queue = queue

    @property
    def position(self) -> int:
        """How many are in front, this one included; 0 once admitted."""
        try:
            return self._queue.index(self) + 1
        except ValueError:
            return 0


class Admission:
    """A bounded number of slots with a bounded first-in-first-out queue.

    Args:
        limit: Requests served at once.
        max_waiting: Requests that may wait.
        timeout: Seconds that one may wait.
    """

    def __init__(self, limit: int, max_waiting: int, timeout: float) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.active = 0
        self._timeout = timeout
        self._queue: deque[Ticket] = deque()
        self._typical_seconds = 1.0

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        return len(self._queue)

    @asynccontextmanager
    async def slot(self, wait: Callable[[Ticket], Awaitable[None]]) -> AsyncIterator[None]:
        """Hold a slot for the duration of the block.

        Args:
            wait: Awaits the turn on the caller's behalf, so that it can keep its client informed.

        Raises:
            OverloadedError: The queue is full, or the wait took too long.
        """
        if self.active < self.limit and not self._queue:
            self.active += 1
        else:
            await self._take_turn(wait)
        started = time.monotonic()
        try:
            yield
        finally:
            self._typical_seconds += 0.1 * (time.monotonic() - started - self._typical_seconds)
            self._release()

    async def _take_turn(self, wait: Callable[[Ticket], Awaitable[None]]) -> None:
        if len(self._queue) >= self.max_waiting:
            raise OverloadedError(
                f"{self.active} requests are being answered and {len(self._queue)} wait: the "
                "queue is full.",
                _REMEDY,
                self._retry_after(),
            )
        ticket = Ticket(asyncio.get_running_loop().create_future(), self._queue)
        self._queue.append(ticket)
        try:
            async with asyncio.timeout(self._timeout):
                await wait(ticket)
        except BaseException as error:
            if ticket.ready.done() and not ticket.ready.cancelled():
                self._release()  # the turn came in the very moment in which the caller left
            elif ticket in self._queue:
                self._queue.remove(ticket)
            if isinstance(error, TimeoutError):
                raise OverloadedError(
                    f"No slot became free within {self._timeout:g} seconds.",
                    _REMEDY,
                    self._retry_after(),
                ) from None
            raise

    def _release(self) -> None:
        while self._queue:
            ticket = self._queue.popleft()
            if not ticket.ready.done():
                ticket.ready.set_result(None)  # the slot changes hands; active stays
                return
        self.active -= 1

    def _retry_after(self) -> int:
        rounds = (len(self._queue) + 1) / self.limit
        return max(1, min(MAX_RETRY_AFTER_SECONDS, math.ceil(rounds * self._typical_seconds)))
