"""An ASGI layer that bounds request bodies before the application reads, parses or admits anybody.

Frameworks read and parse a body before they look at who sent it. Here its share of a budget is
taken first; what parsing would make of it is worked out from its bytes; and it must have come
within a time. Forms with files go on to the application as they come, within a budget of their own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from foundry_common.bodies import Budget, BudgetUsedUpError, Hold, decoded_bytes, tree_bytes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_FORM_FIELD = 400
"""Bytes that a form field may become, upper bound: a name, a value and their places."""
_RETRY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What bodies may cost.

    Attributes:
        body: Bytes of one body that is no form with files.
        objects: Bytes of the objects that it may be parsed into.
        budget: Bytes of all such bodies and their objects at once.
        upload: Bytes of one form with files; 0 refuses them all.
        uploads: Bytes of all such forms at once.
        seconds: How long a body may take to come.
        connections: WebSockets at once.
    """

    body: int
    objects: int
    budget: int
    upload: int = 0
    uploads: int = 0
    seconds: float = 60.0
    connections: int = 64


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    code: str
    problem: str
    remedy: str


class _RefusedError(Exception):
    """Not kept: with its traceback the body would be."""

    def __init__(self, status: int, code: str, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.refusal = _Refusal(status, code, problem, remedy)


class BoundedBodies:
    """Passes requests on to ``application`` whose bodies keep within ``limits``."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self._application = application
        self._limits = limits
        self._bodies = Budget(limits.budget)
        self._uploads = Budget(limits.uploads)
        self._connections = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] == "websocket":
            await self._connection(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _connection(self, scope: Message, receive: Receive, send: Send) -> None:
        if self._connections >= self._limits.connections:
            await receive()
            await send({"type": "websocket.close", "code": 1013, "reason": "too many connections"})
            return
        self._connections += 1
        try:
            await self._application(scope, receive, send)
        finally:
            self._connections -= 1

    async def _request(self, scope: Message, receive: Receive, send: Send) -> None:
        answer = _Answer(send)
        try:
            fields = _fields(scope)
            length = _length(fields)
            if length == 0 and b"transfer-encoding" not in fields:
                await self._application(scope, receive, send)
            elif fields.get(b"content-type", b"").strip().lower().startswith(b"multipart/"):
                with self._uploads.hold(self._upload(length)) as hold:
                    passing = answer.refusing(self._passing(receive, hold, length))
                    await self._application(scope, passing, answer.send)
            else:
                with self._bodies.hold(self._size(length)) as hold:
                    body = await self._read(receive, hold, length)
                    if body is not None:
                        self._weigh(body, fields, hold)
                        await self._application(scope, _replaying(body, receive), answer.send)
        except BudgetUsedUpError:
            answer.refused = _BUSY
        except _RefusedError as error:
            answer.refused = error.refusal
        await answer.finish()

    def _size(self, length: int) -> int:
        if length > self._limits.body:
            raise self._too_large(self._limits.body)
        return length

    def _upload(self, length: int) -> int:
        if not self._limits.upload:
            raise _RefusedError(
                415, "uploads_not_accepted", "Files are not accepted here.", "Send text."
            )
        if length > self._limits.upload:
            raise self._too_large(self._limits.upload)
        return length

    def _too_large(self, limit: int) -> _RefusedError:
        return _RefusedError(
            413,
            "request_too_large",
            f"The request is larger than {limit} bytes.",
            "Send less at once.",
        )

    async def _read(self, receive: Receive, hold: Hold, length: int) -> bytes | None:
        """The whole body; None where the caller has gone.

        In one piece from the start: many small ones would leave holes that memory cannot leave.
        """
        body = bytearray(length)
        size = 0
        try:
            async with asyncio.timeout(self._limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    piece = message.get("body", b"")
                    if size + len(piece) > length:
                        hold.grow(len(piece))
                    if size + len(piece) > self._limits.body:
                        raise self._too_large(self._limits.body)
                    body[size : size + len(piece)] = piece
                    size += len(piece)
                    if not message.get("more_body", False):
                        del body[size:]
                        return bytes(body)
        except TimeoutError:
            raise _late() from None

    def _weigh(self, body: bytes, fields: dict[bytes, bytes], hold: Hold) -> None:
        """Take what parsing will need, in whatever way the application may parse it."""
        kind = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind == b"application/x-www-form-urlencoded":
            objects = decoded_bytes(body) + _FORM_FIELD * (body.count(b"&") + body.count(b";"))
        else:
            objects = tree_bytes(body)
        if objects > self._limits.objects:
            raise _RefusedError(
                413,
                "request_too_large",
                f"Parsed, the request would take more than {self._limits.objects} bytes.",
                "Send fewer or simpler values at once.",
            )
        hold.grow(objects)

    def _passing(self, receive: Receive, hold: Hold, length: int) -> Receive:
        """Receive for a form with files: counted and timed, not collected."""
        size = 0
        deadline = asyncio.get_running_loop().time() + self._limits.seconds
        complete = False

        async def passing() -> Message:
            nonlocal size, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise _late() from None
            piece = len(message.get("body", b""))
            size += piece
            if size > length:
                hold.grow(piece)
            if size > self._limits.upload:
                raise self._too_large(self._limits.upload)
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        return passing


_BUSY = _Refusal(
    429,
    "too_many_requests",
    "Too many large requests are being read at this moment.",
    "Send it again in a moment.",
)


class _Answer:
    """The application's answer, or a refusal in its place."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = False
        self.refused: _Refusal | None = None

    async def send(self, message: Message) -> None:
        """Send for the application: nothing any more once its request is refused.

        It takes a refusal in the middle of a form for a fault of the form, and says so.
        """
        if self.refused is None:
            self._started = True
            await self._send(message)

    def refusing(self, receive: Receive) -> Receive:
        """Note a refusal before it passes through the application."""

        async def noting() -> Message:
            try:
                return await receive()
            except BudgetUsedUpError:
                self.refused = _BUSY
                raise
            except _RefusedError as error:
                self.refused = error.refusal
                raise

        return noting

    async def finish(self) -> None:
        """Send the refusal, if there is one and nothing else was said."""
        if self.refused is not None and not self._started:
            await _refuse(self._send, self.refused)


def _fields(scope: Message) -> dict[bytes, bytes]:
    """The request's fields; refuses what would be read in two ways, or unpacked."""
    fields: dict[bytes, bytes] = {}
    for raw, value in scope["headers"]:
        name = bytes(raw).lower()
        if name == b"content-encoding" and bytes(value).strip().lower() not in {b"", b"identity"}:
            raise _RefusedError(
                415,
                "encoding_not_accepted",
                "The body is encoded, and encoded bodies are not accepted.",
                "Send it without a Content-Encoding.",
            )
        if name == b"content-type" and name in fields:
            raise _RefusedError(
                400, "invalid_request", "Content-Type is given twice.", "Give it once."
            )
        fields[name] = bytes(value)
    return fields


def _length(fields: dict[bytes, bytes]) -> int:
    said = fields.get(b"content-length", b"0").strip()
    if not said.isdigit() or len(said) > 15:  # noqa: PLR2004 - a petabyte
        raise _RefusedError(
            400, "invalid_request", "Content-Length is not a number of bytes.", "Give one."
        )
    return int(said)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Receive that hands out the body once and then what comes after it."""
    handed_out = False

    async def replaying() -> Message:
        nonlocal handed_out
        if handed_out:
            return await receive()
        handed_out = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replaying


def _late() -> _RefusedError:
    return _RefusedError(
        408,
        "request_timeout",
        "The request did not arrive completely in time.",
        "Send it again, over a faster connection or in smaller parts.",
    )


async def _refuse(send: Send, refused: _Refusal) -> None:
    body = json.dumps(
        {
            "error": {
                "message": f"{refused.problem} {refused.remedy}",
                "problem": refused.problem,
                "type": "invalid_request_error",
                "param": None,
                "code": refused.code,
                "cause": None,
                "remedy": refused.remedy,
            }
        }
    ).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # The rest of the body is not waited for.
        (b"connection", b"close"),
    ]
    if refused.status == 429:  # noqa: PLR2004 - HTTP's number
        headers.append((b"retry-after", str(_RETRY_SECONDS).encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
