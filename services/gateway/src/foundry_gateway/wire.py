"""Parse one HTTP/1.1 response as its bytes arrive: a pure state machine, no I/O.

Only what an OpenAI-style upstream sends is understood (RFC 9112): a status line, header fields,
and a body framed by chunks, by ``Content-Length`` or by the end of the connection. Duplicate
header fields, which Foundry Local sends, are harmless: the first one counts.
"""

from __future__ import annotations

from enum import Enum

MAX_HEAD_BYTES = 65_536
MAX_CHUNK_LINE_BYTES = 1_024

_HTTP = b"HTTP/1."
_SWITCHING_PROTOCOLS = 101
_OK = 200
_NO_CONTENT = 204
_NOT_MODIFIED = 304


class WireError(Exception):
    """The bytes are not an HTTP/1.1 response."""


class _State(Enum):
    HEAD = 0
    LENGTH = 1
    CHUNK_SIZE = 2
    CHUNK_DATA = 3
    CHUNK_END = 4
    TRAILER = 5
    UNTIL_CLOSE = 6
    DONE = 7


class ResponseParser:
    """Turns received bytes into body bytes; header fields appear once they are complete."""

    __slots__ = ("_buffer", "_left", "_state", "headers", "keep_alive", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.keep_alive = True
        self._state = _State.HEAD
        self._buffer = b""
        self._left = 0

    @property
    def head_complete(self) -> bool:
        """Whether status and header fields are known."""
        return self._state is not _State.HEAD

    @property
    def complete(self) -> bool:
        """Whether the whole body has been seen."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> bytes:
        """Take received bytes and return the body bytes among them, in order.

        Raises:
            WireError: The bytes do not form a response.
        """
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self._state is _State.HEAD:
            rest = self._feed_head(data)
            if rest is None:
                return b""
            data = rest
        if self._state is _State.LENGTH:
            return self._feed_length(data)
        if self._state is _State.UNTIL_CLOSE:
            return data
        return self._feed_chunks(data)

    def feed_eof(self) -> None:
        """The connection has ended.

        Raises:
            WireError: It ended before the response did.
        """
        if self._state is _State.UNTIL_CLOSE:
            self._state = _State.DONE
        elif self._state is not _State.DONE:
            raise WireError("the connection ended in the middle of the answer")

    def _feed_head(self, data: bytes) -> bytes | None:
        end = data.find(b"\r\n\r\n")
        if not _HTTP.startswith(data[: len(_HTTP)]):
            raise WireError("the answer is not HTTP")
        if end < 0:
            if len(data) > MAX_HEAD_BYTES:
                raise WireError("the header section is too long")
            self._buffer = data
            return None
        self._parse_head(data[:end])
        rest = data[end + 4 :]
        if self.status < _OK and self.status != _SWITCHING_PROTOCOLS:
            # An interim answer (100 Continue, 103 Early Hints) precedes the real one.
            self.headers = {}
            return self._feed_head(rest) if rest else None
        self._choose_framing()
        return rest

    def _parse_head(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ", 2)
        if len(parts) < 2 or not parts[1].isdigit():  # noqa: PLR2004
            raise WireError("the status line is malformed")
        self.status = int(parts[1])
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise WireError("a header field is malformed")
            self.headers.setdefault(name.strip().lower(), value.strip())
        connection = self.headers.get("connection", "").lower()
        self.keep_alive = "close" not in connection and not lines[0].startswith("HTTP/1.0")

    def _choose_framing(self) -> None:
        if self.status in (_NO_CONTENT, _NOT_MODIFIED):
            self._state = _State.DONE
        elif "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._state = _State.CHUNK_SIZE
        elif "content-length" in self.headers:
            length = self.headers["content-length"]
            if not length.isdigit():
                raise WireError("Content-Length is malformed")
            self._left = int(length)
            self._state = _State.LENGTH if self._left else _State.DONE
        else:
            self.keep_alive = False
            self._state = _State.UNTIL_CLOSE

    def _feed_length(self, data: bytes) -> bytes:
        if len(data) >= self._left:
            data = data[: self._left]
            self._state = _State.DONE
        self._left -= len(data)
        return data

    def _feed_chunks(self, data: bytes) -> bytes:  # noqa: C901 - one branch per state
        out: list[bytes] = []
        at = 0
        end = len(data)
        state = self._state
        while state is not _State.DONE:
            if state is _State.CHUNK_DATA:
                take = min(self._left, end - at)
                if take:
                    out.append(data[at : at + take])
                    at += take
                    self._left -= take
                if self._left:
                    break
                state = _State.CHUNK_END
            elif state is _State.CHUNK_END:
                if end - at < 2:  # noqa: PLR2004 - CR LF
                    break
                if data[at : at + 2] != b"\r\n":
                    raise WireError("a chunk is longer than it says")
                at += 2
                state = _State.CHUNK_SIZE
            else:
                line_end = data.find(b"\r\n", at)
                if line_end < 0:
                    if end - at > MAX_CHUNK_LINE_BYTES:
                        raise WireError("a chunk size line is too long")
                    break
                line = data[at:line_end]
                at = line_end + 2
                if state is _State.CHUNK_SIZE:
                    self._left = _chunk_size(line)
                    state = _State.CHUNK_DATA if self._left else _State.TRAILER
                elif not line:
                    state = _State.DONE
        self._state = state
        self._buffer = data[at:] if state is not _State.DONE else b""
        return out[0] if len(out) == 1 else b"".join(out)


def _chunk_size(line: bytes) -> int:
    try:
        size = int(line.split(b";", 1)[0], 16)
    except ValueError:
        raise WireError("a chunk size is malformed") from None
    if size < 0:
        raise WireError("a chunk size is malformed")
    return size
