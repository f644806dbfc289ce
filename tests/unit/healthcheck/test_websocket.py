"""Chainlit's live line where it is not Chainlit, or half of it; the real one: contract tests."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from support.processes import dead_port

OPEN = '0{"sid":"x","upgrades":[],"pingTimeout":20000,"pingInterval":25000}'


def line(*answers: str, closes: bool = False, said: list[str] | None = None):
    """A WebSocket that opens and then says these things, one for each it is told."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        pending = list(answers)
        await socket.send_str(pending.pop(0))
        async for message in socket:
            if said is not None:
                said.append(message.data)
            while pending:
                await socket.send_str(pending.pop(0))
            if closes:
                break
        return socket

    return handle


async def healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def test_a_session_is_opened_and_given_up_again(probe, serving) -> None:
    said: list[str] = []
    left = asyncio.Event()
    handle = line(OPEN, "2", '40{"sid":"y"}', said=said)

    async def note_the_end(request: web.Request) -> web.WebSocketResponse:
        socket = await handle(request)
        left.set()
        return socket

    async with serving({"/ws/socket.io/": note_the_end}) as url:
        _, outcome = await probe("websocket", url)
        assert outcome.state == "up", outcome
        assert json.loads(said[0].removeprefix("40"))["clientType"] == "webapp"
        async with asyncio.timeout(60):
            await left.wait()
    assert '42["clear_session"]' in said
    assert "3" in said  # the ping was answered


async def test_a_session_that_wants_a_sign_in_is_chainlits_own_word(probe, serving) -> None:
    refusal = '44{"message":"authentication failed"}'
    async with serving({"/ws/socket.io/": line(OPEN, refusal)}) as url:
        _, outcome = await probe("websocket", url)
    assert outcome.state == "up"
    assert outcome.facts["refusal"] == "authentication failed"


@pytest.mark.parametrize(
    "answers", [("hello",), (OPEN, "500 what"), ('{"sid":"x"}',)], ids=["text", "late", "json"]
)
async def test_another_protocol_is_a_failed_handshake(probe, serving, answers) -> None:
    async with serving({"/ws/socket.io/": line(*answers)}) as url:
        _, outcome = await probe("websocket", url, service="chainlit")
    assert outcome.reason == "handshake_failed"
    assert "WebSocket" in (outcome.remedy or "")


async def test_a_line_that_closes_is_a_failed_handshake(probe, serving) -> None:
    async with serving({"/ws/socket.io/": line(OPEN, closes=True)}) as url:
        _, outcome = await probe("websocket", url)
    assert outcome.reason == "handshake_failed"


async def test_a_page_in_place_of_the_line_is_a_failed_handshake(probe, serving) -> None:
    async with serving({"/ws/socket.io/": healthy}) as url:
        _, outcome = await probe("websocket", url)
    assert outcome.reason == "handshake_failed"


async def test_a_mute_line_beside_a_page_is_told_from_a_dead_app(probe, serving) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    async with serving({"/ws/socket.io/": hang, "/health": healthy}) as url:
        _, outcome = await probe("websocket", url, timeout=1)
    assert outcome.reason == "handshake_failed"
    assert "Its page answers with status 200" in (outcome.message or "")
    async with serving({"/{any:.*}": hang}) as url:
        _, outcome = await probe("websocket", url, timeout=1)
    assert outcome.reason == "timed_out"


async def test_an_app_that_is_not_there_is_refused(probe) -> None:
    _, outcome = await probe("websocket", f"http://127.0.0.1:{dead_port()}")
    assert outcome.reason == "refused"
