"""A fake Foundry Local, only for what the real one cannot be made to do.

The real runtime cannot hang on request, cut the line in the middle of an event, answer with
garbage or with another program's page, take its time over a load, or speak the legacy dialect
(whose last version is not on any package index). Everything that the real one does is tested on
the real one. This one speaks bytes, so that a test decides each of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from support.processes import free_port_pair

VARIANT = "fake-model-generic-cpu:1"
ALIAS = "fake-model"


@dataclass
class Exchange:
    """One request to the fake, and the way to answer it."""

    method: str
    path: str
    body: bytes
    writer: asyncio.StreamWriter
    gone: bool = False
    """Whether the client was seen to leave before it was answered."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, answer: Any, status: int = 200) -> None:
        body = json.dumps(answer).encode()
        await self.send(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (status, len(body))
            + body
        )

    async def begin_stream(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def cut(self) -> None:
        """Close at once, without a farewell."""
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]


def event(text: str, **more: Any) -> bytes:
    """Return one content event as 2.x writes it."""
    choice = {"delta": {"content": text}, "finish_reason": None, "index": 0, **more}
    data = {"choices": [choice], "id": "x", "model": VARIANT, "object": "chat.completion.chunk"}
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


FINISH = event("", finish_reason="stop").replace(b'{"content":""}', b"{}")
USAGE = (
    b'data: {"choices":[],"id":"x","usage":{"completion_tokens":2,"prompt_tokens":3,'
    b'"total_tokens":5}}\n\n'
)
DONE = b"data: [DONE]\n\n"
HELLO = event("Hello") + event(" there") + FINISH + USAGE + DONE


async def say_hello(exchange: Exchange) -> None:
    """Answer as a well-behaved runtime would."""
    if not exchange.json.get("stream"):
        message = {"role": "assistant", "content": "Hello there"}
        usage = {"completion_tokens": 2, "prompt_tokens": 3, "total_tokens": 5}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        await exchange.answer({"object": "chat.completion", "choices": choices, "usage": usage})
        return
    await exchange.begin_stream()
    await exchange.chunk(HELLO)
    await exchange.end_stream()


async def hang(exchange: Exchange) -> None:
    """Take the request and never answer."""
    await asyncio.sleep(3600)


async def stream_forever(exchange: Exchange) -> None:
    """Stream until the client has gone."""
    await exchange.begin_stream()
    while True:
        await exchange.chunk(event("more "))
        await asyncio.sleep(0.01)


@dataclass
class FakeFoundry:
    """A fake runtime on loopback.

    Args:
        dialect: ``v2``, ``v1`` or ``legacy``.
        chat: What happens to a chat, and to texts to embed.
        load: What happens to a load, before the model counts as loaded.
        loaded: Variants that are loaded from the start.
        port: Fixed, to come back where another one was.
    """

    dialect: str = "v2"
    chat: Behaviour = say_hello
    load: Callable[[], Awaitable[None]] | None = None
    loaded: list[str] = field(default_factory=lambda: [VARIANT])
    port: int = 0
    everything: Behaviour | None = None
    """Replaces all routes: another program on this port."""
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Exchange]:
        """Chats received, in order."""
        return [one for one in self.exchanges if one.path == "/v1/chat/completions"]

    def asked(self, path_start: str) -> list[str]:
        """Paths asked for that begin so, in order."""
        return [one.path for one in self.exchanges if one.path.startswith(path_start)]

    async def __aenter__(self) -> Self:
        # Its next one stays free, where a gateway looks for a companion.
        self.port = self.port or free_port_pair()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        # A server that closes between accepting a connection and wrapping it loses the socket
        # (CPython asserts in Server._attach): accept no more, let the accepted arrive, then close.
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                exchange = await _read(reader, writer)
                self.exchanges.append(exchange)
                await self._answer(exchange, reader)
        writer.close()
        self._writers.discard(writer)
        self._tasks.discard(task)

    async def _answer(self, exchange: Exchange, reader: asyncio.StreamReader) -> None:
        answering = asyncio.ensure_future(self._route(exchange))
        # One byte ahead: a client that leaves ends the reading, whatever the answer is doing.
        leaving = asyncio.create_task(_until_eof(reader, answering))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                exchange.gone = True
                raise ConnectionResetError
            answering.result()
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _route(self, exchange: Exchange) -> None:
        if self.everything is not None:
            await self.everything(exchange)
            return
        path = exchange.path
        if path in {"/v1/chat/completions", "/v1/embeddings"}:
            await (self._refuse(exchange) or self.chat(exchange))
        elif (answer := self._tables().get(path)) is not None:
            await exchange.answer(answer)
        elif path.startswith(("/models/load/", "/openai/load/")):
            await self._load(exchange)
        else:
            await exchange.answer({"error": {"message": "no such route"}}, 404)

    def _refuse(self, exchange: Exchange) -> Awaitable[None] | None:
        """Refuse a model name that this dialect does not take, or a model that is not loaded."""
        name = exchange.json.get("model")
        bare = VARIANT.partition(":")[0]
        known = {"v2": (VARIANT,), "v1": (ALIAS, VARIANT, bare), "legacy": (bare,)}
        if name not in known[self.dialect]:
            message = f"Model not found: No model matching '{name}'"
            return exchange.answer({"error": {"message": message}}, 404)
        if VARIANT not in self.loaded:
            message = f"Model not loaded: Model '{name}' must be loaded before inference"
            return exchange.answer({"error": {"message": message}}, 400)
        return None

    def _tables(self) -> dict[str, Any]:
        name = VARIANT.partition(":")[0]
        if self.dialect == "legacy":
            return {
                "/openai/status": {
                    "Endpoints": [self.url],
                    "ModelDirPath": "/models",
                    "PipeName": "inference_agent",
                },
                "/foundry/list": [{"name": name, "alias": ALIAS, "version": "1"}],
                "/openai/models": [name],
                "/openai/loadedmodels": [one.partition(":")[0] for one in self.loaded],
            }
        status: dict[str, Any] = {"endpoints": [self.url], "modelDirPath": "/m"}
        if self.dialect == "v2":
            status = {"endpoints": [self.url], "modelCachePath": "/m", "pid": id(self)}
        entry = {"id": VARIANT if self.dialect == "v2" else name, "object": "model"}
        if self.dialect == "v1":
            entry["parent"] = ALIAS
        return {
            "/status": status,
            "/v1/models": {"object": "list", "data": [entry]},
            "/models/loaded": self.loaded,
        }

    async def _load(self, exchange: Exchange) -> None:
        if self.load is not None:
            await self.load()
        name = exchange.path.rpartition("/")[2].partition("?")[0]
        known = {
            "v2": (ALIAS,),
            "v1": (ALIAS, VARIANT, VARIANT.partition(":")[0]),
            "legacy": (VARIANT.partition(":")[0],),
        }[self.dialect]
        if name not in known:
            message = f"Model not found: No model matching '{name}'"
            await exchange.answer({"error": {"message": message}}, 404)
            return
        if VARIANT not in self.loaded:
            self.loaded.append(VARIANT)
        await exchange.answer({"status": "loaded"})


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, path, _ = head.split(" ", 2)
    length = 0
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    return Exchange(method, path, await reader.readexactly(length), writer)


async def _until_eof(reader: asyncio.StreamReader, answering: asyncio.Future[None]) -> None:
    with contextlib.suppress(OSError):
        while not reader.at_eof() and not answering.done():
            await asyncio.sleep(0.002)
            if reader.exception() is not None:
                return
