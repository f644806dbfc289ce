"""More clients than places: everyone gets an answer or a clean refusal, and nothing leaks."""

from __future__ import annotations

import asyncio
import collections
import json
from typing import TYPE_CHECKING

import aiohttp

from support.fake_foundry import Exchange, FakeFoundry, say_hello

if TYPE_CHECKING:
    from support.foundry import Foundry
    from support.gateway import Gateway, StartGateway

CHAT = {"messages": [{"role": "user", "content": "count from 1 to 20"}], "max_tokens": 40}


async def ask(session: aiohttp.ClientSession, gateway: Gateway, *, stream: bool) -> str:
    """Chat; returns ``answered`` or ``refused``, and fails on anything else."""
    async with session.post(
        f"{gateway.base_url}/chat/completions", json={**CHAT, "stream": stream}
    ) as answer:
        text = await answer.text()
        if answer.status == 429:
            assert json.loads(text)["error"]["code"] == "overloaded"
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            return "refused"
        assert answer.status == 200, text
        if stream:
            assert text.endswith("data: [DONE]\n\n")
        else:
            assert json.loads(text)["choices"]
        return "answered"


async def test_a_hundred_clients_against_a_limit_of_eight(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(
        foundry_v2.url,
        MODEL="foundry-demo",
        GATEWAY_MAX_CONCURRENCY="8",
        GATEWAY_MAX_QUEUE="64",
        GATEWAY_KEEPALIVE_INTERVAL="0.2",
    )
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=gateway.headers
    ) as session:
        await ask(session, gateway, stream=True)
        before = gateway.memory_bytes
        for _ in range(2):
            outcomes = collections.Counter(
                await asyncio.gather(
                    *(ask(session, gateway, stream=number % 3 > 0) for number in range(100))
                )
            )
            assert outcomes["answered"] >= 8 + 64
            assert outcomes["answered"] + outcomes["refused"] == 100
        first_round = gateway.memory_bytes
        for _ in range(2):
            await asyncio.gather(
                *(ask(session, gateway, stream=number % 3 > 0) for number in range(100))
            )
    queue = gateway.status()["queue"]
    assert (queue["active"], queue["waiting"]) == (0, 0)
    assert gateway.memory_bytes - first_round < 8_000_000, "memory keeps growing"
    assert gateway.memory_bytes < 120_000_000
    assert before < 120_000_000


async def test_never_more_than_the_limit_reach_foundry_local(start_gateway: StartGateway) -> None:
    at_once = most = 0
    limit_is_reached, all_have_come = asyncio.Event(), asyncio.Event()

    async def answer_when_all_have_come(exchange: Exchange) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 3:
            limit_is_reached.set()
        await all_have_come.wait()
        at_once -= 1
        await say_hello(exchange)

    async with FakeFoundry(chat=answer_when_all_have_come) as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model", GATEWAY_MAX_CONCURRENCY="3")
        async with aiohttp.ClientSession(headers=gateway.headers) as session:
            asking = [asyncio.create_task(ask(session, gateway, stream=True)) for _ in range(30)]
            await limit_is_reached.wait()
            await gateway.eventually(lambda status: status["queue"]["waiting"] == 27, "all wait")
            all_have_come.set()
            outcomes = await asyncio.gather(*asking)
    assert set(outcomes) == {"answered"}
    assert most == 3


async def test_waiting_too_long_is_a_refusal_too(start_gateway: StartGateway) -> None:
    refused = asyncio.Event()

    async def answer_after_the_refusal(exchange: Exchange) -> None:
        await refused.wait()
        await say_hello(exchange)

    async with FakeFoundry(chat=answer_after_the_refusal) as fake:
        gateway = start_gateway(
            fake.url,
            MODEL="fake-model",
            GATEWAY_MAX_CONCURRENCY="1",
            GATEWAY_QUEUE_TIMEOUT="0.2",
        )
        async with aiohttp.ClientSession(headers=gateway.headers) as session:
            asking = [asyncio.create_task(ask(session, gateway, stream=False)) for _ in range(2)]
            done, answering = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            assert [one.result() for one in done] == ["refused"]
            refused.set()
            assert [await one for one in answering] == ["answered"]


async def test_long_prompts_wait_for_each_other_and_short_ones_do_not_wait_for_them(
    start_gateway: StartGateway,
) -> None:
    """Eight prompts of 7,000 tokens took more memory than Foundry Local's container has."""
    served: list[str] = []
    finish = asyncio.Event()

    async def answer_when_told(exchange: Exchange) -> None:
        text = exchange.json["messages"][0]["content"]
        served.append("long" if len(text) > 1_000 else "short")
        if served[-1] == "long":
            await finish.wait()
        await say_hello(exchange)

    async with FakeFoundry(chat=answer_when_told) as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model")
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=gateway.headers) as session:

            async def ask_about(text: str) -> int:
                body = {"messages": [{"role": "user", "content": text}]}
                url = f"{gateway.base_url}/chat/completions"
                async with session.post(url, json=body) as answer:
                    return answer.status

            long = [asyncio.create_task(ask_about("word " * 5_600)) for _ in range(8)]
            status = await gateway.eventually(
                lambda status: status["queue"]["waiting"] == 5, "five of eight wait"
            )
            assert status["queue"]["active"] == 3
            assert 21_000 <= status["queue"]["prompt_tokens"]["active"] <= 24_576
            assert gateway.metric("foundry_gateway_prompt_tokens_active") >= 21_000
            short = await asyncio.gather(*(ask_about("hello") for _ in range(8)))
            assert short == [200] * 8
            assert served == ["long"] * 3 + ["short"] * 8
            finish.set()
            assert await asyncio.gather(*long) == [200] * 8
    tokens = gateway.status()["queue"]["prompt_tokens"]
    assert tokens == {"active": 0, "limit": 24_576}


async def test_two_hundred_batches_to_embed_leave_places_for_a_chat(
    start_gateway: StartGateway,
) -> None:
    embed = {"model": "fake-model", "input": ["A paragraph of a long document."] * 16}
    finish = asyncio.Event()

    async def hold_batches(exchange: Exchange) -> None:
        if exchange.path == "/v1/embeddings":
            await finish.wait()
        await say_hello(exchange)

    async with FakeFoundry(chat=hold_batches) as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model")
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=gateway.headers) as session:

            async def one() -> int:
                url = f"{gateway.base_url}/embeddings"
                async with session.post(url, json=embed) as answer:
                    return answer.status

            batches = [asyncio.create_task(one()) for _ in range(200)]
            await gateway.eventually(
                lambda status: (status["queue"]["active"], status["queue"]["waiting"]) == (4, 32),
                "half of all places are taken",
            )
            chats = await asyncio.gather(*(ask(session, gateway, stream=True) for _ in range(36)))
            assert set(chats) == {"answered"}
            finish.set()
            statuses = collections.Counter(await asyncio.gather(*batches))
    assert statuses == {200: 4 + 32, 429: 200 - 36}
