"""The answer to one client: committed as late as possible, so that errors keep their status."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web

from foundry_gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Far below the size at which a transport's buffer makes its writer wait (64 KiB).
_SMALL_BYTES = 16_384
_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


class Downstream:
    """A client that waits for an answer, perhaps a streamed one.

    Args:
        request: Its request.
        stream: Whether it wants server-sent events.
        keepalive_interval: Seconds between comments while it waits.
        patience: Seconds that it may leave bytes unread before it counts as gone.
    """

    def __init__(
        self, request: web.Request, *, stream: bool, keepalive_interval: float, patience: float
    ) -> None:
        self._request = request
        self._stream = stream
        self._interval = keepalive_interval
        self._patience = patience
        self._chunked = request.version >= HttpVersion11
        self._response: web.StreamResponse | None = None
        self._comment: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether bytes may be handed over without waiting: begun, and nothing is on its way."""
        transport = self._request.transport
        return (
            self._response is not None
            and transport is not None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
            and (self._comment is None or self._comment.done())
        )

    def write_now(self, data: bytes) -> None:
        """Forward bytes at once; only while ``idle``.

        This is what ``StreamResponse.write`` does, less the detour over a coroutine: it halves the
        gateway's work per chunk, which counts where it shares its processors with the model.
        """
        transport = self._request.transport
        assert transport is not None  # noqa: S101 - idle
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        transport.write(data)

    async def write(self, data: bytes) -> None:
        """Forward bytes of the stream, committing to a 200 with the first."""
        if self._comment is not None and not self._comment.done():
            await asyncio.wait((self._comment,))
        await self._write(data)

    async def _write(self, data: bytes) -> None:
        response = self._response
        if response is None:
            response = self._response = web.StreamResponse(headers=_STREAM_HEADERS)
            if self._chunked:
                response.enable_chunked_encoding()
            await response.prepare(self._request)
        transport = self._request.transport
        if transport is None or (
            len(data) < _SMALL_BYTES and not transport.get_write_buffer_size()
        ):
            await response.write(data)  # cannot block: it fits the empty buffer
            return
        try:
            async with asyncio.timeout(self._patience):
                await response.write(data)
        except TimeoutError:
            transport.abort()
            raise ConnectionAbortedError("the client has stopped reading") from None

    async def send_whole(self, body: bytes) -> web.StreamResponse:
        """Answer in one piece; returns when it is on its way, so that its memory can be counted.

        Raises:
            ConnectionError: The client has gone, or does not read.
        """
        response = web.Response(body=body, content_type="application/json")
        try:
            async with asyncio.timeout(self._patience):
                await response.prepare(self._request)
                await response.write_eof()
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionAbortedError("the client has stopped reading") from None
        return response

    @contextmanager
    def reassuring(
        self, describe: Callable[[], str], give_up: Callable[[GatewayError], None]
    ) -> Iterator[None]:
        """Tell a streaming client in comments what it waits for while the block runs.

        Args:
            describe: What the comment says, asked at each interval. May raise to give up.
            give_up: Takes the error that ``describe`` raised; is to end the block.
        """
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._interval, lambda: tick())  # noqa: PLW0108 - defined below

        def tick() -> None:
            nonlocal timer
            try:
                comment = " ".join(describe().split())
            except GatewayError as error:
                give_up(error)
                return
            if self._stream:
                self._comment = loop.create_task(self._say(comment))
            timer = loop.call_later(self._interval, tick)

        try:
            yield
        finally:
            timer.cancel()

    async def _say(self, comment: str) -> None:
        with suppress(ConnectionError):  # a client that has left is noticed elsewhere
            await self._write(f": {comment}\n\n".encode())

    async def fail(self, error: GatewayError) -> web.StreamResponse:
        """End with an error: as a status while that is possible, else as the last event."""
        if self._comment is not None:
            await asyncio.wait((self._comment,))
        if self._response is None:
            return error_response(error)
        event = json.dumps(error.body(), separators=(",", ":"))
        await self._response.write(f"data: {event}\n\n".encode())
        return await self.finish()

    async def finish(self) -> web.StreamResponse:
        """End the stream."""
        assert self._response is not None  # noqa: S101 - something was written before
        await self._response.write_eof()
        return self._response


def error_response(error: GatewayError) -> web.Response:
    """Return an error as a JSON response."""
    return web.json_response(error.body(), status=error.status, headers=error.headers())
