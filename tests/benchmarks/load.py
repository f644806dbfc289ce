"""A load client that costs little: streamed chats over kept-alive connections, timed.

It does what any ordinary client does on the wire (HTTP/1.1, keep-alive, the kernel's default
delayed acknowledgements), and no more, because it shares the machine with what it measures.
"""

import asyncio
import json
import re
import statistics
import time
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_FIRST_TEXT = re.compile(rb'"content":\s*"[^"]')
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3})")
_USAGE = re.compile(rb'"completion_tokens":\s*(\d+)')
_END = b"0\r\n\r\n"
_TAIL = 400
"""Bytes kept from the previous read, so that a pattern cut in two is still seen."""


@dataclass(frozen=True)
class Answer:
    """One streamed answer: seconds to its first text, seconds in all, tokens."""

    first_token: float
    total: float
    tokens: int


@dataclass(frozen=True)
class Load:
    """What a number of simultaneous streams experienced."""

    streams: int
    first_token_p50: float
    tokens_per_second: float

    @classmethod
    def of(cls, streams: int, answers: list[Answer], elapsed: float) -> Self:
        """Sum up the answers that took `elapsed` seconds together."""
        return cls(
            streams,
            statistics.median(answer.first_token for answer in answers),
            sum(answer.tokens for answer in answers) / elapsed,
        )


class _Stream(asyncio.Protocol):
    """One kept-alive connection that carries one streamed answer after another."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._done: asyncio.Future[Answer] | None = None
        self._started = 0.0
        self._first = 0.0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # TCP always gives a Transport

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send one request; the answer arrives in the future."""
        assert self.transport is not None
        self._done = asyncio.get_running_loop().create_future()
        self._first, self._tail = 0.0, b""
        self._started = time.perf_counter()
        self.transport.write(request)
        return self._done

    def data_received(self, data: bytes) -> None:
        seen = self._tail + data
        if self._done is None or self._done.done():
            return
        status = _STATUS.match(seen)
        if status and status[1] != b"200":
            self._done.set_exception(RuntimeError(seen.decode(errors="replace")))
            return
        if not self._first and _FIRST_TEXT.search(seen):
            self._first = time.perf_counter()
        if seen.endswith(_END):
            now = time.perf_counter()
            usage = _USAGE.findall(seen)
            if not self._first or not usage:
                said = seen.decode(errors="replace")
                self._done.set_exception(RuntimeError(f"an answer without text or usage: {said}"))
                return
            first = self._first - self._started
            self._done.set_result(Answer(first, now - self._started, int(usage[-1])))
        self._tail = seen[-_TAIL:]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed the connection"))


def chat_request(url: str, model: str, prompt: str, max_tokens: int, key: str = "") -> bytes:
    """The bytes of a streamed chat request to an OpenAI-compatible server at `url`."""
    body = json.dumps(
        {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if key:
        head.append(f"Authorization: Bearer {key}")
    return "\r\n".join([*head, "", ""]).encode() + body


async def run(url: str, request: bytes, streams: int, answers: int) -> Load:
    """Have `streams` connections ask `answers` times in all; each has one question open at a time.

    Raises:
        RuntimeError: an answer was not 200, or ended without text or usage.
        OSError: the server could not be reached or closed a connection.
    """
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(_Stream, host, port))[1] for _ in range(streams)]
    left = iter(range(answers))

    async def keep_asking(connection: _Stream) -> list[Answer]:
        return [await connection.ask(request) for _ in left]

    started = time.perf_counter()
    try:
        done = await asyncio.gather(*map(keep_asking, connections))
        elapsed = time.perf_counter() - started
    finally:
        for connection in connections:
            if connection.transport is not None:
                connection.transport.close()
    return Load.of(streams, [answer for each in done for answer in each], elapsed)
