"""Hostile clients of one listener: bounded in number and time, on loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Self

import psutil

from support.gateway import Gateway

KB = 1_000
MB = 1_000_000
CHAT_PATH = "/v1/chat/completions"


def chat_body(text: str = "hello", **more: object) -> bytes:
    """Return an ordinary chat."""
    messages = [{"role": "user", "content": text}]
    return json.dumps({"messages": messages, "max_tokens": 4, **more}).encode()


def empty_arrays(size: int) -> bytes:
    """Return JSON of about this many bytes that grows fortyfold when it is parsed."""
    return b'{"x":[' + b"[]," * (size // 3 - 4) + b"[]]}"


@dataclass
class Answer:
    """What came back: nothing at all has the status 0."""

    status: int
    fields: dict[str, str]
    body: bytes
    seconds: float = 0.0

    @property
    def json(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads(self.body)
        return found

    @property
    def code(self) -> str:
        """The error's code; a body that is not in the usual shape fails."""
        error = self.json["error"]
        assert set(error) == {"message", "problem", "type", "param", "code", "cause", "remedy"}
        assert error["message"] == f"{error['problem']} {error['remedy']}".strip()
        return error["code"]


class _Received(asyncio.StreamReader):
    """What has arrived; asyncio's own forgets it when the connection is reset afterwards.

    Who refuses a body answers, and may hang up while its sender is still sending.
    """

    def set_exception(self, exc: BaseException) -> None:
        """There is no more."""
        del exc
        self.feed_eof()


@dataclass
class Wire:
    """One connection on which a test decides each byte."""

    port: int
    reader: asyncio.StreamReader = field(init=False)
    writer: asyncio.StreamWriter = field(init=False)

    async def __aenter__(self) -> Self:
        self.reader = _Received()
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(
            lambda: asyncio.StreamReaderProtocol(self.reader), "127.0.0.1", self.port
        )
        self.writer = asyncio.StreamWriter(transport, protocol, self.reader, loop)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Send; a listener that has hung up is no failure of the sender's."""
        with contextlib.suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def answer(self, within: float = 30.0) -> Answer:
        """Return the next final answer."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(within):
                while True:
                    answer = await self._read()
                    if answer.status >= 200 or not answer.status:
                        break
        except (OSError, asyncio.IncompleteReadError):
            answer = Answer(0, {}, b"")
        answer.seconds = time.monotonic() - started
        return answer

    async def _read(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        status = int(first.split()[1])
        if "content-length" in fields:
            body = await self.reader.readexactly(int(fields["content-length"]))
        elif fields.get("transfer-encoding") == "chunked":
            body = b""
            while not body.endswith(b"0\r\n\r\n") and (piece := await self.reader.read(65_536)):
                body += piece
        elif status >= 200 and status != 204:
            body = await self.reader.read()
        else:
            body = b""
        return Answer(status, fields, body)


def head(
    gateway: Gateway,
    path: str = CHAT_PATH,
    *,
    method: str = "POST",
    key: bool = True,
    fields: tuple[str, ...] = ("Content-Type: application/json",),
    host: str = "localhost",
) -> bytes:
    """Return a request's head, to which a length and an empty line are missing."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    if key:
        lines.append(f"Authorization: Bearer {gateway.key}")
    return "".join(f"{line}\r\n" for line in (*lines, *fields)).encode("latin-1", "replace")


async def ask(
    gateway: Gateway,
    body: bytes,
    *,
    start: bytes | None = None,
    within: float = 30.0,
) -> Answer:
    """Send one request with a body of known length."""
    async with Wire(gateway.port) as wire:
        begun = head(gateway) if start is None else start
        await wire.send(b"%bContent-Length: %d\r\n\r\n" % (begun, len(body)) + body)
        return await wire.answer(within)


@contextlib.contextmanager
def peak_memory(gateway: Gateway) -> Iterator[list[int]]:
    """Watch the gateway's resident memory; the list's last entry is the highest seen."""
    seen = [gateway.memory_bytes]
    process = psutil.Process(gateway.pid)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            seen.append(max(seen[-1], process.memory_info().rss))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@contextlib.asynccontextmanager
async def bystander(gateway: Gateway, within: float = 5.0) -> AsyncIterator[list[float]]:
    """Ask short questions all the while; each must be answered, and in time."""
    took: list[float] = []
    over = asyncio.Event()

    async def chat() -> None:
        while not over.is_set() or not took:
            started = time.monotonic()
            answer = await ask(gateway, chat_body(), within=within)
            assert answer.status == 200, answer
            took.append(time.monotonic() - started)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.1)

    task = asyncio.create_task(chat())
    try:
        yield took
    finally:
        over.set()
        await task
