"""One HTTP/1.1 connection to an upstream, with as little between socket and caller as can be.

Why not a library: Foundry Local's server leaves Nagle's algorithm on, so on a kept-alive
connection the receiver's delayed acknowledgement holds every small write back for 40 ms. The cure
is to ask for a quick acknowledgement again *after each receive* (Linux forgets it, tcp(7)), which
needs the socket at the moment in which data arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Protocol, cast

from foundry_gateway import limits
from foundry_gateway.transport_errors import (
    AnswerTimeoutError,
    AnswerTooLargeError,
    ConnectionBrokenError,
    TransportError,
)
from foundry_gateway.wire import ResponseParser, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from foundry_common.bodies import Hold

HIGH_WATER_BYTES = 262_144
_SMALL_BYTES = 65_536
# Windows and macOS have no such option: there the 40 ms stay, nothing breaks.
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class Owner(Protocol):
    """Whoever keeps connections for further use."""

    def release(self, connection: Connection) -> None:
        """Take back a connection that is free again."""

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is closed."""


class Response:
    """One answer: status and headers at once, body bytes as they arrive.

    ``close`` may be called at any time; an unfinished answer takes its connection with it, which
    is how the runtime learns that nobody listens any more.
    """

    def __init__(self, connection: Connection, patience: float) -> None:
        self._connection = connection
        self._loop = connection.loop
        self._parser = ResponseParser()
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._enough = False
        self._error: TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._patience = patience
        self.sink: Callable[[bytes], bool] | None = None
        """Takes body bytes the moment they arrive, instead of ``read_some``; False declines."""
        self._last_activity = self._loop.time()
        self._timer = self._loop.call_later(patience, self._check_silence)

    @property
    def status(self) -> int:
        """HTTP status code."""
        return self._parser.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields by lower-case name; the first of duplicates."""
        return self._parser.headers

    def allow_silence(self, seconds: float) -> None:
        """Allow this much silence from now on."""
        self._patience = seconds
        self._last_activity = self._loop.time()
        self._timer.cancel()
        if not self._parser.complete:
            self._timer = self._loop.call_later(seconds, self._check_silence)

    async def wait_head(self) -> None:
        """Wait for status and headers.

        Raises:
            TransportError: They never came.
        """
        while not self._parser.head_complete:
            if self._error:
                raise self._error
            await self._wait()

    async def read_some(self) -> bytes:
        """Return everything received since the last call, waiting for at least one byte.

        Returns:
            Body bytes, or ``b""`` once at the end.

        Raises:
            TransportError: The answer broke off; what arrived before was returned earlier.
        """
        while True:
            chunks = self._chunks
            if chunks:
                data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
                chunks.clear()
                self._buffered = 0
                if self._paused:
                    self._paused = False
                    self._connection.resume()
                return data
            if self._error:
                raise self._error
            if self._parser.complete or self._enough:
                return b""
            await self._wait()

    def stop_reading(self) -> None:
        """Let ``read_some`` report the end: the rest does not matter."""
        self._enough = True
        self._wake()

    async def read(self, limit: int = limits.ANSWER, hold: Hold | None = None) -> bytes:
        """Return the whole body.

        Args:
            limit: Bytes that it may have.
            hold: A share of a budget that grows with it.

        Raises:
            TransportError: It broke off or exceeds ``limit`` bytes.
            BudgetUsedUpError: There is no room for it.
        """
        parts = []
        size = 0
        while data := await self.read_some():
            size += len(data)
            if size > limit:
                self.close()
                raise AnswerTooLargeError("the answer is too large", answered=True)
            if hold is not None:
                hold.grow(len(data))
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Give the connection up unless the answer is complete. Safe to call twice."""
        self._timer.cancel()
        if not self._parser.complete:
            self._connection.abort()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_silence(self) -> None:
        if self._chunks:  # it is the reader who is slow
            self._last_activity = self._loop.time()
        due = self._last_activity + self._patience
        if due > self._loop.time() + 0.001:
            self._timer = self._loop.call_at(due, self._check_silence)
            return
        self.fail(AnswerTimeoutError(f"no answer within {self._patience:g} seconds"))
        self._connection.abort()

    def fail(self, error: TransportError) -> None:
        """End this answer with an error, unless it had already ended."""
        if not self._parser.complete and self._error is None:
            self._error = error
        self._timer.cancel()
        self._wake()

    def feed(self, data: bytes) -> bool:
        """Take received bytes; returns True when the answer is complete."""
        self._last_activity = self._loop.time()
        parser = self._parser
        body = parser.feed(data)
        if body and (self._chunks or self.sink is None or not self.sink(body)):
            self._chunks.append(body)
            self._buffered += len(body)
            if self._buffered > HIGH_WATER_BYTES and not self._paused:
                self._paused = True
                self._connection.pause()
        if parser.complete:
            self._timer.cancel()
            self._wake()
            return True
        if self._chunks or self.sink is None:
            self._wake()
        return False

    def feed_eof(self) -> None:
        """The connection has ended."""
        try:
            self._parser.feed_eof()
        except WireError as error:
            self.fail(ConnectionBrokenError(str(error), answered=self._parser.head_complete))
        else:
            self._timer.cancel()
            self._wake()

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another request."""
        return self._parser.keep_alive


class Connection(asyncio.Protocol):
    """One connection; carries one request at a time."""

    def __init__(self, owner: Owner, sock: socket.socket) -> None:
        self.loop = asyncio.get_running_loop()
        self._owner = owner
        self._sock = sock
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self.closed = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        # cast: uvloop's transports have the interface without the base class.
        self._transport = cast("asyncio.Transport", transport)
        self._acknowledge_quickly()

    def _acknowledge_quickly(self) -> None:
        if _QUICKACK is not None:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def send(
        self, head: bytes, body: Sequence[bytes | memoryview], size: int, patience: float
    ) -> Response:
        """Write a request; the answer is filled in as it arrives.

        Args:
            head: Request line and header fields.
            body: The body's pieces.
            size: Their bytes.
            patience: Longest silence in seconds.
        """
        assert self._transport is not None  # noqa: S101
        response = self._response = Response(self, patience)
        if size <= _SMALL_BYTES:
            self._transport.write(b"".join((head, *body)))
        else:  # what is not sent yet is kept by reference, not copied
            self._transport.writelines((head, *body))
        return response

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        response = self._response
        if response is None:  # nothing was asked: the upstream is confused
            self.abort()
            return
        try:
            complete = response.feed(data)
        except WireError as error:
            response.fail(ConnectionBrokenError(str(error), answered=True, is_http=False))
            self.abort()
            return
        if complete:
            self._response = None
            if response.keep_alive and not self.closed:
                self._owner.release(self)
            else:
                self.abort()
        self._acknowledge_quickly()

    def eof_received(self) -> bool:
        """The upstream sends no more; nor will we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        del exc
        self.closed = True
        self._owner.forget(self)
        response, self._response = self._response, None
        if response is not None:
            response.feed_eof()

    def pause(self) -> None:
        """Stop reading until the caller has caught up."""
        if self._transport and not self.closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport and not self.closed:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, without waiting for unsent bytes."""
        if not self.closed:
            self.closed = True
            self._owner.forget(self)
            if self._transport:
                self._transport.abort()
