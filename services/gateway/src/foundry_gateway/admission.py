"""Admission control: so many requests and tokens at once, the rest in order or turned away.

Foundry Local starts every request at once and slows all of them down together, and what it needs
for a prompt grows with the prompt: eight of 7,000 tokens take more memory than its container has,
eight short ones take none. So both are counted here, and what cannot be served well waits.
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
MAX_OVERTAKEN = 16
"""How many may go before one that was there first and waits for tokens."""
_REMEDY = (
    "Try again after the time in Retry-After, or raise GATEWAY_MAX_CONCURRENCY, "
    "GATEWAY_MAX_PROMPT_TOKENS or GATEWAY_MAX_QUEUE if the machine has room."
)


class Ticket:
    """A place in the queue.

    Args:
        ready: Done when its turn has come.
        tokens: What it counts.
        queue: Where it waits.
        spares: Whether it leaves places to others.
    """

    def __init__(
        self, ready: asyncio.Future[None], tokens: int, queue: deque[Ticket], *, spares: bool
    ) -> None:
        self.ready = ready
        self.tokens = tokens
        self.spares = spares
        self.overtaken = 0
        self._queue = queue

    @property
    def position(self) -> int:
        """How many are in front, this one included; 0 once admitted."""
        try:
            return self._queue.index(self) + 1
        except ValueError:
            return 0


class Admission:
    """A bounded number of slots and of tokens, with a bounded queue.

    First in, first out, but while one waits for tokens those behind it that fit go first, up to
    ``MAX_OVERTAKEN`` times: short questions do not stand behind a book, and the book is read.

    What comes in crowds, the texts of a document to be embedded, gets half of the slots and tokens
    at most, and half of the queue: however many come, a chat finds a place.

    Args:
        limit: Requests served at once.
        max_waiting: Requests that may wait.
        timeout: Seconds that one may wait.
        max_tokens: Tokens of all prompts served at once; a longer prompt counts as all of them.
    """

    def __init__(self, limit: int, max_waiting: int, timeout: float, max_tokens: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.max_tokens = max_tokens
        self.active = 0
        self.active_tokens = 0
        self._sparing = 0
        self._sparing_tokens = 0
        self._timeout = timeout
        self._queue: deque[Ticket] = deque()
        self._typical_seconds = 1.0

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        return len(self._queue)

    @asynccontextmanager
    async def slot(
        self, wait: Callable[[Ticket], Awaitable[None]], tokens: int, *, spares: bool = False
    ) -> AsyncIterator[None]:
        """Hold a slot for the duration of the block.

        Args:
            wait: Awaits the turn on the caller's behalf, so that it can keep its client informed.
            tokens: How long the prompt is, at least about.
            spares: Whether it leaves places to others.

        Raises:
            OverloadedError: The queue is full, or the wait took too long.
        """
        tokens = min(tokens, self.max_tokens)
        if not self._queue and self._fits(tokens, spares=spares):
            self._take(tokens, spares=spares)
        else:
            await self._take_turn(wait, tokens, spares=spares)
        started = time.monotonic()
        try:
            yield
        finally:
            self._typical_seconds += 0.1 * (time.monotonic() - started - self._typical_seconds)
            self._release(tokens, spares=spares)

    async def _take_turn(
        self, wait: Callable[[Ticket], Awaitable[None]], tokens: int, *, spares: bool
    ) -> None:
        future = asyncio.get_running_loop().create_future()
        ticket = Ticket(future, tokens, self._queue, spares=spares)
        self._queue.append(ticket)
        self._advance()
        if not ticket.ready.done() and self._is_full(spares=spares):
            self._queue.remove(ticket)
            raise OverloadedError(
                f"{self.active} requests are being answered and {len(self._queue)} wait: the "
                "queue is full.",
                _REMEDY,
                self._retry_after(),
            )
        try:
            async with asyncio.timeout(self._timeout):
                await wait(ticket)
        except BaseException as error:
            if ticket.ready.done() and not ticket.ready.cancelled():
                self._release(
                    tokens, spares=spares
                )  # its turn came in the very moment in which the caller left
            elif ticket in self._queue:
                self._queue.remove(ticket)
                self._advance()  # others may have waited only for this one's tokens
            if isinstance(error, TimeoutError):
                raise OverloadedError(
                    f"No slot became free within {self._timeout:g} seconds.",
                    _REMEDY,
                    self._retry_after(),
                ) from None
            raise

    def _is_full(self, *, spares: bool) -> bool:
        """Whether the queue is longer than it may be, the one that has just come included."""
        if len(self._queue) > self.max_waiting:
            return True
        return spares and sum(ticket.spares for ticket in self._queue) > self.max_waiting // 2

    def _fits(self, tokens: int, *, spares: bool) -> bool:
        if self.active >= self.limit or self.active_tokens + tokens > self.max_tokens:
            return False
        return not spares or self._leaves_room(tokens)

    def _leaves_room(self, tokens: int) -> bool:
        """Whether one more of those that spare others still does; the first of them always."""
        return not self._sparing or (
            self._sparing < self.limit // 2
            and self._sparing_tokens + tokens <= self.max_tokens // 2
        )

    def _take(self, tokens: int, *, spares: bool) -> None:
        self.active += 1
        self.active_tokens += tokens
        if spares:
            self._sparing += 1
            self._sparing_tokens += tokens

    def _release(self, tokens: int, *, spares: bool) -> None:
        self.active -= 1
        self.active_tokens -= tokens
        if spares:
            self._sparing -= 1
            self._sparing_tokens -= tokens
        self._advance()

    def _advance(self) -> None:
        """Admit whoever's turn it is."""
        passed: list[Ticket] = []
        for ticket in tuple(self._queue):
            if self.active >= self.limit:
                return
            if ticket.ready.done():  # it has left, and will say so in a moment
                self._queue.remove(ticket)
            elif ticket.spares and not self._leaves_room(ticket.tokens):
                continue  # it waits for its own kind, and holds nobody else up
            elif self._fits(ticket.tokens, spares=ticket.spares):
                self._queue.remove(ticket)
                self._take(ticket.tokens, spares=ticket.spares)
                ticket.ready.set_result(None)
                for other in passed:
                    other.overtaken += 1
                if any(other.overtaken >= MAX_OVERTAKEN for other in passed):
                    return
            elif ticket.overtaken >= MAX_OVERTAKEN:
                return
            else:
                passed.append(ticket)

    def _retry_after(self) -> int:
        rounds = (len(self._queue) + 1) / self.limit
        return max(1, min(MAX_RETRY_AFTER_SECONDS, math.ceil(rounds * self._typical_seconds)))
