"""Foundry Local is stopped, started, frozen and replaced; the gateway follows, never restarted."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import aiohttp

from support.fake_foundry import FakeFoundry
from support.foundry import Foundry, start_foundry_v2
from support.processes import dead_port, free_port_pair

if TYPE_CHECKING:
    from support.gateway import Gateway, StartGateway

QUICK = {"GATEWAY_REFRESH_INTERVAL": "0.2", "GATEWAY_CONNECT_TIMEOUT": "1"}
CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}


async def ask(gateway: Gateway, **more: object) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession(headers=gateway.headers) as session,
        session.post(f"{gateway.base_url}/chat/completions", json={**CHAT, **more}) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_restarted_foundry_is_used_again_at_once(start_gateway: StartGateway) -> None:
    port = free_port_pair()
    # It looks by itself once an hour: whoever asks is what finds Foundry Local back.
    settings = {"GATEWAY_REFRESH_INTERVAL": "3600", "GATEWAY_REFRESH_INTERVAL_IDLE": "3600"}
    gateway = start_gateway(f"http://127.0.0.1:{port}", MODEL="foundry-demo", **settings)
    status, body = await ask(gateway)
    assert (status, body["error"]["cause"]) == (503, "refused")
    for _ in range(2):
        with start_foundry_v2(port=port):
            status, body = await ask(gateway)
            assert status == 200, body
            assert gateway.status()["status"] == "ok"
        status, body = await ask(gateway)
        assert (status, body["error"]["cause"]) == (503, "refused")
        assert gateway.status()["status"] == "down"
        assert gateway.status()["last_error"]["code"] == "foundry_unreachable"


async def test_a_model_unloaded_behind_its_back_is_loaded_again(
    start_gateway: StartGateway,
) -> None:
    with start_foundry_v2() as foundry:
        gateway = start_gateway(foundry.url, MODEL="foundry-demo")
        assert (await ask(gateway))[0] == 200
        foundry.get_json("/models/unload/foundry-demo")
        assert foundry.get_json("/models/loaded") == []
        status, body = await ask(gateway)
        assert status == 200, body
        loads = {"gen_ai_request_model": "foundry-demo", "outcome": "loaded"}
        assert gateway.metric("foundry_gateway_model_load_seconds_count", **loads) == 1


async def test_a_frozen_foundry_is_unreachable_and_recovers_when_thawed(
    start_gateway: StartGateway,
) -> None:
    with start_foundry_v2() as foundry:
        gateway = start_gateway(foundry.url, MODEL="foundry-demo", **QUICK)
        assert (await ask(gateway))[0] == 200
        os.kill(foundry.pid, signal.SIGSTOP)
        try:
            status = gateway.wait_until(lambda status: status["status"] == "down", "down")
            assert status["upstreams"][0]["error"]["cause"] == "timed_out"
            code, body = await ask(gateway)
            assert (code, body["error"]["cause"]) == (503, "timed_out")
        finally:
            os.kill(foundry.pid, signal.SIGCONT)
        gateway.wait_until(lambda status: status["ready"], "recovered")
        assert (await ask(gateway))[0] == 200


async def test_the_next_preference_answers_while_the_first_is_away(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    async with FakeFoundry() as first:
        gateway = start_gateway(
            f"{first.url},{foundry_v2.url}",
            MODEL="fake-model",
            MODELS="foundry-demo",
            GATEWAY_REFRESH_INTERVAL="0.2",
        )
        assert (await ask(gateway))[0] == 200
        assert len(first.chats) == 1
    status, body = await ask(gateway, model="foundry-demo")
    assert status == 200, body
    described = gateway.status()
    assert described["status"] == "degraded"
    assert [one["active"] for one in described["upstreams"]] == [False, True]
    async with FakeFoundry(port=first.port) as again:
        await gateway.eventually(
            lambda status: status["upstreams"][0]["active"], "the first is preferred again"
        )
        assert (await ask(gateway))[0] == 200
        assert len(again.chats) == 1


async def test_a_runtime_of_the_stacks_own_that_was_never_started_is_not_shown(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(
        foundry_v2.url, MODEL="foundry-demo", EMBEDDED_URL="http://no-such-host.invalid:51211"
    )
    assert (await ask(gateway))[0] == 200
    # Until its name was looked for, it is shown: it may be there.
    status = await gateway.eventually(
        lambda status: [upstream["url"] for upstream in status["upstreams"]] == [foundry_v2.url],
        "only what was started",
    )
    assert status["status"] == "ok"


async def test_a_runtime_of_the_stacks_own_that_was_chosen_is_the_one_missed(
    start_gateway: StartGateway,
) -> None:
    gateway = start_gateway(
        f"http://127.0.0.1:{dead_port()}",
        EMBEDDED_URL="http://no-such-host.invalid:51211",
        COMPOSE_PROFILES="containers,embedded",
    )
    status, body = await ask(gateway)
    assert status == 503
    assert body["error"]["problem"] == "Foundry Local in its container does not run."
    assert body["error"]["remedy"] == "Start it: `docker compose up -d foundry-local`."
    shown = gateway.status()["upstreams"]
    assert [one["embedded"] for one in shown] == [True, False]


async def test_the_demo_model_stands_in_on_the_stacks_own_runtime(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(
        "http://127.0.0.1:1",
        EMBEDDED_URL=foundry_v2.url,
        MODEL="phi-4-mini",
        EMBEDDED_MODEL="qwen2.5-0.5b",
    )
    status, body = await ask(gateway)
    assert status == 200, body
    listed = gateway.get("/v1/models")[1]["data"]
    assert listed[0]["id"] == "foundry-demo"
    assert listed[0]["foundry"]["demo"] is True
    assert listed[0]["foundry"]["display_name"] == "Foundry demo (built-in demo)"
    assert listed[0]["foundry"]["context_length"] >= 4096
    assert [one["foundry"]["state"] for one in listed if one["id"] == "qwen2.5-0.5b"] == ["missing"]
    assert gateway.status()["default_model"] == "foundry-demo"
