"""A small HTTP/1.1 client for streaming answers with as little between socket and caller as can be.

Why not a library: Foundry Local's server leaves Nagle's algorithm on, so on a kept-alive
connection the receiver's delayed acknowledgement holds every small write back for 40 ms. The cure
is to ask for a quick acknowledgement again *after each receive* (Linux forgets it, tcp(7)), which
needs the socket at the moment data arrives.

Errors, all raised by :class:`ConnectionPool` and :class:`Response`::

    TransportError
    ├── Unreachable          no connection; ``cause`` says why
    ├── ConnectionBroken     the connection ended or answered something that is not HTTP
    └── AnswerTimeout        connected, but nothing arrived for too long
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

from foundry_gateway.wire import ResponseParser, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

Cause = Literal["name_not_resolved", "refused", "timed_out", "not_foundry", "other"]

MAX_IDLE_CONNECTIONS = 64
HIGH_WATER_BYTES = 262_144
RESOLVE_TTL_SECONDS = 5.0
# Windows and macOS have no such option: there the 40 ms stay, nothing breaks.
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class TransportError(Exception):
    """The exchange with the upstream failed."""


class Unreachable(TransportError):  # noqa: N818 - a state, read as `except Unreachable`
    """No connection could be made.

    Args:
        message: What happened, for a person.
        cause: Which of the closed set of causes it was.
    """

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.cause: Cause = cause


class ConnectionBroken(TransportError):  # noqa: N818
    """The connection ended early or carried something that is not HTTP.

    Args:
        message: What happened, for a person.
        answered: Whether any byte of an answer had arrived.
        is_http: False when the other side does not speak HTTP.
    """

    def __init__(self, message: str, *, answered: bool, is_http: bool = True) -> None:
        super().__init__(message)
        self.answered = answered
        self.is_http = is_http


class AnswerTimeout(TransportError):  # noqa: N818
    """Connected, but the upstream stayed silent for longer than allowed."""


class Response:
    """One answer: status and headers at once, body bytes as they arrive.

    ``close`` may be called at any time; an unfinished answer takes its connection with it, which
    is how the runtime learns that nobody listens any more.
    """

    def __init__(self, connection: _Connection, timeout: float) -> None:
        self._connection = connection
        self._loop = connection.loop
        self._parser = ResponseParser()
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._error: TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timeout = timeout
        self._last_activity = self._loop.time()
        self._timer = self._loop.call_later(timeout, self._check_silence)

    @property
    def status(self) -> int:
        """HTTP status code."""
        return self._parser.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields by lower-case name; the first of duplicates."""
        return self._parser.headers

    def set_timeout(self, seconds: float) -> None:
        """Allow this much silence from now on."""
        self._timeout = seconds
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
            if self._parser.complete:
                return b""
            await self._wait()

    async def read(self, limit: int = 64 * 1024 * 1024) -> bytes:
        """Return the whole body.

        Raises:
            TransportError: It broke off or exceeds ``limit`` bytes.
        """
        parts = []
        size = 0
        while data := await self.read_some():
            parts.append(data)
            size += len(data)
            if size > limit:
                self.close()
                raise ConnectionBroken("the answer is too large", answered=True)
        return b"".join(parts)

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
        due = self._last_activity + self._timeout
        if due > self._loop.time() + 0.001:
            self._timer = self._loop.call_at(due, self._check_silence)
            return
        self.fail(AnswerTimeout(f"no answer within {self._timeout:g} seconds"))
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
        if body:
            self._chunks.append(body)
            self._buffered += len(body)
            if self._buffered > HIGH_WATER_BYTES and not self._paused:
                self._paused = True
                self._connection.pause()
        if parser.complete:
            self._timer.cancel()
            self._wake()
            return True
        if body or parser.head_complete:
            self._wake()
        return False

    def feed_eof(self) -> None:
        """The connection has ended."""
        try:
            self._parser.feed_eof()
        except WireError as error:
            self.fail(ConnectionBroken(str(error), answered=self._parser.head_complete))
        else:
            self._timer.cancel()
            self._wake()

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another request."""
        return self._parser.keep_alive


class _Connection(asyncio.Protocol):
    """One connection; carries one request at a time."""

    def __init__(self, pool: ConnectionPool, sock: socket.socket) -> None:
        self.loop = asyncio.get_running_loop()
        self._pool = pool
        self._sock = sock
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # cast: uvloop's transports have the interface without the base class.
        self._transport = cast("asyncio.Transport", transport)
        self._acknowledge_quickly()

    def _acknowledge_quickly(self) -> None:
        if _QUICKACK is not None:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def send(self, request: bytes, timeout: float) -> Response:
        """Write a request; the answer is filled in as it arrives."""
        assert self._transport is not None  # noqa: S101
        response = self._response = Response(self, timeout)
        self._transport.write(request)
        return response

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # nothing was asked: the upstream is confused
            self.abort()
            return
        try:
            complete = response.feed(data)
        except WireError as error:
            response.fail(ConnectionBroken(str(error), answered=True, is_http=False))
            self.abort()
            return
        if complete:
            self._response = None
            if response.keep_alive and not self.closed:
                self._pool.release(self)
            else:
                self.abort()
        self._acknowledge_quickly()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed = True
        self._pool.forget(self)
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
            self._pool.forget(self)
            if self._transport:
                self._transport.abort()


class ConnectionPool:
    """Kept-alive connections to one origin.

    Args:
        url: Origin, ``http://host:port`` or ``https://host:port``.
        connect_timeout: Seconds for resolving the name and connecting.
    """

    def __init__(self, url: str, connect_timeout: float) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._connect_timeout = connect_timeout
        self._idle: deque[_Connection] = deque()
        self._addresses: list[tuple[int, tuple[str | int, ...]]] = []
        self._resolved_at = float("-inf")
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._host_field = f"{host}:{self.port}".encode("ascii")

    async def request(
        self, method: str, path: str, body: bytes = b"", *, timeout: float
    ) -> Response:
        """Send a request and wait for the answer's head.

        A kept-alive connection that turns out dead before it answered anything is replaced once.

        Args:
            method: HTTP method.
            path: Path and query.
            body: JSON, or nothing.
            timeout: Longest silence in seconds, until changed on the response.

        Raises:
            TransportError: No answer came.
        """
        request = b"%b %b HTTP/1.1\r\nHost: %b\r\nAccept: */*\r\n" % (
            method.encode("ascii"),
            path.encode("ascii"),
            self._host_field,
        )
        if body:
            request += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        request += b"\r\n" + body
        while True:
            connection = self._take_idle()
            reused = connection is not None
            if connection is None:
                connection = await self._connect()
            response = connection.send(request, timeout)
            try:
                await response.wait_head()
            except ConnectionBroken as error:
                if reused and not error.answered:
                    continue
                raise
            except BaseException:
                response.close()
                raise
            return response

    def release(self, connection: _Connection) -> None:
        """Keep a connection for the next request."""
        if len(self._idle) < MAX_IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.abort()

    def forget(self, connection: _Connection) -> None:
        """Drop a closed connection."""
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.popleft().abort()

    def _take_idle(self) -> _Connection | None:
        # The most recently used one: it is the least likely to have been closed meanwhile.
        return self._idle.pop() if self._idle else None

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._connect_to_any(await self._resolve())
        except TimeoutError:
            self._resolved_at = float("-inf")
            raise Unreachable(
                f"{self.host}:{self.port} did not accept a connection within "
                f"{self._connect_timeout:g} seconds",
                "timed_out",
            ) from None

    async def _resolve(self) -> list[tuple[int, tuple[str | int, ...]]]:
        loop = asyncio.get_running_loop()
        if loop.time() - self._resolved_at < RESOLVE_TTL_SECONDS:
            return self._addresses
        try:
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unreachable(
                f"the name {self.host!r} does not resolve ({error})", "name_not_resolved"
            ) from None
        # IPv4 first: Foundry Local listens on 127.0.0.1, and some resolvers put ::1 before it.
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        self._addresses = [(entry[0], entry[4]) for entry in found]
        self._resolved_at = loop.time()
        return self._addresses

    async def _connect_to_any(
        self, addresses: list[tuple[int, tuple[str | int, ...]]]
    ) -> _Connection:
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for family, address in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(sock, address)
                _, protocol = await loop.create_connection(
                    lambda sock=sock: _Connection(self, sock),  # type: ignore[misc]
                    sock=sock,
                    ssl=self._ssl,
                    server_hostname=self.host if self._ssl else None,
                )
            except OSError as error:
                sock.close()
                failure = failure or error
            except BaseException:
                sock.close()
                raise
            else:
                return protocol
        self._resolved_at = float("-inf")
        refused = isinstance(failure, ConnectionRefusedError)
        raise Unreachable(
            f"{self.host}:{self.port} refused the connection"
            if refused
            else f"no connection to {self.host}:{self.port} ({failure})",
            "refused" if refused else "other",
        )
