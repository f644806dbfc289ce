"""Routes of the gateway: what is there, what is refused, and in which shape."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import urllib.request

import aiohttp
import pytest

from foundry_gateway.metrics import CLIENTS
from support.fake_foundry import VARIANT, Exchange, FakeFoundry, stream_forever
from support.foundry import Foundry
from support.gateway import SOURCE, Gateway, StartGateway
from support.processes import free_port_pair, python_path

CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}


async def call(
    gateway: Gateway, method: str, path: str, *, key: str | None = None, **more: object
) -> tuple[int, aiohttp.ClientResponse, str]:
    headers = {"Authorization": f"Bearer {gateway.key if key is None else key}"}
    if "data" in more:
        headers["Content-Type"] = "application/json"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, gateway.url + path, headers=headers, **more) as answer,  # type: ignore[arg-type]
    ):
        return answer.status, answer, await answer.text()


def json_file(body: object) -> io.BytesIO:
    """Return a body that is too large for the client to send in one piece."""
    return io.BytesIO(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/shutdown"),
        ("GET", "/models/unload/foundry-demo"),
        ("GET", "/models/load/foundry-demo"),
        ("GET", "/models/loaded"),
        ("GET", "/openai/unload/foundry-demo"),
        ("POST", "/v1/audio/transcriptions"),
        ("POST", "/v1/chat/completions/../../../shutdown"),
        ("GET", "/"),
    ],
)
async def test_everything_else_is_refused(
    gateway_v2: Gateway, foundry_v2: Foundry, method: str, path: str
) -> None:
    status, _, text = await call(gateway_v2, method, path)
    assert status == 404
    assert json.loads(text)["error"]["code"] == "invalid_request"
    assert foundry_v2.get_json("/models/loaded")


async def test_a_wrong_method_says_which_is_right(gateway_v2: Gateway) -> None:
    status, answer, text = await call(gateway_v2, "GET", "/v1/chat/completions")
    assert status == 405
    assert answer.headers["Allow"] == "POST"
    assert json.loads(text)["error"]["code"] == "invalid_request"


async def test_head_and_options_are_sane(gateway_v2: Gateway) -> None:
    assert (await call(gateway_v2, "HEAD", "/v1/models"))[0] == 200
    assert (await call(gateway_v2, "HEAD", "/health"))[0] == 200
    status, answer, _ = await call(gateway_v2, "OPTIONS", "/v1/chat/completions")
    assert status == 204
    assert answer.headers["Allow"] == "POST"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/x", "/v1/anything"])
@pytest.mark.parametrize("key", ["", "wrong", "wrong\u00e9"])
async def test_every_v1_route_wants_the_key(gateway_v2: Gateway, path: str, key: str) -> None:
    status, answer, text = await call(gateway_v2, "GET", path, key=key)
    assert status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    error = json.loads(text)["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")
    assert "`Authorization: Bearer <key>`" in error["remedy"]


@pytest.mark.parametrize("client", sorted(CLIENTS))
async def test_who_reads_of_a_wrong_key_on_a_page_is_not_asked_to_send_one(
    gateway_v2: Gateway, client: str
) -> None:
    fields = {"Authorization": "Bearer wrong", "X-Client": client}
    async with (
        aiohttp.ClientSession(headers=fields) as session,
        session.get(f"{gateway_v2.url}/v1/models") as answer,
    ):
        remedy = (await answer.json())["error"]["remedy"]
    assert answer.status == 401
    assert "--force-recreate" in remedy
    assert "Bearer" not in remedy


@pytest.mark.parametrize("path", ["/health", "/ready", "/status", "/metrics"])
async def test_looking_needs_no_key_and_shows_none(gateway_v2: Gateway, path: str) -> None:
    status, _, text = await call(gateway_v2, "GET", path, key="")
    assert status == 200
    assert gateway_v2.key not in text


async def test_without_a_key_set_nobody_is_asked_for_one(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(foundry_v2.url, MODEL="foundry-demo", GATEWAY_API_KEY="")
    assert (await call(gateway, "POST", "/v1/chat/completions", key="", json=CHAT))[0] == 200


async def test_a_request_without_a_model_gets_the_default(gateway_v2: Gateway) -> None:
    status, _, text = await call(gateway_v2, "POST", "/v1/chat/completions", json=CHAT)
    assert status == 200
    assert json.loads(text)["model"].startswith("foundry-demo")


@pytest.mark.parametrize(
    "name",
    ["foundry-demo", "FOUNDRY-DEMO", "foundry-demo-generic-cpu", "foundry-demo-generic-cpu:1"],
)
async def test_a_model_goes_by_alias_bare_name_or_variant(gateway_v2: Gateway, name: str) -> None:
    body = {**CHAT, "model": name}
    assert (await call(gateway_v2, "POST", "/v1/chat/completions", json=body))[0] == 200
    assert (await call(gateway_v2, "GET", f"/v1/models/{name}"))[0] == 200


async def test_a_body_over_the_limit_is_too_large(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(foundry_v2.url, GATEWAY_MAX_BODY_BYTES="2000000")
    big = {"messages": [{"role": "user", "content": "x" * 2_000_000}]}
    status, _, text = await call(gateway, "POST", "/v1/chat/completions", data=json_file(big))
    assert status == 413
    assert "GATEWAY_MAX_BODY_BYTES" in json.loads(text)["error"]["remedy"]


async def test_a_body_of_several_megabytes_is_taken(gateway_v2: Gateway) -> None:
    big = {**CHAT, "metadata": {"x": "y" * 5_000_000}}
    status, _, text = await call(gateway_v2, "POST", "/v1/chat/completions", data=json_file(big))
    assert status == 200, text


def test_models_carry_what_the_uis_show(gateway_v2: Gateway) -> None:
    listed = gateway_v2.get("/v1/models")[1]
    assert listed["object"] == "list"
    first = listed["data"][0]
    assert first["object"] == "model"
    assert first["foundry"] == {
        "variant": "foundry-demo-generic-cpu:1",
        "state": "loaded",
        "context_length": 4096,
        "default": True,
        "demo": True,
        "download": None,
        "display_name": "Foundry demo (built-in demo)",
    }


def test_models_are_listed_as_missing_while_foundry_is_away(start_gateway: StartGateway) -> None:
    gateway = start_gateway("http://127.0.0.1:1", MODEL="phi-4-mini", MODELS="qwen2.5-0.5b")
    status, listed = gateway.get("/v1/models")
    assert status == 200
    assert [one["id"] for one in listed["data"]] == ["phi-4-mini", "qwen2.5-0.5b"]
    assert {one["foundry"]["state"] for one in listed["data"]} == {"missing"}


def test_the_status_has_the_agreed_shape(gateway_v2: Gateway, foundry_v2: Foundry) -> None:
    status = gateway_v2.status()
    assert set(status) == {
        *("status", "ready", "version", "dialect", "upstreams", "default_model", "models"),
        *("downloads", "notices", "queue", "last_error"),
    }
    assert (status["status"], status["ready"], status["dialect"]) == ("ok", True, "v2")
    assert status["queue"] == {
        "active": 0,
        "waiting": 0,
        "limit": 8,
        "max_waiting": 64,
        "prompt_tokens": {"active": 0, "limit": 24_576},
        "bodies": {"held": 0, "limit": 60 * 1024 * 1024},
    }
    upstream = status["upstreams"][0]
    assert (upstream["url"], upstream["state"], upstream["active"]) == (foundry_v2.url, "up", True)
    assert upstream["error"] is None
    assert status["models"] == gateway_v2.get("/v1/models")[1]["data"]


async def test_downloads_and_notices_come_from_the_companion(start_gateway: StartGateway) -> None:
    progress = {"bytes": 1, "total_bytes": 2, "bytes_per_second": 3, "seconds_left": 4}
    companion = {
        "foundry_host": "0.1.0",
        "embedded": True,
        "models": [
            {
                "alias": "qwen2.5-0.5b",
                "variant": None,
                "state": "downloading",
                "progress": progress,
            },
            {"alias": "foundry-demo", "variant": VARIANT, "state": "loaded", "demo": True},
        ],
        "notices": [{"code": "public_catalog_unreachable", "message": "No catalog."}],
    }

    async def tell(exchange: Exchange) -> None:
        await exchange.answer(companion)

    port = free_port_pair()
    async with FakeFoundry(port=port), FakeFoundry(port=port + 1, everything=tell):
        gateway = start_gateway(f"http://127.0.0.1:{port}")
        status = await gateway.eventually(lambda status: status["ready"], "ready")
        code, _, text = await call(gateway, "POST", "/v1/chat/completions", json=CHAT)
        assert code == 200, text
        named = {**CHAT, "model": "qwen2.5-0.5b"}
        refused = json.loads((await call(gateway, "POST", "/v1/chat/completions", json=named))[2])
    expected = {**progress, "percent": None}
    assert status["default_model"] == "foundry-demo"
    assert status["upstreams"][0]["embedded"] is True
    assert status["downloads"] == [{"alias": "qwen2.5-0.5b", "state": "downloading", **expected}]
    assert status["notices"] == companion["notices"]
    download = [
        one["foundry"]["download"] for one in status["models"] if one["id"] != "foundry-demo"
    ]
    assert expected in download
    assert refused["error"]["code"] == "model_not_cached"
    assert "being downloaded" in refused["error"]["message"]


def test_not_ready_says_why(foundry_v2: Foundry, start_gateway: StartGateway) -> None:
    away = start_gateway("http://127.0.0.1:1")
    status, body = away.get("/ready")
    assert (status, body["error"]["code"]) == (503, "foundry_unreachable")
    assert away.metric("foundry_gateway_ready") == 0
    missing = start_gateway(foundry_v2.url, MODEL="foundry-demo")
    assert missing.get("/ready") == (200, {"ready": True})
    assert missing.metric("foundry_gateway_ready") == 1


def test_metrics_count_tokens_by_model_and_client(gateway_v2: Gateway) -> None:
    labels = {"gen_ai_request_model": "foundry-demo", "client": "chainlit"}
    name = "gen_ai_client_token_usage_sum"
    before = gateway_v2.metric(name, gen_ai_token_type="output", **labels)
    # Long enough that the stream cannot arrive in one piece: time per chunk needs two.
    count = [{"role": "user", "content": "Count to 200."}]
    long = {"messages": count, "max_tokens": 200, "temperature": 0}
    for stream in (True, False):
        body = {**long, "model": "foundry-demo-generic-cpu:1", "stream": stream}
        request = urllib.request.Request(
            f"{gateway_v2.base_url}/chat/completions",
            json.dumps(body).encode(),
            {**gateway_v2.headers, "X-Client": "chainlit", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert b'"usage"' not in answer.read() or not stream
    assert gateway_v2.metric(name, gen_ai_token_type="output", **labels) == before + 400
    assert gateway_v2.metric(name, gen_ai_token_type="input", **labels) > 0
    for metric in ("time_to_first_chunk", "time_per_output_chunk"):
        assert gateway_v2.metric(f"gen_ai_client_operation_{metric}_seconds_count", **labels) > 0


async def test_a_nul_character_does_not_cut_the_prompt(gateway_v2: Gateway) -> None:
    counts = []
    for text in ("Count from 1 to 5, \0please.", "Count from 1 to 5, please."):
        body = {"model": "foundry-demo", "messages": [{"role": "user", "content": text}]}
        _, _, answer = await call(gateway_v2, "POST", "/v1/chat/completions", json=body)
        counts.append(json.loads(answer)["usage"]["prompt_tokens"])
    assert counts[0] == counts[1]


async def test_made_up_model_names_do_not_become_labels(gateway_v2: Gateway) -> None:
    for number in range(5):
        body = {**CHAT, "model": f"made-up-{number}"}
        assert (await call(gateway_v2, "POST", "/v1/chat/completions", json=body))[0] == 404
    _, _, metrics = await call(gateway_v2, "GET", "/metrics")
    assert "made-up" not in metrics
    name = "gen_ai_client_operation_duration_seconds_count"
    assert (
        gateway_v2.metric(name, error_type="model_not_found", gen_ai_request_model="unknown") >= 5
    )


async def test_prompts_never_reach_the_log(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(foundry_v2.url, MODEL="foundry-demo", GATEWAY_LOG_LEVEL="DEBUG")
    for body in (
        {**CHAT, "messages": [{"role": "user", "content": "xyzzy-secret"}]},
        {"messages": "xyzzy-secret"},
        {**CHAT, "messages": [{"role": "user", "content": "xyzzy-secret"}], "temperature": 9},
    ):
        await call(gateway, "POST", "/v1/chat/completions", json=body)
    assert "chat model=" in gateway.log
    assert "xyzzy" not in gateway.log


async def test_running_answers_may_finish_on_sigterm(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(foundry_v2.url, MODEL="foundry-demo")
    body = {**CHAT, "messages": [{"role": "user", "content": "Count from 1 to 200."}]}
    body |= {"stream": True}
    async with (
        aiohttp.ClientSession(headers=gateway.headers) as session,
        session.post(f"{gateway.base_url}/chat/completions", json=body) as answer,
    ):
        text = await answer.content.readany()
        os.kill(gateway.pid, signal.SIGTERM)
        text += await answer.content.read()
    assert text.endswith(b"data: [DONE]\n\n")
    assert gateway.process.wait(10) == 0


async def test_an_endless_answer_ends_with_an_error_event_on_sigterm(
    start_gateway: StartGateway,
) -> None:
    async with FakeFoundry(chat=stream_forever) as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model", GATEWAY_SHUTDOWN_GRACE="0.3")
        async with (
            aiohttp.ClientSession(headers=gateway.headers) as session,
            session.post(
                f"{gateway.base_url}/chat/completions", json={**CHAT, "stream": True}
            ) as answer,
        ):
            await answer.content.readany()
            os.kill(gateway.pid, signal.SIGTERM)
            text = await answer.text()
        assert json.loads(text.rpartition("data: ")[2])["error"]["code"] == "upstream_error"
        assert gateway.process.wait(10) == 0


def command(gateway: Gateway | None, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": python_path(SOURCE), **env}
    if gateway is not None:
        environment |= {"GATEWAY_PORT": str(gateway.port), "GATEWAY_API_KEY": gateway.key}
    return subprocess.run(
        [sys.executable, "-m", "foundry_gateway", *args],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_the_healthcheck_tells_a_running_gateway_from_none(gateway_v2: Gateway) -> None:
    assert command(gateway_v2, "healthcheck").returncode == 0
    assert command(None, "healthcheck", GATEWAY_PORT="1").returncode == 1


def test_the_key_can_be_printed(gateway_v2: Gateway) -> None:
    assert command(gateway_v2, "api-key").stdout == gateway_v2.key + "\n"


def test_a_bad_setting_ends_it_with_its_name() -> None:
    ended = command(None, GATEWAY_PORT="eight")
    assert ended.returncode == 2
    assert "GATEWAY_PORT" in ended.stderr
