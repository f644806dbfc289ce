"""Watch a stream of server-sent events go by: forward its bytes, count what must be counted.

Nothing is rebuilt and nothing is parsed as JSON on the way. Searching is safe because a quotation
mark inside a JSON string is escaped: ``"usage"`` as bytes is a key (or exactly that word, which the
slow path tells apart), and a line that starts with ``data:`` is never text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

DONE = b"data: [DONE]\n\n"
_ERRORS = (b'data: {"error"', b'data:{"error"', b"event: error")
_FAILED = b'"type":"response.failed"'
_BOUNDARY = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the runtime counted."""

    input_tokens: int
    output_tokens: int


class EventScanner:
    """Scans one answer.

    Only whole events leave, so that one which must not (the usage that the client did not ask for,
    an error to be translated) can be held. That delays nothing: half an event is of no use.

    Args:
        hide_usage: Whether the event that carries nothing but usage stays here.
        finish_marks: Byte strings that show that the model had finished by itself.
        prelude_marks: Byte strings, one in each event that comes before there is an answer.
    """

    def __init__(
        self,
        *,
        hide_usage: bool,
        finish_marks: tuple[bytes, ...],
        prelude_marks: tuple[bytes, ...] = (),
    ) -> None:
        self.chunks = 0
        """Events that carried data, ``[DONE]`` not counted."""
        self.finished = False
        self.done = False
        self.error: bytes | None = None
        """The runtime's own error event, which is not forwarded."""
        self._hide_usage = hide_usage
        self._finish_marks = finish_marks
        self._prelude_marks = prelude_marks
        self._preludes = 0
        self._tail = b""
        self._usage_event = b""

    @property
    def only_preludes(self) -> bool:
        """Whether all that came was sent before there was an answer."""
        return 0 < self.chunks == self._preludes

    @property
    def usage(self) -> Usage | None:
        """What the runtime counted, once it said so."""
        return read_usage(_data_of(self._usage_event)) if self._usage_event else None

    def feed(self, data: bytes) -> bytes:
        """Take received bytes and return those to forward."""
        if self._tail:
            data = self._tail + data
            self._tail = b""
        if not data.endswith(b"\n\n"):
            cut = _last_boundary(data)
            self._tail = data[cut:]
            data = data[:cut]
            if not data:
                return data
        self.chunks += data.count(b"\ndata:") + data.startswith(b"data:")
        if b'"usage"' in data or b'"error"' in data:
            data = self._pick_out(data)
        if self._prelude_marks:
            self._preludes += sum(map(data.count, self._prelude_marks))
        if not self.finished:
            self.finished = any(mark in data for mark in self._finish_marks)
        if not self.done and b"data: [DONE]" in data:
            self.done = self.finished = True
            self.chunks -= 1
        return data

    def _pick_out(self, data: bytes) -> bytes:
        kept: list[bytes] = []
        at = 0
        for boundary in _BOUNDARY.finditer(data):
            event = data[at : boundary.end()]
            at = boundary.end()
            if self.error is None and _is_error(event):
                self.error = _error_in(_data_of(event))
                self.chunks -= 1
                continue
            if b'"usage"' in event and b'"usage":null' not in event:
                alone = b'"delta"' not in event and b'"choices"' in event
                self._usage_event = event
                if alone and self._hide_usage:
                    self.chunks -= 1
                    continue
            kept.append(event)
        return b"".join(kept)


class _Counts(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Inner(msgspec.Struct):
    usage: _Counts | None = None


class _Outer(msgspec.Struct):
    usage: _Counts | None = None
    response: _Inner | None = None


class _FailedResponse(msgspec.Struct):
    error: msgspec.Raw


class _Failed(msgspec.Struct):
    response: _FailedResponse


_decode_failed = msgspec.json.Decoder(_Failed).decode
# Skips what it does not know: an answer may be megabytes of numbers.
_decode_usage = msgspec.json.Decoder(_Outer).decode


def read_usage(body: bytes) -> Usage | None:
    """Return the usage that a JSON answer or event states, in either API's words."""
    try:
        answer = _decode_usage(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    counts = answer.usage or (answer.response.usage if answer.response else None)
    if counts is None:
        return None
    given = counts.prompt_tokens if counts.prompt_tokens is not None else counts.input_tokens
    made = (
        counts.completion_tokens if counts.completion_tokens is not None else counts.output_tokens
    )
    return Usage(given or 0, made or 0)


def _last_boundary(data: bytes) -> int:
    """Return where the last whole event ends; 0 when there is none."""
    newline, both = data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n")
    return max(newline + 2 if newline >= 0 else 0, both + 4 if both >= 0 else 0)


def _is_error(event: bytes) -> bool:
    return event.startswith(_ERRORS) or _FAILED in event


def _error_in(data: bytes) -> bytes:
    """Return what the event says went wrong, in the form of every other error."""
    try:
        failed = _decode_failed(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return data
    return b'{"error":%b}' % bytes(failed.response.error)


def _data_of(event: bytes) -> bytes:
    for line in event.splitlines():
        if line.startswith(b"data:"):
            return line[5:].strip()
    return b""
