"""Connections of clients: how many, how long and how large before there is a request to judge.

aiohttp bounds none of this. Each connection stands behind a ``Door``, which receives in small
pieces, gives a head its time and its size, and turns away what is too much; behind it aiohttp's own
handler works as ever, except that its errors are in the gateway's one shape.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, cast

from foundry_gateway import limits
from foundry_gateway.conversation import Conversation, head_too_large
from foundry_gateway.errors import GatewayError, InvalidRequestError, OverloadedError

if TYPE_CHECKING:
    from aiohttp import web

_HEAD_TOO_SLOW = InvalidRequestError(
    f"The request's head did not arrive within {limits.HEAD_SECONDS:g} seconds.",
    "Send it in one go.",
    status=408,
)
_TOO_MANY = OverloadedError(
    f"{limits.CONNECTIONS} connections are open already.", "Try again in a moment.", 1
)
_TOO_MANY.status = 503
_MOST_QUEUED = 8


class Doorkeeper:
    """Counts the connections, and makes what handles each.

    Args:
        server: aiohttp's server.
        most: Connections at once.
    """

    def __init__(self, server: web.Server, most: int = limits.CONNECTIONS) -> None:
        self.server = server
        self.most = most
        self.open = 0

    def __call__(self) -> Door:
        """Return the protocol of a new connection."""
        return Door(self, asyncio.get_running_loop())


class Door(asyncio.BufferedProtocol):
    """Stands between a connection and its handler.

    Args:
        keeper: Counts the connections.
        loop: The event loop.
    """

    def __init__(self, keeper: Doorkeeper, loop: asyncio.AbstractEventLoop) -> None:
        self._keeper = keeper
        self._loop = loop
        self._inner: Conversation | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._ahead = 0
        """Bytes received since a head was complete or a body grew."""
        self._progress = (0, 0)
        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        if self._keeper.open >= self._keeper.most:
            self._turn_away(_TOO_MANY)
            return
        self._keeper.open += 1
        self._inner = Conversation(self._keeper.server, self._loop)
        self._inner.connection_made(transport)
        self._give_time()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""
        del sizehint
        self._buffer = bytearray(limits.RECEIVE_BYTES)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have arrived."""
        data = bytes(memoryview(self._buffer)[:nbytes])
        self._buffer = bytearray()
        inner = self._inner
        if inner is None or self._refused:
            return
        inner.data_received(data)
        progress = (inner.requests, inner.delivered)
        if progress != self._progress:
            self._progress = progress
            self._ahead = 0
        else:  # part of a head, or what a body is wrapped in: chunk extensions, trailers
            self._ahead += nbytes
        if inner.awaits_head:
            if self._ahead > limits.HEAD_BYTES:
                self._refuse(head_too_large())
            elif self._timer is None:
                self._give_time()
            return
        self._take_time_back()
        if inner.queued > _MOST_QUEUED:
            self._abort()
        elif self._ahead > limits.HEAD_BYTES:
            inner.break_off()
            self._drop_the_rest()

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        if self._inner is not None:
            self._inner.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._take_time_back()
        inner, self._inner = self._inner, None
        if inner is not None:
            self._keeper.open -= 1
            inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._inner is not None:
            self._inner.resume_writing()

    def _give_time(self) -> None:
        self._timer = self._loop.call_later(limits.HEAD_SECONDS, self._time_is_up)

    def _take_time_back(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        self._timer = None
        if self._inner is None or not self._inner.awaits_head:
            return
        if self._ahead:
            self._refuse(_HEAD_TOO_SLOW)
        elif self._transport is not None:  # it said nothing: nothing is said
            self._transport.close()

    def _refuse(self, error: GatewayError) -> None:
        """End a conversation that has no request to be answered.

        What still arrives is dropped for a moment: a connection closed with bytes unread is reset,
        and its client never reads why.
        """
        if self._transport is not None:
            self._transport.write(_raw_response(error))
            if self._transport.can_write_eof():
                self._transport.write_eof()
        self._drop_the_rest()

    def _drop_the_rest(self) -> None:
        self._take_time_back()
        self._refused = True
        self._timer = self._loop.call_later(limits.LINGER_SECONDS, self._abort)

    def _turn_away(self, error: GatewayError) -> None:
        if self._transport is not None:
            self._transport.write(_raw_response(error))
            self._transport.close()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _raw_response(error: GatewayError) -> bytes:
    body = json.dumps(error.body()).encode()
    fields = {
        **error.headers(),
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {error.status} Refused\r\n{head}\r\n".encode() + body
