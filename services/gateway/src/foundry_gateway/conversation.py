"""aiohttp's handler of one connection, in the gateway's manners.

Whatever it says itself is in the one shape of errors, and what goes wrong is logged without words
that may be a caller's.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from foundry_gateway import limits
from foundry_gateway.downstream import error_response
from foundry_gateway.errors import GatewayError, InvalidRequestError, UpstreamError

if TYPE_CHECKING:
    import asyncio

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import RawRequestMessage
    from aiohttp.web_request import BaseRequest

_log = logging.getLogger(__name__)
_SEE_HTTP: Final = "Send HTTP/1.1 as RFC 9112 has it."
_BAD_REQUEST: Final = 400


class Conversation(RequestHandler):
    """aiohttp's handler of one connection; what it says itself is in the gateway's shape.

    Args:
        server: aiohttp's server.
        loop: The event loop.
    """

    __slots__ = ("_started",)

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # None is its way of saying no
            keepalive_timeout=limits.KEEP_ALIVE_SECONDS,
            lingering_time=limits.LINGER_SECONDS,
            read_bufsize=limits.RECEIVE_BYTES,
            auto_decompress=False,
        )
        self._started: StreamReader | None = None
        make_request = server.request_factory

        def note(
            message: RawRequestMessage,
            payload: StreamReader,
            protocol: RequestHandler,
            writer: AbstractStreamWriter,
            task: asyncio.Task[None],
        ) -> BaseRequest:
            self._started = payload
            return make_request(message, payload, protocol, writer, task)

        self._request_factory = note
        answer = server.request_handler

        async def answer_in_shape(request: BaseRequest) -> web.StreamResponse:
            try:
                return await answer(request)
            except web.HTTPException as error:  # from before the application's own handlers
                return error_response(
                    InvalidRequestError(
                        "The request cannot be answered.", _SEE_HTTP, status=error.status
                    )
                )

        self._request_handler = answer_in_shape

    @property
    def awaits_head(self) -> bool:
        """Whether no request is being answered: the next one's head is not complete."""
        waits = self._waiter is not None and not self._waiter.done()
        return waits or not self._request_count

    @property
    def queued(self) -> int:
        """Requests that arrived before the one in front of them was answered."""
        return len(self._messages)

    @property
    def requests(self) -> int:
        """Heads that have arrived."""
        return self._request_count

    @property
    def delivered(self) -> int:
        """Bytes of the newest request's body that have arrived."""
        newest = self._messages[-1][1] if self._messages else self._started
        return newest.total_bytes if newest is not None else 0

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        super().data_received(data)
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            self.break_off()

    def break_off(self) -> None:
        """Tell whoever waits for a body's rest that it will not come."""
        for payload in (self._started, *(waiting for _, waiting in self._messages)):
            if payload is not None and not payload.is_eof() and payload.exception() is None:
                payload.set_exception(RequestPayloadError("the body is malformed"))

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what no handler can: bytes that are not HTTP, or a failure of our own."""
        del message  # may quote the request
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        error: GatewayError
        if isinstance(exc, LineTooLong) or "Too many headers" in str(exc):
            error = head_too_large()
        elif status == _BAD_REQUEST:
            error = InvalidRequestError("The request is not valid HTTP.", _SEE_HTTP)
        else:
            log_failure(exc)
            error = UpstreamError("The gateway failed.", "See its log.", status=500)
        response = error_response(error)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a failure of our own; a client that breaks its own request off is none."""
        del args
        error = kw.get("exc_info")
        if isinstance(error, RequestPayloadError | HttpProcessingError | ConnectionError):
            _log.debug("a client's request broke off: %s", type(error).__name__)
        else:
            log_failure(error if isinstance(error, BaseException) else None)


def head_too_large() -> InvalidRequestError:
    """Return the error for header fields that are too large."""
    return InvalidRequestError(
        "The request's header fields are too large.",
        f"Send less than {limits.HEAD_BYTES // limits.KIB} kB; cookies are of no use here.",
        status=431,
    )


def log_failure(error: BaseException | None) -> None:
    """Log where something went wrong, without the words: they may be a caller's."""
    trace = "".join(traceback.format_tb(error.__traceback__)) if error is not None else ""
    _log.error("unexpected failure: %s\n%s", type(error).__name__, trace)
