"""Receive a request's body: within the limits, within the budget, and only if it keeps coming."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from foundry_common.bodies import Budget, BudgetUsedUpError, Hold
from foundry_gateway import limits
from foundry_gateway.errors import (
    InvalidRequestError,
    OverloadedError,
    UnsupportedEncodingError,
)

if TYPE_CHECKING:
    from aiohttp import web

_JSON = "application/json"
_RETRY_AFTER = 5
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def refuse_encodings(request: web.Request) -> None:
    """Refuse a body that would have to be unpacked: a small one may become a large one.

    Raises:
        UnsupportedEncodingError: It is encoded.
    """
    for value in request.headers.getall("Content-Encoding", ()):
        if value.strip().lower() not in ("", "identity"):
            raise UnsupportedEncodingError(
                "Encoded request bodies are not taken.", "Send it as it is, without compression."
            )
    for value in request.headers.getall("Transfer-Encoding", ()):
        if value.strip().lower() != "chunked":
            raise UnsupportedEncodingError(
                "This transfer encoding is not taken.", "Send a Content-Length, or use chunked."
            )


def expect_json(request: web.Request) -> None:
    """Refuse a body that does not say that it is JSON.

    A page of another site can send any text without asking, but JSON only with our leave.

    Raises:
        UnsupportedEncodingError: It says something else, or nothing.
    """
    kinds = request.headers.getall("Content-Type", ())
    if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != _JSON:
        raise UnsupportedEncodingError(
            "The request body is not declared as JSON.", f"Send `Content-Type: {_JSON}`."
        )


class Intake:
    """Receives bodies.

    Args:
        max_body: Bytes that one may have.
        budget: Bytes that all may have.
    """

    def __init__(self, max_body: int, budget: Budget) -> None:
        self._max_body = max_body
        self._budget = budget

    async def read(self, request: web.Request, hold: Hold) -> bytes | bytearray:
        """Return a request's body.

        Args:
            request: Whose.
            hold: The share of the budget that it is to take.

        Raises:
            InvalidRequestError: It is too large, too slow or breaks off.
            OverloadedError: The budget is used up.
        """
        declared = request.content_length
        if declared is not None and declared > self._max_body:
            raise self._too_large()
        if declared is not None and declared > limits.FREE_BODY:
            take(hold, declared)
        await _answer_expectation(request)
        try:
            return await self._receive(request, hold, declared)
        except TimeoutError:
            raise InvalidRequestError(
                "The request body came too slowly.",
                f"Send at least {limits.BODY_BYTES_PER_SECOND // limits.KIB} kB a second.",
                status=408,
            ) from None
        except RuntimeError as error:  # aiohttp's word for a connection that is gone
            raise ConnectionResetError from error
        except (RequestPayloadError, HttpProcessingError):
            raise InvalidRequestError(
                "The request body broke off, or its chunks are malformed.", "Send it again."
            ) from None

    async def _receive(
        self, request: web.Request, hold: Hold, declared: int | None
    ) -> bytes | bytearray:
        content = request.content
        body = bytearray()
        size = 0
        started = time.monotonic()
        while True:
            if declared is None:
                self._make_room(hold, size)
            due = (
                limits.BODY_GRACE_SECONDS
                + size / limits.BODY_BYTES_PER_SECOND
                - (time.monotonic() - started)
            )
            async with asyncio.timeout(max(0.0, min(due, limits.BODY_IDLE_SECONDS))):
                piece = await content.readany()
            if not piece:
                break
            if not size and len(piece) == declared:
                return piece
            end = size + len(piece)
            if end > self._max_body:
                raise self._too_large()
            if declared and not size:
                body = bytearray(declared)  # memory that nobody has touched costs nothing yet
            if end > len(body):
                body += piece
            else:
                body[size:end] = piece
            size = end
        hold.shrink(size)
        return body

    def _make_room(self, hold: Hold, received: int) -> None:
        """Take a share for what may come next, once the body is no longer a small one."""
        wanted = received + limits.CHUNK_STEP
        if received >= limits.FREE_BODY and hold.size < wanted:
            take(hold, wanted - hold.size)

    def _too_large(self) -> InvalidRequestError:
        return InvalidRequestError(
            f"The request body has more than {self._max_body} bytes.",
            "Send less, or raise GATEWAY_MAX_BODY_BYTES.",
            status=413,
        )


def take(hold: Hold, size: int) -> None:
    """Take more of the budget.

    Raises:
        OverloadedError: It is used up.
    """
    try:
        hold.grow(size)
    except BudgetUsedUpError:
        raise OverloadedError(
            "Other large requests fill the gateway's memory now.",
            "Try again after the time in Retry-After, or send less at a time.",
            _RETRY_AFTER,
        ) from None


async def _answer_expectation(request: web.Request) -> None:
    """Tell a client that waits for leave to send its body that it has it."""
    if request.headers.get("Expect", "").strip().lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
