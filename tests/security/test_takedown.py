"""Every attack in one run against the running stack: nobody falls, nobody else has to wait.

Each attack runs while somebody else asks questions. Memory is compared with that of a stack that
has been used: its first big request makes any program grow once.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from support.attack import (
    MEGABYTE,
    Bystander,
    Condition,
    at_once,
    chat_of,
    condition,
    empty_arrays,
    half_sent,
    port_of,
    post,
    raw,
    request_head,
    zeros,
)
from support.stack import RunningStack, eventually, get

CHAT = "/v1/chat/completions"
IN_TIME_SECONDS = 20.0
"""A promise: however hard somebody pushes, a short question is answered within this."""
GROWTH = 1.10
NOISE_BYTES = 3 * MEGABYTE
"""Docker's figure for an idle container moves by this much from one look to the next."""
Hold = AbstractContextManager[list[socket.socket]]
HEAVY_QUERY = "/api/v1/query?query=count_over_time(vector(1)[13h:10ms])"


def compressed_zeros(stack: RunningStack) -> None:
    bomb = zeros(400 * MEGABYTE)
    for url in (stack.webgpu, stack.gateway):
        for encoding in ("gzip", "deflate", "br", "zstd", "gzip, gzip"):
            post(
                port_of(url),
                CHAT,
                bomb,
                Content_Encoding=encoding,
                Origin=url,
                Authorization=f"Bearer {stack.api_key}",
            )


def bodies_that_grow(stack: RunningStack) -> None:
    body = empty_arrays(950_000)
    key = f"Bearer {stack.api_key}"
    at_once(24, lambda: post(port_of(stack.webgpu), CHAT, body, Origin=stack.webgpu))
    at_once(24, lambda: post(port_of(stack.gateway), CHAT, body, Authorization=key))
    large = empty_arrays(8 * MEGABYTE)
    at_once(4, lambda: post(port_of(stack.gateway), CHAT, large, Authorization=key))


def prompts_too_large(stack: RunningStack) -> None:
    body = chat_of(31 * MEGABYTE)
    key = f"Bearer {stack.api_key}"
    at_once(2, lambda: post(port_of(stack.gateway), CHAT, body, Authorization=key))
    fits = chat_of(10 * MEGABYTE)
    at_once(8, lambda: post(port_of(stack.gateway), CHAT, fits, Authorization=key))


def long_prompts(stack: RunningStack) -> None:
    body = chat_of(28_000)
    key = f"Bearer {stack.api_key}"
    at_once(8, lambda: post(port_of(stack.gateway), CHAT, body, Authorization=key))


def bodies_to_the_pages(stack: RunningStack) -> None:
    body = empty_arrays(8 * MEGABYTE)
    for url, path in (
        (stack.open_webui, "/api/v1/auths/signin"),
        (stack.open_webui, "/api/chat/completions"),
        (stack.chat, "/login"),
        (stack.chat, "/project/action"),
        (stack.healthcheck, "/probe"),
        (stack.prometheus, "/api/v1/query"),
    ):
        at_once(12, lambda url=url, path=path: post(port_of(url), path, body, Origin=url), 12)


def head_of_a_chat(stack: RunningStack, length: int) -> bytes:
    return request_head(
        port_of(stack.gateway),
        "POST",
        CHAT,
        Authorization=f"Bearer {stack.api_key}",
        Content_Type="application/json",
        Content_Length=length,
    )


def half_sent_heads(stack: RunningStack) -> Hold:
    port = port_of(stack.gateway)
    head = request_head(port, "GET", "/health")[:-2] + b"X-Filler: " + b"a" * 7000 + b"\r\n"
    head += b"".join(b"X-More-%d: " % n + b"a" * 7000 + b"\r\n" for n in range(3))
    return half_sent(port, head, 1500)


def half_sent_bodies(stack: RunningStack) -> Hold:
    port = port_of(stack.gateway)
    head = head_of_a_chat(stack, 8 * MEGABYTE)
    return half_sent(port, head + b'{"messages":"' + b"a" * 60_000, 200)


def heavy_queries(stack: RunningStack) -> None:
    at_once(8, lambda: get(f"{stack.prometheus}{HEAVY_QUERY}").status, 8)


def probes_on_demand(stack: RunningStack) -> None:
    url = f"{stack.healthcheck}/probe?module=chat&target=http://gateway:8000"
    at_once(30, lambda: get(url).status, 30)


