"""Everything that bodies and connections may cost, at once and for real, fits the container."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from support.attacks import (
    KB,
    MB,
    Wire,
    ask,
    bystander,
    chat_body,
    empty_arrays,
    head,
    peak_memory,
)
from support.foundry import Foundry
from support.gateway import SOURCE, Gateway, run_gateway, until

CONTAINER = 256 * 1024 * 1024
"""``mem_limit`` in compose.yaml."""
TOO_MUCH = CONTAINER - 16 * 1024 * 1024
"""What the system keeps for the container's connections is not in the process."""


ALLOCATOR = dict(
    re.findall(
        r"((?:PYTHON)?MALLOC[A-Z_]*)=([a-z0-9]+)", (SOURCE.parent / "Dockerfile").read_text()
    )
)
"""How the container's image sets the allocator."""


@pytest.fixture(scope="module")
def gateway(foundry_v2: Foundry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    log = tmp_path_factory.mktemp("limits") / "gateway.log"
    env = {"FOUNDRY_URL": foundry_v2.url, "MODEL": "foundry-demo", **ALLOCATOR}
    with run_gateway(log, **env) as gateway:
        gateway.wait_until(lambda status: status["ready"], "ready")
        yield gateway


async def all_given_back(gateway: Gateway) -> None:
    def idle() -> bool:
        queue = gateway.status()["queue"]
        return not (
            queue["active"]
            or queue["waiting"]
            or queue["bodies"]["held"]
            or queue["prompt_tokens"]["active"]
        )

    await until(idle, 30)


async def attack(gateway: Gateway) -> None:
    """Send everything at once, while somebody asks short questions and is answered in time."""
    bomb = gzip.compress(bytes(400 * MB), 9)
    packed = ("Content-Type: application/json", "Content-Encoding: gzip")
    prompt = chat_body("x" * 31 * MB)
    half_sent = b"Content-Length: %d\r\n\r\n" % (8 * MB) + b'{"x":"' + b"x" * 4 * MB
    async with bystander(gateway) as took, AsyncExitStack() as stack:
        large = [await stack.enter_async_context(Wire(gateway.port)) for _ in range(64)]
        small = [await stack.enter_async_context(Wire(gateway.port)) for _ in range(500)]
        for wire in small:
            await wire.send(head(gateway) + b"Content-Length: 16000\r\n\r\n{")
        sending = [asyncio.create_task(wire.send(head(gateway) + half_sent)) for wire in large]
        answers = await asyncio.gather(
            *(ask(gateway, empty_arrays(950 * KB)) for _ in range(24)),
            *(ask(gateway, empty_arrays(8 * MB)) for _ in range(2)),
            *(ask(gateway, prompt) for _ in range(2)),
            *(
                ask(gateway, bomb, start=head(gateway, key=key, fields=packed))
                for key in (True, True, False, False)
            ),
        )
        await asyncio.gather(*sending)
    assert {answer.status for answer in answers} <= {400, 413, 415, 429}
    assert all(answer.code in ("invalid_request", "overloaded") for answer in answers)
    assert len(took) > 1
    await all_given_back(gateway)


async def test_all_attacks_at_once_fit_and_leave_nothing_behind(gateway: Gateway) -> None:
    await ask(gateway, chat_body())
    fresh = gateway.memory_bytes
    with peak_memory(gateway) as peak:
        await attack(gateway)
        assert peak[-1] < TOO_MUCH
        # The first load warms caches and threads up for good; from then on nothing is added.
        await until(lambda: gateway.memory_bytes < fresh * 1.2, 30)
        before = gateway.memory_bytes
        await attack(gateway)
    assert peak[-1] < TOO_MUCH
    await until(lambda: gateway.memory_bytes < before * 1.1, 30)


async def test_bodies_that_are_refused_leave_nothing_behind(gateway: Gateway) -> None:
    await ask(gateway, chat_body("x" * 10 * MB))
    await all_given_back(gateway)
    before = gateway.memory_bytes
    faulty = [
        b'{"messages":"' + b"x" * 10 * MB + b'"}',
        b'{"messages":' + b"x" * 10 * MB,
        b'{"messages":[{"role":"user","content":"\\u0000' + b"x" * 10 * MB + b'"}]}',
        b'{"messages":[{"role":"user","content":"' + b"\\\\" * 5 * MB + b'"}]}',
        b'{"messages":[{"role":"user","content":"' + b"\\u0000" * (MB + MB // 2) + b'"}]}',
        '{"messages":[{"role":"user","content":"🙂'.encode() + b"x" * 10 * MB + b'"}]}',
        chat_body("x" * 10 * MB, model="made-up"),
        chat_body("x" * 10 * MB, previous_response_id="resp_1"),
    ]
    with peak_memory(gateway) as peak:
        for _ in range(3):
            for body in faulty:
                assert (await ask(gateway, body)).status in (400, 404, 413)
    assert peak[-1] < TOO_MUCH
    assert not gateway.status()["queue"]["bodies"]["held"]
    await until(lambda: gateway.memory_bytes < before * 1.1, 20)


async def test_a_client_that_leaves_at_any_moment_gives_its_share_back(gateway: Gateway) -> None:
    body = chat_body("x" * 8 * MB)
    for sent in (0, 1, 100 * KB, len(body) - 1, len(body)):
        async with Wire(gateway.port) as wire:
            await wire.send(head(gateway) + b"Content-Length: %d\r\n\r\n" % len(body) + body[:sent])
            if sent < len(body):
                await until(lambda: gateway.status()["queue"]["bodies"]["held"], 5)
        await all_given_back(gateway)


async def test_large_bodies_fill_the_budget_and_small_ones_still_get_in(gateway: Gateway) -> None:
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire(gateway.port)) for _ in range(12)]
        begun = head(gateway) + b"Content-Length: 8000000\r\n\r\n{"
        limit = gateway.status()["queue"]["bodies"]["limit"]
        taken = limit // 8_000_000
        for wire in wires[:taken]:
            await wire.send(begun)
        await until(
            lambda: gateway.status()["queue"]["bodies"]["held"] == taken * 8_000_000, within=30
        )
        for wire in wires[taken:]:
            await wire.send(begun)
            answer = await wire.answer()
            assert (answer.status, answer.code) == (429, "overloaded")
            assert int(answer.fields["retry-after"]) > 0
        assert gateway.status()["queue"]["bodies"]["held"] == taken * 8_000_000
        assert gateway.metric("foundry_gateway_body_bytes_held") == taken * 8_000_000
        assert (await ask(gateway, chat_body())).status == 200
        chunked = head(gateway) + b"Transfer-Encoding: chunked\r\n\r\n"
        async with Wire(gateway.port) as wire:
            await wire.send(chunked)
            for _ in range(100):
                await wire.send(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
            assert (await wire.answer()).status == 429
    await all_given_back(gateway)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_picture_of_eight_megabytes_and_a_megabyte_of_text_pass(
    gateway: Gateway, *, chunked: bool
) -> None:
    picture = base64.b64encode(bytes(8 * MB)).decode()
    parts = [
        {"type": "text", "text": "Grüße 🙂 " * (MB // 12)},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
    ]
    chat = {"messages": [{"role": "user", "content": parts}]}
    body = json.dumps(chat, ensure_ascii=False).encode()
    assert len(body) < 12_582_912
    if not chunked:
        answer = await ask(gateway, body)
    else:
        async with Wire(gateway.port) as wire:
            await wire.send(head(gateway) + b"Transfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(body), 60_000):
                piece = body[start : start + 60_000]
                await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            await wire.send(b"0\r\n\r\n")
            answer = await wire.answer()
    # The demo model's context is short: that it says so is its answer, not the gateway's.
    assert (answer.status, answer.code) == (400, "context_length_exceeded")


async def test_too_large_is_said_at_once_and_names_the_setting(gateway: Gateway) -> None:
    async with Wire(gateway.port) as wire:
        await wire.send(head(gateway) + b"Content-Length: 12582913\r\n\r\n")
        declared = await wire.answer()
    async with Wire(gateway.port) as wire:
        await wire.send(head(gateway) + b"Transfer-Encoding: chunked\r\n\r\nc00001\r\n")
        await wire.send(b"x" * 12_582_913)
        undeclared = await wire.answer()
    # Whoever waits for the rest of a body says 408 in the end.
    for answer in (declared, undeclared):
        assert (answer.status, answer.code) == (413, "invalid_request")
        assert "GATEWAY_MAX_BODY_BYTES" in answer.json["error"]["remedy"]


async def test_a_refused_body_may_be_sent_to_its_end(gateway: Gateway) -> None:
    """Many clients read no answer before that, and after a reset there is none on some systems."""
    large, small = chat_body("x" * 13 * MB), chat_body()
    async with Wire(gateway.port) as wire:
        await wire.send(head(gateway) + b"Content-Length: %d\r\n\r\n" % len(large))
        assert (await wire.answer()).status == 413
        await wire.send(large)
        await wire.send(head(gateway) + b"Content-Length: %d\r\n\r\n" % len(small) + small)
        assert (await wire.answer()).status == 200


async def test_a_thousand_connections_are_the_most_and_they_do_not_stay(gateway: Gateway) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(1_024 - 40):
            wire = await stack.enter_async_context(Wire(gateway.port))
            await wire.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 7_000)
        assert (await ask(gateway, chat_body())).status == 200
        more = [await stack.enter_async_context(Wire(gateway.port)) for _ in range(100)]
        refused = await asyncio.gather(*(wire.answer(15) for wire in more))
        told = [answer for answer in refused if answer.status]
        assert told
        assert {(answer.status, answer.code) for answer in told} == {(503, "overloaded")}
        assert (await wire.answer(15)).status in (0, 408)
        assert (await ask(gateway, chat_body())).status == 200


async def test_what_trickles_is_told_so_and_let_go(gateway: Gateway) -> None:
    async def trickle(start: bytes) -> int:
        async with Wire(gateway.port) as wire:
            await wire.send(start)
            answering = asyncio.create_task(wire.answer(60))
            while not answering.done():
                await wire.send(b"x")
                await asyncio.wait((answering,), timeout=1)
            return answering.result().status

    sized = b"Content-Length: 15000\r\n\r\n"
    large = b"Content-Length: 8000000\r\n\r\n"
    statuses = await asyncio.gather(
        trickle(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: "),
        *(trickle(head(gateway) + one) for one in (sized, large)),
    )
    assert statuses == [408, 408, 408]
    await all_given_back(gateway)
