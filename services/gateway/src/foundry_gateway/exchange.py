"""Ask an upstream once, and wait until its answer shows whether it is one.

Foundry Local reports what is wrong with a request in three ways: as an HTTP status, as the first
event of a 200 (2.x, streaming), and by breaking a 200 off without a word (1.x, streaming).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundry_gateway import faults
from foundry_gateway.dialects import error_message
from foundry_gateway.sse import EventScanner
from foundry_gateway.transport_errors import AnswerTimeoutError, ConnectionBrokenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundry_common.bodies import Hold
    from foundry_gateway.connection import Response
    from foundry_gateway.operations import Operation
    from foundry_gateway.prompt import Prompt
    from foundry_gateway.upstream import Upstream

# A refusal comes at once; an answer would take longer, and nobody wants it.
_REFUSAL_TIMEOUT = 5.0
_LONGEST_REFUSAL = 1_048_576
_OK = 200
_BAD_REQUEST = 400
_BAD_GATEWAY = 502


@dataclass(slots=True)
class Answer:
    """An answer that has begun well."""

    upstream: Upstream
    response: Response
    scanner: EventScanner | None
    """Watches a stream; None for an answer in one piece."""
    first: bytes
    """What is ready to be forwarded: a stream's beginning, or the one piece."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that is none."""

    status: int
    message: str


async def ask(
    upstream: Upstream,
    operation: Operation,
    prompt: Prompt,
    body: Sequence[bytes | memoryview],
    *,
    patience: float,
    hold: Hold,
) -> Answer | Fault:
    """Send a request and wait for its answer's first event, or for the whole if it is no stream.

    Args:
        upstream: Whom to ask.
        operation: What for.
        prompt: The request, for what its client wants to see.
        body: The request as it goes out.
        patience: Longest silence in seconds.
        hold: What an answer in one piece takes of the answers' budget.

    Raises:
        TransportError: No answer came.
        BudgetUsedUpError: There is no room for the answer now.
    """
    response = await upstream.post(operation.path, body, patience)
    try:
        if response.status != _OK:
            status = response.status if response.status >= _BAD_REQUEST else _BAD_GATEWAY
            message = error_message(await response.read(_LONGEST_REFUSAL))
            return Fault(status, message or f"it answered {response.status} without a word")
        kind = response.headers.get("content-type", "")
        if prompt.stream and "text/event-stream" in kind:
            return await _begin_stream(upstream, operation, prompt, response)
        if prompt.stream or "json" not in kind:
            return Fault(_BAD_GATEWAY, f"it answered with {kind[:100] or 'something'} instead")
        whole = await response.read(hold=hold)
        if whole.lstrip().startswith(b'{"error"'):
            return _stated(error_message(whole))
        return Answer(upstream, response, None, whole)
    except BaseException:
        response.close()
        raise


async def _begin_stream(
    upstream: Upstream, operation: Operation, prompt: Prompt, response: Response
) -> Answer | Fault:
    scanner = EventScanner(
        hide_usage=operation.asks_usage and not prompt.wants_usage,
        finish_marks=operation.finish_marks,
        prelude_marks=operation.prelude_marks,
    )
    first = b""
    while scanner.error is None and (not first or scanner.only_preludes):
        try:
            received = await response.read_some()
        except ConnectionBrokenError:
            received = b""
            if upstream.dialect is None or not upstream.dialect.refuses_streams_in_silence:
                raise
        if not received:
            response.close()
            return await _ask_why(upstream, operation, prompt)
        first += scanner.feed(received)
    if scanner.error is not None and (not first or scanner.only_preludes):
        response.close()
        return _stated(error_message(scanner.error))
    return Answer(upstream, response, scanner, first)


def _stated(message: str) -> Fault:
    """Return an error that came without a status of its own."""
    return Fault(_BAD_GATEWAY if faults.is_of_the_machine(message) else _BAD_REQUEST, message)


async def _ask_why(upstream: Upstream, operation: Operation, prompt: Prompt) -> Fault:
    """Ask the same without streaming, to hear why a stream ended before it began."""
    silence = "it ended the stream before it began"
    try:
        response = await upstream.post(operation.path, prompt.encode_whole(), _REFUSAL_TIMEOUT)
    except AnswerTimeoutError:
        return Fault(_BAD_GATEWAY, silence)
    try:
        if response.status < _BAD_REQUEST:
            return Fault(_BAD_GATEWAY, silence)
        message = error_message(await response.read(_LONGEST_REFUSAL))
        return Fault(response.status, message or silence)
    finally:
        response.close()
