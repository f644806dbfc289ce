"""The answer to one client: committed as late as possible, so that errors keep their status."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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
    """

    def __init__(self, request: web.Request, *, stream: bool, keepalive_interval: float) -> None:
        self._request = request
        self._stream = stream
        self._interval = keepalive_interval
        self._response: web.StreamResponse | None = None

    @property
    def response(self) -> web.StreamResponse | None:
        """The response, once committed."""
        return self._response

    async def write(self, data: bytes) -> None:
        """Forward bytes of the stream, committing to a 200 with the first."""
        response = self._response
        if response is None:
            response = self._response = web.StreamResponse(headers=_STREAM_HEADERS)
            await response.prepare(self._request)
        await response.write(data)

    async def wait(self, awaitable: Awaitable[T], describe: Callable[[], str]) -> T:
        """Await something slow, telling a streaming client in comments what it waits for.

        Args:
            awaitable: Cancelled when the client leaves.
            describe: What goes into the comment, asked each time.
        """
        if not self._stream:
            return await awaitable
        task = asyncio.ensure_future(awaitable)
        try:
            while not (await asyncio.wait((task,), timeout=self._interval))[0]:
                await self.write(f": {describe()}\n\n".encode())
            return task.result()
        finally:
            task.cancel()

    async def fail(self, error: GatewayError) -> web.StreamResponse:
        """End with an error: as a status while that is possible, else as the stream's last event."""
        if self._response is None:
            return error_response(error)
        event = json.dumps(error.body(), separators=(",", ":"))
        await self._response.write(f"data: {event}\n\n".encode())
        return await self.finish()

    async def finish(self) -> web.StreamResponse:
        """End the stream."""
        assert self._response is not None  # noqa: S101
        await self._response.write_eof()
        return self._response


def error_response(error: GatewayError) -> web.Response:
    """Return an error as a JSON response."""
    return web.json_response(error.body(), status=error.status, headers=error.headers())
