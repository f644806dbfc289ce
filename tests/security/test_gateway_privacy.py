"""No word of a caller's is told to anybody else: not in the status, the metrics or the log."""

from __future__ import annotations

import asyncio
import json

import pytest

from support.attacks import Wire, ask, chat_body, head
from support.fake_foundry import Exchange, FakeFoundry
from support.foundry import Foundry
from support.gateway import Gateway, StartGateway

SECRET = "xyzzy-plugh"
PLACES = ("/status", "/metrics", "/ready", "/v1/models", "/health")


async def assert_untold(gateway: Gateway) -> None:
    for path in PLACES:
        _, told = await asyncio.to_thread(gateway.get, path)
        assert SECRET not in json.dumps(told)
    assert SECRET not in gateway.log


async def test_what_a_request_says_is_told_nowhere(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(foundry_v2.url, MODEL="foundry-demo", GATEWAY_LOG_LEVEL="DEBUG")
    tool = {"type": "function", "function": {"name": SECRET, "parameters": {"const": SECRET}}}
    schema = {"type": "json_schema", "json_schema": {"const": SECRET, "type": SECRET}}
    for body in (
        chat_body(SECRET),
        chat_body(model=SECRET),
        chat_body(model=f"{SECRET}:1"),
        chat_body(tools=[tool]),
        chat_body(tools=[tool], tool_choice="required"),
        chat_body(tools=[tool], tool_choice={"type": "function", "function": {"name": SECRET}}),
        chat_body(response_format=schema),
        chat_body(response_format=schema, stream=True),
        chat_body(stop=[SECRET] * 99),
        chat_body(**{SECRET: {SECRET: SECRET}}),
        chat_body(**{SECRET: "/etc/passwd"}),
        chat_body(f"{SECRET} " * 5_000),
        chat_body(reasoning_effort=SECRET),
        chat_body(messages=[{"role": SECRET, "content": SECRET}]),
        chat_body(messages=SECRET),
        b'{"messages": "%b' % SECRET.encode(),
    ):
        await ask(gateway, body)
        for path in ("/v1/responses", "/v1/embeddings", f"/{SECRET}", f"/v1/models/{SECRET}"):
            await ask(gateway, body, start=head(gateway, path))
    response = {"input": SECRET, "tools": [{"type": SECRET, "name": SECRET}]}
    await ask(gateway, json.dumps(response).encode(), start=head(gateway, "/v1/responses"))
    fields = (f"X-Client: {SECRET}", f"User-Agent: {SECRET}", f"Cookie: {SECRET}")
    for host in ("localhost", f"{SECRET}.example"):
        start = head(gateway, f"/{SECRET}?{SECRET}", fields=fields, host=host)
        await ask(gateway, b"", start=start)
    async with Wire(gateway.port) as wire:
        await wire.send(SECRET.encode() + b" / HTTP/1.1\r\n\r\n")
        assert SECRET not in (await wire.answer()).body.decode()
    await assert_untold(gateway)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
async def test_a_runtime_that_quotes_the_prompt_is_not_quoted(
    start_gateway: StartGateway, status: int, *, stream: bool
) -> None:
    async def quote(exchange: Exchange) -> None:
        message = f"cannot answer {exchange.json['messages'][0]['content']!r}"
        await exchange.answer({"error": {"message": message}}, status)

    async with FakeFoundry(chat=quote) as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model")
        answer = await ask(gateway, chat_body(SECRET, stream=stream))
        assert SECRET in answer.body.decode()
        await assert_untold(gateway)
        last = gateway.status()["last_error"]
    if status in (404, 500, 503):
        assert last["code"] == "upstream_error"
        assert last["problem"] == last["message"]
        assert last["problem"].startswith("Foundry Local failed")
        assert last["remedy"]
    else:
        assert last is None


async def test_a_load_that_fails_does_not_tell_which_name_was_asked_for(
    start_gateway: StartGateway,
) -> None:
    async def fail(exchange: Exchange) -> None:
        if exchange.path.startswith("/models/load/"):
            await exchange.answer({"error": {"message": f"no room for {exchange.path}"}}, 500)
        elif exchange.path == "/v1/models":
            await exchange.answer({"data": [{"id": f"{SECRET}-instruct-generic-cpu:1"}]})
        elif exchange.path == "/models/loaded":
            await exchange.answer([])
        else:
            await exchange.answer({"modelCachePath": "/m", "endpoints": []})

    async with FakeFoundry(everything=fail) as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model")
        async with asyncio.timeout(10):
            while not fake.asked("/models/load/"):  # until then it does not know the name
                answer = await ask(gateway, chat_body(model=SECRET))
                assert answer.status in (404, 503)
        await assert_untold(gateway)
