"""The answer to one client: committed as late as possible, so that errors keep their status."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from foundry_gateway.errors import GatewayError

T = TypeVar("T")

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
        self._response: web.StreamResponse | None = None

    async def write(self, data: bytes) -> None:
        """Forward bytes of the stream, committing to a 200 with the first."""
        response = self._response
        if response is None:
            response = self._response = web.StreamResponse(headers=_STREAM_HEADERS)
            await response.prepare(self._request)
        transport = self._request.transport
        if transport is None or not transport.get_write_buffer_size():
            await response.write(data)
            return
        try:
            async with asyncio.timeout(self._patience):
                await response.write(data)
        except TimeoutError:
            transport.abort()
            raise ConnectionAbortedError("the client has stopped reading") from None

    async def wait(self, slow: Coroutine[object, object, T], describe: Callable[[], str]) -> T:
        """Await something slow, telling a streaming client in comments what it waits for.

        Args:
            slow: Cancelled when the client leaves.
            describe: What the comment says, asked at each interval. May raise to give up.
        """
        task = asyncio.create_task(slow)
        try:
            while not (await asyncio.wait((task,), timeout=self._interval))[0]:
                comment = " ".join(describe().split())
                if self._stream:
                    await self.write(f": {comment}\n\n".encode())
            return task.result()
        finally:
            task.cancel()

    async def fail(self, error: GatewayError) -> web.StreamResponse:
        """End with an error: as a status while that is possible, else as the last event."""
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