def streams_nobody_reads(stack: RunningStack) -> Hold:
    port = port_of(stack.gateway)
    question = {"role": "user", "content": "Count from 1 to 200."}
    body = json.dumps({"model": "foundry-demo", "stream": True, "messages": [question]}).encode()
    head = head_of_a_chat(stack, len(body))
    return half_sent(port, head + body, 24)


def sockets(stack: RunningStack) -> Hold:
    port = port_of(stack.chat)
    upgrade = request_head(
        port,
        "GET",
        "/ws/socket.io/?EIO=4&transport=websocket",
        Origin=stack.chat,
        Connection="Upgrade",
        Upgrade="websocket",
        Sec_WebSocket_Version=13,
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    )
    return half_sent(port, upgrade, 300)


def oddities(stack: RunningStack) -> None:
    for url in (stack.gateway, stack.webgpu, stack.chat, stack.healthcheck, stack.prometheus):
        port = port_of(url)
        for data in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(400),
            b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 60_000 + b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ):
            with contextlib.suppress(OSError):
                raw(port, data, 3)


ATTACKS: tuple[Callable[[RunningStack], None], ...] = (
    compressed_zeros,
    bodies_that_grow,
    prompts_too_large,
    long_prompts,
    bodies_to_the_pages,
    heavy_queries,
    probes_on_demand,
    oddities,
)
HELD: tuple[Callable[[RunningStack], Hold], ...] = (
    half_sent_heads,
    half_sent_bodies,
    streams_nobody_reads,
    sockets,
)
"""Attacks that last until the bystander has been answered meanwhile."""


def run_all(stack: RunningStack) -> Bystander:
    with Bystander(stack) as bystander:
        for attack in ATTACKS:
            began = len(bystander.answers)
            attack(stack)
            eventually(lambda began=began: len(bystander.answers) > began + 4, 90)
        for hold in HELD:
            with hold(stack):
                began = len(bystander.answers)
                eventually(lambda began=began: len(bystander.answers) > began + 4, 90)
    return bystander


@pytest.fixture(scope="module")
def attacked(stack: RunningStack) -> tuple[Condition, Bystander, Condition]:
    eventually(lambda: get(f"{stack.open_webui}/ready").status == 200, 240)
    run_all(stack)  # the first time everything grows to its size
    eventually(lambda: idle(stack), 60)
    before = condition()
    bystander = run_all(stack)
    eventually(lambda: idle(stack), 60)
    with contextlib.suppress(AssertionError):
        eventually(lambda: not grown(before, condition()), 90)
    return before, bystander, condition()


def idle(stack: RunningStack) -> bool:
    queue = stack.status()["queue"]
    return queue["active"] == 0 and queue["waiting"] == 0


def grown(before: Condition, after: Condition) -> dict[str, tuple[int, int]]:
    return {
        service: (was, after.memory[service])
        for service, was in before.memory.items()
        if after.memory[service] > was * GROWTH + NOISE_BYTES
    }


def test_no_container_was_restarted(attacked: tuple[Condition, Bystander, Condition]):
    before, _, after = attacked
    assert after.starts == before.starts


def test_the_bystander_was_always_answered(attacked: tuple[Condition, Bystander, Condition]):
    _, bystander, _ = attacked
    assert len(bystander.answers) > 4 * len(ATTACKS + HELD)
    assert not bystander.failed()


def test_and_in_time(attacked: tuple[Condition, Bystander, Condition]):
    _, bystander, _ = attacked
    assert bystander.slowest() < IN_TIME_SECONDS


def test_the_memory_of_each_container_is_back(attacked: tuple[Condition, Bystander, Condition]):
    before, _, after = attacked
    assert not grown(before, after)


def test_all_slots_are_free(attacked: tuple[Condition, Bystander, Condition], stack: RunningStack):
    queue = stack.status()["queue"]
    assert (queue["active"], queue["waiting"], queue["prompt_tokens"]["active"]) == (0, 0, 0)


def test_the_stack_says_that_it_is_well(
    attacked: tuple[Condition, Bystander, Condition], stack: RunningStack
):
    assert eventually(lambda: get(f"{stack.gateway}/ready").status == 200, 30)
    threads = threading.active_count()
    assert threads < 60, "the test itself has tidied up"
