"""An aiohttp server that lets nobody in unasked, and that no caller can fill or hold.

aiohttp itself answers what it cannot read in plain text, waits without end for the rest of a
request's head, and takes any number of connections. Here every request is judged before anything
else happens with it, all refusals are JSON, and heads and connections are bounded. The one module
of this package that is not of the standard library alone: only services that serve import it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from foundry_common.callers import Refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.typedefs import Handler

_log = logging.getLogger(__name__)

_TOO_LARGE: Final = 431
_BROKEN: Final = 500
_CALL = "Call it as the README shows."
_REFUSALS: Final = (
    Refusal(400, "bad_request", "This request is not HTTP as it should be.", _CALL),
    Refusal(404, "not_found", "There is nothing at this address.", _CALL),
    Refusal(405, "method_not_allowed", "This address does not take this method.", _CALL),
    Refusal(413, "body_too_large", "This request's body is too large.", "Send a smaller one."),
    Refusal(415, "encoded_body", "Bodies with a Content-Encoding are not read.", "Send it plain."),
    Refusal(417, "expectation_failed", "This Expect header asks for something unknown.", _CALL),
    Refusal(
        _TOO_LARGE,
        "headers_too_large",
        "The head of this request is too large.",
        "Send fewer header fields; cookies of other sites on localhost are the usual cause.",
    ),
    Refusal(
        _BROKEN,
        "internal_error",
        "This service failed to answer; its log says why.",
        "Try again, and report it if it stays so.",
    ),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What callers may hold at once. Durations are seconds."""

    connections: int = 64
    head_bytes: int = 32_768
    """Of a request line and its header fields, all together."""
    head_seconds: float = 10.0
    """For a head as a whole, from the connection or from its first byte."""
    idle_seconds: float = 75.0
    """Between one answer and the next request; longer than any interval between two scrapes."""
    linger_seconds: float = 1.0
    """For the rest of a body that nobody reads."""


def refusal_for(status: int) -> Refusal:
    """Return the words for a status that has no more particular ones."""
    fallback = _REFUSALS[-1] if status >= _BROKEN else _REFUSALS[0]
    known = next((one for one in _REFUSALS if one.status == status), fallback)
    return Refusal(status, known.code, known.problem, known.remedy)


def error_response(refusal: Refusal, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a refusal in the form that every error of the stack has."""
    said = {
        "message": f"{refusal.problem} {refusal.remedy}",
        "problem": refusal.problem,
        "type": "server_error" if refusal.status >= _BROKEN else "invalid_request_error",
        "param": None,
        "code": refusal.code,
        "cause": None,
        "remedy": refusal.remedy,
    }
    return web.json_response({"error": said}, status=refusal.status, headers=headers)


def body_refusal(request: web.BaseRequest, longest: int) -> Refusal | None:
    """Judge a request by the body that its head announces; None lets it in.

    Args:
        request: Whose body has not been touched.
        longest: Bytes; a body that does not say its length is refused too.
    """
    if "Content-Encoding" in request.headers:
        return refusal_for(415)
    unsized = "Transfer-Encoding" in request.headers
    if unsized or (request.content_length or 0) > longest:
        return refusal_for(413)
    return None


class Runner(web.AppRunner):
    """Runs an application behind its door.

    Args:
        app: The application.
        judge: Says why a request is not let in, before it is routed or read; None lets it in.
        limits: What callers may hold.
        headers: Fields that every refusal carries.
        options: Passed on to aiohttp.
    """

    __slots__ = ("_headers", "_judge", "_limits")

    def __init__(
        self,
        app: web.Application,
        judge: Callable[[web.BaseRequest], Refusal | None],
        limits: Limits | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self._judge = judge
        self._limits = limits or Limits()
        self._headers = headers or {}
        options = {
            "keepalive_timeout": self._limits.idle_seconds,
            "lingering_time": self._limits.linger_seconds,
            "auto_decompress": False,
            "access_log": None,
            **options,
        }
        super().__init__(app, **options)

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return _Server(plain, self._judge, self._limits, self._headers)


class _Server(web.Server):
    """An application's own server, with a door of its own."""

    def __init__(
        self,
        plain: web.Server,
        judge: Callable[[web.BaseRequest], Refusal | None],
        limits: Limits,
        headers: Mapping[str, str],
    ) -> None:
        self._handle: Handler = plain.request_handler
        self._make: Callable[..., web.BaseRequest] = plain.request_factory
        self._judge = judge
        self.limits = limits
        self.refusal_headers = headers
        super().__init__(
            self._answer,
            request_factory=self._remember,
            handler_cancellation=plain.handler_cancellation,
            loop=plain._loop,  # noqa: SLF001 - made by aiohttp itself, just now
            **plain._kwargs,  # noqa: SLF001 - as above
        )

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def _remember(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        if isinstance(protocol, _Connection):
            protocol.body = payload
        return self._make(message, payload, protocol, writer, task)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refusal = self._judge(request)
        if refusal is not None:
            return self.refuse(refusal)
        try:
            return await self._handle(request)  # type: ignore[arg-type]
        except web.HTTPError as error:
            kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return error_response(refusal_for(error.status), {**self.refusal_headers, **kept})

    def refuse(self, refusal: Refusal) -> web.Response:
        """Return a refusal after which the connection ends: what follows it may be a body."""
        response = error_response(refusal, self.refusal_headers)
        response.force_close()
        return response

    def make_room(self) -> bool:
        """See that one more connection fits, at the cost of the one that has waited longest."""
        held = [one for one in self.connections if isinstance(one, _Connection) and not one.closing]
        if len(held) < self.limits.connections:
            return True
        waiting = next((one for one in held if one.waits), None)  # in the order in which they came
        if waiting is None:
            return False
        waiting.hang_up()
        return True


class _Connection(web.RequestHandler):
    """One connection, with a bound on each head in bytes and in time."""

    __slots__ = ("_head_bytes", "_timer", "body", "closing", "server")

    def __init__(self, server: _Server, **options: Any) -> None:
        super().__init__(server, **options)
        self.server = server
        self.body: StreamReader | None = None
        self.closing = False
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether it is between two requests, or in the middle of a head."""
        return not self._messages and self._current_request is None and self._body_is_read()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.server.make_room():
            self.closing = True
            transport.abort()  # type: ignore[attr-defined]
            return
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or not self._body_is_read():
            self._rest()
            return
        self._head_bytes += len(data)
        if self._head_bytes > self.server.limits.head_bytes:
            self._refuse_head()
        elif data:
            self._watch()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not read, or what broke, without a word of either in it."""
        del message
        if status >= _BROKEN:
            _log.error("answering %s %s failed", request.method, request.path, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        return self.server.refuse(
            refusal_for(_TOO_LARGE if isinstance(exc, LineTooLong) else status)
        )

    def hang_up(self) -> None:
        """End it now."""
        self.closing = True
        self._rest()
        self.force_close()

    def _body_is_read(self) -> bool:
        return self.body is None or self.body.is_eof()

    def _watch(self) -> None:
        if self._timer is None and not self.closing:
            self._timer = self._loop.call_later(self.server.limits.head_seconds, self.hang_up)

    def _rest(self) -> None:
        self._head_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse_head(self) -> None:
        """Say why, past a parser that is in the middle of its work, and end it."""
        if self.transport is not None and self._current_request is None:
            response = error_response(refusal_for(_TOO_LARGE))
            body = response.body if isinstance(response.body, bytes) else b""
            head = (
                f"HTTP/1.1 {_TOO_LARGE} Request Header Fields Too Large\r\n"
                f"Content-Type: application/json; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.hang_up()
