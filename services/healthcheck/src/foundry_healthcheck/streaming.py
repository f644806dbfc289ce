"""Read a streamed answer, and put what the gateway says about errors into the probe's words."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from foundry_healthcheck.reasons import ProbeFailedError, ProbeSkippedError

if TYPE_CHECKING:
    import aiohttp

    from foundry_healthcheck.measurement import Measurement
    from foundry_healthcheck.probing import Run
    from foundry_healthcheck.reasons import Reason

_BY_CODE: dict[str, Reason] = {
    "model_not_found": "model_missing",
    "model_not_cached": "model_missing",
    "model_load_failed": "no_model_loaded",
    "overloaded": "overloaded",
    "invalid_api_key": "unauthorized",
    "invalid_request": "bad_answer",
    "context_length_exceeded": "bad_answer",
    "upstream_error": "bad_answer",
}
_OWN_WORDS = {
    "invalid_request": "The gateway refuses the probe's question.",
    "context_length_exceeded": "The probe's question does not fit the model's context.",
    "upstream_error": "Foundry Local answers the probe's question with an error.",
}
"""For codes whose message quotes what Foundry Local said: the status shows no such text."""
_LONGEST_LINE = 1024 * 1024
"""Bytes; a chunk of an answer is far shorter."""
_FINISHES = ("stop", "length", "tool_calls", "function_call", "content_filter")
_BY_CAUSE: dict[str, Reason] = {
    "name_not_resolved": "name_not_resolved",
    "refused": "refused",
    "timed_out": "timed_out",
    "not_foundry": "not_foundry",
}
_CUT: frozenset[Reason] = frozenset(("bad_answer", "no_answer", "refused", "unreachable"))
"""Failures that, once an answer has begun, mean that it broke off."""


def translate(body: dict[str, Any], *, status: int | None = None) -> ProbeFailedError:
    """Return the gateway's error as the probe's own, remedy included.

    Args:
        body: The JSON that carries it.
        status: HTTP status of the answer, where that is what carried it.
    """
    error = body.get("error")
    if not isinstance(error, dict):
        return ProbeFailedError("http_error", f"The gateway answers with status {status}.")
    code, cause = str(error.get("code")), str(error.get("cause"))
    reason = _BY_CODE.get(code, "other")
    if code == "foundry_unreachable":
        reason = _BY_CAUSE.get(cause, "unreachable")
    remedy = str(error.get("remedy") or "") or None
    if code in _OWN_WORDS:
        return ProbeFailedError(reason, _OWN_WORDS[code], remedy)
    message = str(error.get("problem") or error.get("message") or code)
    if remedy and message.endswith(remedy):
        message = message.removesuffix(remedy).strip()
    return ProbeFailedError(reason, message, remedy)


class Stream:
    """One streamed answer. Used once.

    Args:
        run: Whose answer it is.
        measurement: Where times and counts go.
        began: When the question was sent, on the run's clock.
    """

    def __init__(self, run: Run, measurement: Measurement, began: float) -> None:
        self._run = run
        self._measurement = measurement
        self._began = began
        self._begun = False
        self._done = False

    async def read(self, response: aiohttp.ClientResponse, patience: float) -> None:
        """Read to the end.

        Args:
            response: The answer.
            patience: Seconds that an answer which has begun may be silent; until it begins, the
                gateway says when what it waits for has gone.

        Raises:
            ProbeFailedError: The answer is an error, empty, or broke off.
            ProbeSkippedError: Users came in between.
        """
        self._begun = True
        rest = b""
        while data := await self._next(response, patience):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise ProbeFailedError("bad_answer", "The answer is not a stream of events.")
            chunks = 0
            try:
                for line in lines:
                    chunks += self._line(line.rstrip(b"\r"))
            finally:  # an error may follow the last chunk at once
                if chunks:
                    self._received(chunks)
            if self._done:
                break
        seen = self._measurement
        if not self._done and seen.finish is None:
            raise ProbeFailedError("bad_answer", "The answer ended before it was complete.")
        if not seen.chunks:
            raise ProbeFailedError("no_answer", "The answer came without a word in it.")

    async def _next(self, response: aiohttp.ClientResponse, patience: float) -> bytes:
        async with asyncio.timeout(patience if self._measurement.chunks else None):
            return await response.content.readany()

    def explain(self, failure: ProbeFailedError) -> ProbeFailedError:
        """Return a failure as what it means at this point of the answer."""
        if failure.reason == "timed_out" and self._run.when_late:
            return ProbeFailedError("timed_out", self._run.when_late)
        if failure.reason in _CUT and self._begun and not self._done:
            message = f"The answer broke off after {self._measurement.chunks} chunks."
            # What the gateway says goes further than what the broken line shows.
            detail = failure.message if failure.remedy else ""
            return ProbeFailedError("stream_broken", f"{message} {detail}".strip(), failure.remedy)
        return failure

    def _line(self, line: bytes) -> int:
        """Read one line; returns the chunks of text in it."""
        if line.startswith(b":"):
            self._comment(line[1:].strip().decode("utf-8", "replace"))
        elif line.startswith(b"data:"):
            return self._data(line[5:].strip())
        return 0

    def _comment(self, text: str) -> None:
        """Read one of the gateway's comments, which tell what a waiting request waits for."""
        self._run.note(f"the gateway says: {text}")
        if text.startswith("queued"):
            raise ProbeSkippedError("users_first", "Others were asking already: users come first.")

    def _data(self, data: bytes) -> int:
        if data == b"[DONE]":
            self._done = True
            return 0
        try:
            event = json.loads(data)
        except ValueError:
            raise ProbeFailedError("bad_answer", "The answer is not JSON.") from None
        if not isinstance(event, dict):
            raise ProbeFailedError("bad_answer", "The answer is not a stream of objects.")
        if "error" in event:
            raise translate(event)
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._measurement.input_tokens = _count(usage.get("prompt_tokens"))
            self._measurement.output_tokens = _count(usage.get("completion_tokens"))
        choices = event.get("choices")
        return sum(map(self._choice, choices)) if isinstance(choices, list) else 0

    def _choice(self, choice: Any) -> int:
        """Read one choice of an event; returns the chunks of text in it."""
        if not isinstance(choice, dict):
            return 0
        finish = choice.get("finish_reason")
        if finish:
            self._measurement.finish = finish if finish in _FINISHES else "other"
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return 0
        return any(delta.get(key) for key in ("content", "reasoning_content", "tool_calls"))

    def _received(self, chunks: int) -> None:
        at = self._run.elapsed - self._began
        if not self._measurement.chunks:
            self._run.note(f"first chunk {at:.3f} s after the question")
        self._measurement.received(chunks, at)
        so_far = self._measurement.chunks
        self._run.when_late = f"The answer stopped after {so_far} chunks and did not go on in time."


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
