"""Kept-alive connections to one upstream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from foundry_gateway.connection import Connection, Response
from foundry_gateway.transport_errors import ConnectionBrokenError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_IDLE_CONNECTIONS = 64
MAX_IDLE_SECONDS = 30.0
RESOLVE_TTL_SECONDS = 5.0
SEND_BUFFER_BYTES = 262_144

Address = tuple[int, tuple[str | int, ...]]
"""Family and socket address."""


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
        self._idle: deque[Connection] = deque()
        self._addresses: list[Address] = []
        self._resolved_at = float("-inf")
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._host_field = f"{host}:{self.port}".encode("ascii")

    async def request(
        self,
        method: str,
        path: str,
        body: Sequence[bytes | memoryview] = (),
        *,
        patience: float,
    ) -> Response:
        """Send a request and wait for the answer's head.

        A kept-alive connection that turns out dead before it answered anything is replaced once.

        Args:
            method: HTTP method.
            path: Path and query.
            body: JSON in pieces, or nothing.
            patience: Longest silence in seconds, until changed on the response.

        Raises:
            TransportError: No answer came.
        """
        head = b"%b %b HTTP/1.1\r\nHost: %b\r\nAccept: */*\r\n" % (
            method.encode("ascii"),
            path.encode("ascii"),
            self._host_field,
        )
        size = sum(len(piece) for piece in body)
        if size:
            head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % size
        head += b"\r\n"
        while True:
            connection = self._take_idle()
            reused = connection is not None
            if connection is None:
                connection = await self._connect()
            response = connection.send(head, body, size, patience)
            try:
                await response.wait_head()
            except ConnectionBrokenError as error:
                if reused and not error.answered:
                    continue
                raise
            except BaseException:
                response.close()
                raise
            return response

    def release(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        connection.idle_since = connection.loop.time()
        if len(self._idle) < MAX_IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.abort()

    def forget(self, connection: Connection) -> None:
        """Drop a closed connection."""
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def reap(self) -> None:
        """Close connections that have been idle for long: each costs the runtime a thread."""
        now = asyncio.get_running_loop().time()
        while self._idle and now - self._idle[0].idle_since > MAX_IDLE_SECONDS:
            self._idle.popleft().abort()

    def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.popleft().abort()

    def _take_idle(self) -> Connection | None:
        # The most recently used one: it is the least likely to have been closed meanwhile.
        return self._idle.pop() if self._idle else None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._connect_to_any(await self._resolve())
        except TimeoutError:
            self._resolved_at = float("-inf")
            raise UnreachableError(
                f"{self.host}:{self.port} did not accept a connection within "
                f"{self._connect_timeout:g} seconds",
                "timed_out",
            ) from None

    async def _resolve(self) -> list[Address]:
        loop = asyncio.get_running_loop()
        if loop.time() - self._resolved_at < RESOLVE_TTL_SECONDS:
            return self._addresses
        try:
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnreachableError(
                f"the name {self.host!r} does not resolve ({error})", "name_not_resolved"
            ) from None
        # IPv4 first: Foundry Local listens on 127.0.0.1, and some resolvers put ::1 before it.
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        self._addresses = [
            (int(entry[0]), cast("tuple[str | int, ...]", entry[4])) for entry in found
        ]
        self._resolved_at = loop.time()
        return self._addresses

    async def _connect_to_any(self, addresses: list[Address]) -> Connection:
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for family, address in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)  # noqa: FBT003
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # What the system keeps unsent counts for the container's memory as well.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
                await loop.sock_connect(sock, address)
                _, protocol = await loop.create_connection(
                    partial(Connection, self, sock),
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
        # Reset while connecting: whoever listened is just going away.
        refused = isinstance(failure, (ConnectionRefusedError, ConnectionResetError))
        raise UnreachableError(
            f"{self.host}:{self.port} refused the connection"
            if refused
            else f"no connection to {self.host}:{self.port} ({failure})",
            "refused" if refused else "other",
        )
