"""Foundry Local misbehaves; the gateway's client hears a clear word."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from support.fake_foundry import (
    DONE,
    FINISH,
    HELLO,
    USAGE,
    VARIANT,
    Exchange,
    FakeFoundry,
    event,
    hang,
    say_hello,
)
from support.gateway import until

if TYPE_CHECKING:
    from support.gateway import Gateway, StartGateway

CHAT = {"model": "fake-model", "messages": [{"role": "user", "content": "hello"}]}
IMPATIENT = {
    "GATEWAY_FIRST_TOKEN_TIMEOUT": "0.6",
    "GATEWAY_IDLE_TIMEOUT": "0.6",
    "GATEWAY_CONNECT_TIMEOUT": "0.5",
    "GATEWAY_LOAD_TIMEOUT": "2",
    "GATEWAY_KEEPALIVE_INTERVAL": "0.2",
    "GATEWAY_REFRESH_INTERVAL": "0.3",
}


PATIENCE = 60


async def ask(gateway: Gateway, *, stream: bool = True, **more: object) -> tuple[int, str]:
    """Chat; returns the status and the whole body as text."""
    async with (
        aiohttp.ClientSession(headers=gateway.headers) as session,
        session.post(
            f"{gateway.base_url}/chat/completions", json={**CHAT, "stream": stream, **more}
        ) as answer,
    ):
        return answer.status, await answer.text()


async def ask_and_tell(gateway: Gateway, mark: bytes, seen: asyncio.Event) -> tuple[int, str]:
    """Chat, and tell when these bytes have come."""
    body = b""
    async with (
        aiohttp.ClientSession(headers=gateway.headers) as session,
        session.post(
            f"{gateway.base_url}/chat/completions", json={**CHAT, "stream": True}
        ) as answer,
    ):
        async for some in answer.content.iter_any():
            body += some
            if mark in body:
                seen.set()
        return answer.status, body.decode()


def last_error(body: str) -> dict[str, str]:
    """Return the error that a body is, or that a stream ends with."""
    error: dict[str, str] = json.loads(body.strip().rpartition("data: ")[2])["error"]
    return error


def test_remedy_ends_every_message(start_gateway: StartGateway) -> None:
    gateway = start_gateway("http://127.0.0.1:1")
    error = gateway.get("/ready")[1]["error"]
    assert error["message"].endswith(error["remedy"])


async def test_a_stopped_foundry_is_unreachable_because_refused(
    start_gateway: StartGateway,
) -> None:
    gateway = start_gateway("http://127.0.0.1:1")
    status, body = await ask(gateway)
    error = last_error(body)
    assert (status, error["code"], error["cause"]) == (503, "foundry_unreachable", "refused")
    assert "scripts/foundry_host.py" in error["remedy"]
    assert error["problem"] == "Foundry Local at http://127.0.0.1:1 refused the connection."


async def test_a_wrong_name_is_unreachable_because_it_does_not_resolve(
    start_gateway: StartGateway,
) -> None:
    gateway = start_gateway("http://no-such-host.invalid:51211")
    status, body = await ask(gateway)
    error = last_error(body)
    assert (status, error["code"]) == (503, "foundry_unreachable")
    assert error["cause"] == "name_not_resolved"


async def test_another_program_on_the_port_is_not_foundry(start_gateway: StartGateway) -> None:
    async def page(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n"
            b"<h1>Hi</h1>\r\n"
        )

    async with FakeFoundry(everything=page) as fake:
        gateway = start_gateway(fake.url, **IMPATIENT)
        status, body = await ask(gateway)
    error = last_error(body)
    assert (status, error["code"], error["cause"]) == (503, "foundry_unreachable", "not_foundry")


async def test_bytes_that_are_not_http_are_not_foundry(start_gateway: StartGateway) -> None:
    async def garbage(exchange: Exchange) -> None:
        await exchange.send(b"\x00\xffSSH-2.0-garbage\r\n\r\n")

    async with FakeFoundry(everything=garbage) as fake:
        gateway = start_gateway(fake.url, **IMPATIENT)
        _, body = await ask(gateway)
    assert last_error(body)["cause"] == "not_foundry"


async def test_a_foundry_that_takes_connections_but_never_answers_has_timed_out(
    start_gateway: StartGateway,
) -> None:
    async with FakeFoundry(everything=hang) as fake:
        gateway = start_gateway(fake.url, **IMPATIENT)
        _, body = await ask(gateway)
    error = last_error(body)
    assert (error["code"], error["cause"]) == ("foundry_unreachable", "timed_out")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_chat_that_never_begins_ends_with_timed_out(
    start_gateway: StartGateway, *, stream: bool
) -> None:
    async with FakeFoundry(chat=hang) as fake:
        gateway = start_gateway(fake.url, **IMPATIENT)
        _, body = await ask(gateway, stream=stream)
    error = last_error(body)
    assert (error["code"], error["cause"]) == ("foundry_unreachable", "timed_out")


async def test_slow_headers_are_waited_for_with_comments(start_gateway: StartGateway) -> None:
    told = asyncio.Event()

    async def slowly(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nConte")
        await told.wait()
        for byte in b"nt-Type: text/event-stream\r\n\r\n":
            await exchange.send(bytes([byte]))
        await exchange.send(HELLO)
        exchange.writer.close()

    async with FakeFoundry(chat=slowly) as fake:
        gateway = start_gateway(fake.url, GATEWAY_KEEPALIVE_INTERVAL="0.1")
        async with asyncio.timeout(PATIENCE):
            status, body = await ask_and_tell(gateway, b": waiting", told)
    assert status == 200
    assert body.startswith(": waiting")
    assert body.endswith(DONE.decode())


async def test_a_stream_cut_in_the_middle_of_an_event_ends_with_an_error_event(
    start_gateway: StartGateway,
) -> None:
    heard = asyncio.Event()

    async def cut(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(event("Hello"))
        await heard.wait()
        await exchange.chunk(event(" there")[:20])
        exchange.cut()

    async with FakeFoundry(chat=cut) as fake:
        gateway = start_gateway(fake.url)
        async with asyncio.timeout(PATIENCE):
            status, body = await ask_and_tell(gateway, event("Hello"), heard)
    assert status == 200
    assert body.startswith(event("Hello").decode())
    assert " there" not in body
    assert last_error(body)["code"] == "upstream_error"
    assert "[DONE]" not in body


async def test_a_stream_that_falls_silent_ends_with_an_error_event(
    start_gateway: StartGateway,
) -> None:
    async def fall_silent(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(event("Hello"))
        await asyncio.sleep(3600)

    async with FakeFoundry(chat=fall_silent) as fake:
        gateway = start_gateway(fake.url, **{**IMPATIENT, "GATEWAY_FIRST_TOKEN_TIMEOUT": "60"})
        _, body = await ask(gateway)
    assert last_error(body)["code"] == "upstream_error"


async def test_the_runtimes_own_error_midway_is_told_in_our_shape(
    start_gateway: StartGateway,
) -> None:
    async def fail(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(event("Hello"))
        for byte in b'data: {"error":{"message":"out of memory","type":"server_error"}}\n\n':
            await exchange.chunk(bytes([byte]))
        await asyncio.sleep(3600)

    async with FakeFoundry(chat=fail) as fake:
        gateway = start_gateway(fake.url)
        _, body = await ask(gateway)
    error = last_error(body)
    assert error["code"] == "upstream_error"
    assert "out of memory" in error["message"]
    assert error["message"].endswith(error["remedy"])


async def test_more_texts_than_their_answer_may_have_bytes_are_the_callers_mistake(
    start_gateway: StartGateway,
) -> None:
    async def embed(exchange: Exchange) -> None:
        await exchange.answer({"object": "list", "data": ["x" * 9_000_000]})

    async with FakeFoundry(chat=embed) as fake:
        gateway = start_gateway(fake.url)
        body = {"model": CHAT["model"], "input": ["a"] * 1000}
        async with (
            aiohttp.ClientSession(headers=gateway.headers) as session,
            session.post(f"{gateway.base_url}/embeddings", json=body) as answer,
        ):
            error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (400, "invalid_request")
    assert error["remedy"] == "Ask for less at a time."


async def test_what_the_machine_lacks_is_no_mistake_of_the_caller(
    start_gateway: StartGateway,
) -> None:
    """The first event of a stream carries no status that would say whose fault it is."""

    async def fail(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(b'data: {"error":{"message":"Inference failed: bad allocation"}}\n\n')
        await exchange.end_stream()

    async with FakeFoundry(chat=fail) as fake:
        gateway = start_gateway(fake.url)
        status, body = await ask(gateway)
    assert status == 502
    assert json.loads(body)["error"]["code"] == "upstream_error"


async def test_a_stream_that_ends_complete_but_without_done_is_completed(
    start_gateway: StartGateway,
) -> None:
    async def no_done(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(event("Hello") + FINISH)
        await exchange.end_stream()

    async with FakeFoundry(chat=no_done) as fake:
        gateway = start_gateway(fake.url)
        _, body = await ask(gateway)
    assert body == (event("Hello") + FINISH + DONE).decode()


async def test_events_split_at_every_byte_arrive_whole(start_gateway: StartGateway) -> None:
    async def dribble(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for byte in HELLO:
            await exchange.chunk(bytes([byte]))
        await exchange.end_stream()

    async with FakeFoundry(chat=dribble) as fake:
        gateway = start_gateway(fake.url)
        _, hidden = await ask(gateway)
        _, shown = await ask(gateway, stream_options={"include_usage": True})
    assert hidden == HELLO.replace(USAGE, b"").decode()
    assert shown == HELLO.decode()


async def test_a_stream_answered_with_a_page_is_an_upstream_error(
    start_gateway: StartGateway,
) -> None:
    async def page(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>"
        )

    async with FakeFoundry(chat=page) as fake:
        gateway = start_gateway(fake.url, **IMPATIENT)
        status, body = await ask(gateway)
    assert (status, last_error(body)["code"]) == (502, "upstream_error")


async def test_a_slow_catalog_never_delays_a_chat(start_gateway: StartGateway) -> None:
    class SlowCatalog(FakeFoundry):
        async def _route(self, exchange: Exchange) -> None:
            if exchange.path == "/v1/models":
                await hang(exchange)
            await super()._route(exchange)

    async with SlowCatalog() as fake:
        gateway = start_gateway(fake.url)
        async with asyncio.timeout(PATIENCE):
            status, _ = await ask(gateway)
        assert status == 200
        catalog = next(one for one in fake.exchanges if one.path == "/v1/models")
        assert not catalog.gone, "the chat was answered after the catalog had been given up"


async def test_an_unknown_id_with_a_version_is_never_looked_up(start_gateway: StartGateway) -> None:
    async with FakeFoundry() as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model")
        await gateway.eventually(lambda status: status["ready"], "ready")
        await until(lambda: fake.asked("/v1/models"))
        status, body = await ask(gateway, model="gpt-9:7")
        assert (status, last_error(body)["code"]) == (404, "model_not_found")
        assert not fake.chats
        assert not fake.asked("/models/load/")


async def test_the_legacy_dialect_is_spoken(start_gateway: StartGateway) -> None:
    async with FakeFoundry(dialect="legacy", loaded=[]) as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model")
        await gateway.eventually(
            lambda status: status["dialect"] == "legacy", "the dialect is known"
        )
        await gateway.eventually(
            lambda status: status["models"][0]["foundry"]["variant"], "a catalog"
        )
        status, body = await ask(gateway)
        assert status == 200
        assert body == HELLO.replace(USAGE, b"").decode()
        name = VARIANT.partition(":")[0]
        assert fake.asked("/openai/load/")[0].startswith(f"/openai/load/{name}")
        assert fake.chats[0].json["model"] == name


async def test_a_change_of_dialect_under_its_feet_is_noticed(start_gateway: StartGateway) -> None:
    async with FakeFoundry(dialect="legacy") as before:
        gateway = start_gateway(before.url)
        assert (await ask(gateway))[0] == 200
    async with FakeFoundry(dialect="v2", loaded=[], port=before.port) as after:
        status, body = await ask(gateway)
        assert status == 200, body
        assert body.endswith(DONE.decode())
        assert after.asked("/models/load/") == ["/models/load/fake-model"]
        await gateway.eventually(lambda status: status["dialect"] == "v2", "the new dialect")


async def test_a_kept_alive_connection_that_died_is_replaced(start_gateway: StartGateway) -> None:
    answered = asyncio.Event()

    async def answer_once(exchange: Exchange) -> None:
        await say_hello(exchange)
        await answered.wait()
        exchange.cut()

    async with FakeFoundry(chat=answer_once) as fake:
        gateway = start_gateway(fake.url)
        for _ in range(5):
            answered.clear()
            assert (await ask(gateway))[0] == 200
            answered.set()
            await until(fake.chats[-1].writer.is_closing)


async def test_a_chat_does_not_wait_for_a_runtime_that_hangs_altogether(
    start_gateway: StartGateway,
) -> None:
    async with FakeFoundry(chat=hang) as fake:
        gateway = start_gateway(
            fake.url,
            **{**IMPATIENT, "GATEWAY_FIRST_TOKEN_TIMEOUT": "3600", "GATEWAY_HANG_TIMEOUT": "0.3"},
        )
        asking = asyncio.create_task(ask(gateway))
        await gateway.eventually(lambda status: status["queue"]["active"] == 1, "asked")
        fake.everything = hang
        async with asyncio.timeout(PATIENCE):
            _, body = await asking
    error = last_error(body)
    assert (error["code"], error["cause"]) == ("foundry_unreachable", "timed_out")


async def test_a_client_that_stops_reading_gives_its_place_back(
    start_gateway: StartGateway,
) -> None:
    async def flood(exchange: Exchange) -> None:
        await exchange.begin_stream()
        while True:
            await exchange.chunk(event("x" * 10_000))

    async with FakeFoundry(chat=flood) as fake:
        gateway = start_gateway(fake.url, GATEWAY_IDLE_TIMEOUT="0.5")
        async with (
            aiohttp.ClientSession(headers=gateway.headers, read_bufsize=1024) as session,
            session.post(
                f"{gateway.base_url}/chat/completions", json={**CHAT, "stream": True}
            ) as answer,
        ):
            assert answer.status == 200
            await gateway.eventually(lambda status: not status["queue"]["active"], "given back")
    assert gateway.memory_bytes < 120_000_000


async def test_spellings_of_one_model_share_one_label(start_gateway: StartGateway) -> None:
    async with FakeFoundry() as fake:
        gateway = start_gateway(fake.url)
        for name in ("fake-model", "FAKE-model", "fake.model", VARIANT):
            assert (await ask(gateway, model=name))[0] == 200
        name = "gen_ai_client_operation_duration_seconds_count"
        labels = {"gen_ai_request_model": "fake-model"}
        assert await asyncio.to_thread(lambda: gateway.metric(name, **labels)) == 4
