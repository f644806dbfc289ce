"""A gateway that does on request what the real one cannot be made to do on time.

It hangs, loads, breaks off and runs out of context when the question says so; everything that a
real chain can show is tested against the real chain.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.test_utils import TestServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN_INTERVAL = 0.005
KEEPALIVE_INTERVAL = 0.1


def model(alias: str, **details: Any) -> dict[str, Any]:
    """One entry of ``/v1/models``, as the gateway writes it."""
    return {
        "id": alias,
        "object": "model",
        "created": 1,
        "owned_by": "foundry-local",
        "foundry": {
            "variant": f"{alias}-generic-cpu:1",
            "state": "loaded",
            "context_length": 4096,
            "default": False,
            "demo": False,
            "download": None,
            "display_name": alias,
            **details,
        },
    }


class ScriptedGateway:
    """Answers each question with ``You said: <question>``, unless the question is a command.

    ``endless``          words until the client goes away
    ``loading``          keep-alive comments until ``loaded``
    ``break``            a few words, then an error event
    ``cut``              a few words, then the connection ends
    ``refuse <code>``    an error status, once; ``healed`` lifts it
    ``long``             refused as too long while more than two messages of history are sent
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.models = [model("scripted", default=True)]
        self.healed = False
        # How many of the next requests to refuse, whatever they ask.
        self.refusals = 0
        self.loaded = asyncio.Event()
        # Cleared, it holds every answer after its first word.
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.closed = asyncio.Event()
        self.url = ""

    def reset(self) -> None:
        """Forget everything."""
        self.requests.clear()
        self.models = [model("scripted", default=True)]
        self.healed = False
        self.refusals = 0
        self.loaded.clear()
        self.may_go_on.set()
        self.closed.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ScriptedGateway]:
        """Listen on a free loopback port."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        async with TestServer(app, handler_cancellation=True) as server:
            self.url = str(server.make_url("")).rstrip("/")
            yield self

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.models})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append({"body": body, "headers": request.headers.copy()})
        question = body["messages"][-1]["content"]
        command, _, detail = question.partition(" ")
        if self.refusals:
            self.refusals -= 1
            return _error(503, "foundry_unreachable", "Foundry Local sleeps.", "Wake it.")
        if command == "refuse" and not self.healed:
            return _error(503, detail, "Foundry Local sleeps.", "Wake it at http://host:51211.")
        if command == "long" and len(body["messages"]) > 4:
            return _error(400, "context_length_exceeded", "Too long.", "Start a new chat.")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._stream(command, question, response)
        except (asyncio.CancelledError, ConnectionResetError):
            self.closed.set()
            raise
        return response

    async def _stream(self, command: str, question: str, response: web.StreamResponse) -> None:
        async def say(text: str) -> None:
            await response.write(_text(text))

        if command == "loading":
            while not self.loaded.is_set():
                await response.write(b": loading scripted\n\n")
                await asyncio.sleep(KEEPALIVE_INTERVAL)
        await say("You ")
        await self.may_go_on.wait()
        await say(f"said: {question}")
        count = 0
        while command == "endless":
            count += 1
            await say(f" {count}")
            await asyncio.sleep(TOKEN_INTERVAL)
        if command == "break" and not self.healed:
            message = "Foundry Local stopped midway. Start it again."
            await response.write(
                _event({"error": {"message": message, "code": "upstream_error",
                                  "remedy": "Start it again."}})
            )  # fmt: skip
            return
        if command == "cut" and not self.healed:
            return
        if command == "count":
            await response.write(b"".join(_text(f" {number}") for number in range(300)))
        await response.write(
            _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            + _event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}})
            + b"data: [DONE]\n\n"
        )


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"model": "scripted", **chunk}).encode() + b"\n\n"


def _text(text: str) -> bytes:
    return _event({"choices": [{"index": 0, "delta": {"content": text}}]})


def _error(status: int, code: str, message: str, remedy: str) -> web.Response:
    return web.json_response(
        {"error": {"message": f"{message} {remedy}", "type": "server_error", "param": None,
                   "code": code, "cause": None, "remedy": remedy}},
        status=status,
    )  # fmt: skip
