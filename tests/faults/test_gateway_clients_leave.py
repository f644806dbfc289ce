"""A client that goes away takes its upstream request with it, wherever that request was."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Self

import psutil
import pytest

from support.fake_foundry import (
    Exchange,
    FakeFoundry,
    event,
    hang,
    say_hello,
    stream_forever,
)
from support.gateway import until

if TYPE_CHECKING:
    from support.foundry import Foundry
    from support.gateway import Gateway, StartGateway

CHAT = {"model": "fake-model", "messages": [{"role": "user", "content": "hello"}]}
ENDLESS = {
    "model": "foundry-demo",
    "messages": [{"role": "user", "content": "count from 1 to 200"}],
    "temperature": 0,  # otherwise now and then the demo model is done after a few words
}
PATIENT = {
    "GATEWAY_FIRST_TOKEN_TIMEOUT": "3600",
    "GATEWAY_IDLE_TIMEOUT": "3600",
    "GATEWAY_HANG_TIMEOUT": "3600",
    "GATEWAY_KEEPALIVE_INTERVAL": "3600",
}
"""With these, nothing but a client's departure ends an upstream request that stands still."""


class Client:
    """A chat over a bare connection, which can be dropped as a closed laptop would."""

    def __init__(self, gateway: Gateway, *, stream: bool = True, **more: object) -> None:
        body = json.dumps({**CHAT, "stream": stream, **more}).encode()
        self._port = gateway.port
        self._request = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n"
            % (gateway.key.encode(), len(body))
        ) + body

    async def __aenter__(self) -> Self:
        self.reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, limit=1 << 20
        )
        self._writer.write(self._request)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def read_until(self, mark: bytes) -> None:
        async with asyncio.timeout(30):
            await self.reader.readuntil(mark)

    def leave(self) -> None:
        """Drop the connection."""
        self._writer.transport.abort()


async def test_leaving_in_mid_stream_closes_upstream(start_gateway: StartGateway) -> None:
    async def say_a_word(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(event("more "))
        await hang(exchange)

    async with FakeFoundry(chat=say_a_word) as fake:
        gateway = start_gateway(fake.url, **PATIENT)
        async with Client(gateway) as client:
            await client.read_until(b"more ")
            client.leave()
            await until(lambda: fake.chats[0].gone)


@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_before_the_first_token_closes_upstream(
    start_gateway: StartGateway, *, stream: bool
) -> None:
    async with FakeFoundry(chat=hang) as fake:
        gateway = start_gateway(fake.url, **PATIENT)
        async with Client(gateway, stream=stream) as client:
            await until(lambda: fake.chats)
            assert not fake.chats[0].gone
            client.leave()
            await until(lambda: fake.chats[0].gone)


async def test_leaving_the_queue_frees_the_place(start_gateway: StartGateway) -> None:
    async with FakeFoundry(chat=stream_forever) as fake:
        gateway = start_gateway(
            fake.url,
            GATEWAY_MAX_CONCURRENCY="1",
            GATEWAY_MAX_QUEUE="1",
            GATEWAY_KEEPALIVE_INTERVAL="0.1",
        )
        async with Client(gateway) as served:
            await served.read_until(b"more ")
            async with Client(gateway) as waiting:
                await waiting.read_until(b": queued 1\n\n")
                async with Client(gateway) as refused:
                    await refused.read_until(b"429")
                waiting.leave()
                await gateway.eventually(lambda status: not status["queue"]["waiting"], "freed")
            fake.chat = say_hello
            async with Client(gateway) as next_one:
                await next_one.read_until(b": queued 1\n\n")
                served.leave()
                await next_one.read_until(b"[DONE]")
        assert len(fake.chats) == 2, "the one that left the queue never reached Foundry Local"


async def test_leaving_during_a_load_does_not_cancel_it_for_the_others(
    start_gateway: StartGateway,
) -> None:
    may_load = asyncio.Event()

    async def load() -> None:
        await may_load.wait()

    async with FakeFoundry(loaded=[], load=load) as fake:
        gateway = start_gateway(fake.url, GATEWAY_KEEPALIVE_INTERVAL="0.1")
        async with Client(gateway) as first, Client(gateway) as second:
            await first.read_until(b": loading fake-model\n\n")
            await second.read_until(b": loading fake-model\n\n")
            first.leave()
            await gateway.eventually(lambda status: status["queue"]["active"] == 1, "left")
            may_load.set()
            await second.read_until(b"[DONE]")
        assert fake.asked("/models/load/") == ["/models/load/fake-model"]


async def test_requests_for_one_model_share_one_load(start_gateway: StartGateway) -> None:
    may_load = asyncio.Event()

    async def load() -> None:
        await may_load.wait()

    async with FakeFoundry(loaded=[], load=load) as fake:
        gateway = start_gateway(fake.url)
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(Client(gateway, stream=number % 2 == 0))
                for number in range(8)
            ]
            await gateway.eventually(
                lambda status: status["queue"]["active"] + status["queue"]["waiting"] == 8,
                "all eight have come",
            )
            may_load.set()
            for client in clients:
                await client.read_until(b" there")
        assert fake.asked("/models/load/") == ["/models/load/fake-model"]


async def test_a_clients_departure_is_counted_as_cancelled(start_gateway: StartGateway) -> None:
    async with FakeFoundry(chat=stream_forever) as fake:
        gateway = start_gateway(fake.url)
        async with Client(gateway) as client:
            await client.read_until(b"more ")
            client.leave()
            await until(lambda: fake.chats[0].gone)
        name = "gen_ai_client_operation_duration_seconds_count"
        await gateway.eventually(
            lambda _: gateway.metric(name, error_type="cancelled") == 1, "counted"
        )


async def test_the_real_runtime_stops_generating(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(foundry_v2.url, MODEL="foundry-demo")
    runtime = psutil.Process(foundry_v2.pid)

    async def cost(mark: bytes) -> float:
        """What an answer costs whose reader leaves at this mark, in seconds of a processor."""
        before = cpu_seconds(runtime)
        async with Client(gateway, **ENDLESS) as client:
            await client.read_until(mark)
            client.leave()
        await gateway.eventually(lambda status: not status["queue"]["active"], "left")
        return await cpu_seconds_at_rest(runtime) - before

    whole = await cost(b"[DONE]")
    begun = [await cost(b"data: ") for _ in range(8)]
    # On a busy machine one reader or another leaves late, but not all of them.
    assert min(begun) < whole / 2, "an answer that nobody reads is written on"


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def cpu_seconds_at_rest(process: psutil.Process) -> float:
    """What a process has used once it has used nothing for ten looks in a row."""
    last, still = cpu_seconds(process), 0
    async with asyncio.timeout(30):
        while still < 10:
            await asyncio.sleep(0.05)
            now = cpu_seconds(process)
            last, still = now, still + 1 if now == last else 0
    return last
