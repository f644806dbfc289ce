"""The prober in front of the real chain: Foundry Local, the gateway, the chat app."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import urllib.request
from typing import TYPE_CHECKING

import pytest

from support.foundry import DEMO_ALIAS, DEMO_VARIANT, Foundry, start_foundry_v2
from support.gateway import Gateway, run_gateway
from support.healthcheck import Healthcheck, part_of, probe_once, sample, start_healthcheck
from support.monitored import run_hasty_prometheus
from support.processes import dead_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.chat_stack import ChatStack

GEN_AI = "gen_ai_client_operation"
DOCKERS_PATIENCE = 10.0
"""Seconds from SIGTERM to SIGKILL where `compose.yaml` says nothing else."""


@pytest.fixture(scope="module")
def healthcheck(chat_stack: ChatStack) -> Iterator[Healthcheck]:
    with start_healthcheck(
        FOUNDRY_URL=chat_stack.foundry.url,
        EMBEDDED_URL="http://foundry-local:51211",
        GATEWAY_URL=chat_stack.gateway.url,
        GATEWAY_API_KEY=chat_stack.gateway.key,
        CHAINLIT_URL=chat_stack.app.url,
        HEALTHCHECK_CHAT_INTERVAL="2",
        HEALTHCHECK_INTERVAL="2",
    ) as running:
        running.wait_until_green()
        yield running


def test_the_status_has_every_part_with_what_it_found(
    healthcheck: Healthcheck, chat_stack: ChatStack
) -> None:
    status = healthcheck.wait_until_green()
    assert set(status) == {
        *("status", "summary", "version", "now", "started", "parts", "alerts", "containers")
    }
    names = [part["name"] for part in status["parts"]]
    assert names == ["chat", "foundry", "gateway", "chainlit", "chainlit-socket"]
    assert status["containers"] == {"enabled": False, "items": [], "error": None}
    for part in status["parts"]:
        assert (part["state"], part["reason"], part["remedy"]) == ("up", None, None)
        assert part["last_success"] <= status["now"]
        assert part["history"][-1]["outcome"] == "up"
    foundry = part_of(status, "foundry")["facts"]
    assert (foundry["url"], foundry["dialect"]) == (chat_stack.foundry.url, "v2")
    assert foundry["models"] == DEMO_VARIANT
    chat = part_of(status, "chat")
    assert chat["facts"]["model"] == DEMO_ALIAS
    assert 0 < chat["facts"]["time_to_first_chunk_seconds"] < chat["duration_seconds"]
    assert 0 < chat["facts"]["tokens"] <= 16
    assert chat["history"][-1]["value"] == pytest.approx(
        chat["facts"]["time_to_first_chunk_seconds"]
    )
    assert "began after" in status["summary"]


def test_an_alert_that_fires_is_in_the_status_and_nothing_is_well(
    healthcheck: Healthcheck, chat_stack: ChatStack, tmp_path: Path
) -> None:
    assert healthcheck.status()["alerts"] == {"items": [], "error": None, "told": True}
    nowhere = f"127.0.0.1:{dead_port()}"
    with (
        run_hasty_prometheus(tmp_path, {}, nowhere) as prometheus,
        start_healthcheck(
            FOUNDRY_URL=chat_stack.foundry.url,
            GATEWAY_URL=chat_stack.gateway.url,
            GATEWAY_API_KEY=chat_stack.gateway.key,
            PROMETHEUS_URL=prometheus.url,
            HEALTHCHECK_INTERVAL="1",
        ) as watching,
    ):
        status = watching.wait_until(lambda status: status["alerts"]["items"], "an alert")
        (alert,) = status["alerts"]["items"]
        assert (alert["name"], alert["severity"], alert["told"]) == ("Example", "ticket", False)
        assert status["status"] != "up"
        prometheus.process.kill()
        status = watching.wait_until(lambda status: status["alerts"]["error"], "that it is away")
        assert status["alerts"]["items"] == []


def test_the_metrics_count_what_the_gateway_counts(
    healthcheck: Healthcheck, chat_stack: ChatStack
) -> None:
    labels = {"client": "healthcheck", "gen_ai_request_model": DEMO_ALIAS}
    name = f"{GEN_AI}_duration_seconds_count"
    healthcheck.wait_until(lambda _: (healthcheck.metric(name, **labels) or 0) >= 2, "two answers")
    metrics = healthcheck.get("/metrics")[1]
    asked = sample(metrics, name, **labels)
    assert asked
    assert chat_stack.gateway.metric(name, **labels) >= asked
    assert sample(metrics, f"{GEN_AI}_time_to_first_chunk_seconds_count", **labels) == asked
    assert sample(metrics, "gen_ai_client_token_usage_count", gen_ai_token_type="output") == asked
    assert sample(metrics, "probe_success", probe="chat", module="chat") == 1
    info = {"dialect": "v2", "url": chat_stack.foundry.url}
    assert sample(metrics, "foundry_healthcheck_foundry_info", **info) == 1
    assert sample(metrics, "foundry_healthcheck_foundry_models_loaded") == 1
    assert sample(metrics, "process_resident_memory_bytes")
    assert "_created" not in metrics
    assert chat_stack.gateway.key not in metrics


def test_a_probe_on_demand_has_its_own_registry_and_log(
    healthcheck: Healthcheck, chat_stack: ChatStack
) -> None:
    url = chat_stack.foundry.url
    status, text = healthcheck.get(f"/probe?module=foundry&target={url}")
    assert status == 200
    assert sample(text, "probe_success") == 1
    assert (sample(text, "probe_duration_seconds") or 0) > 0
    assert sample(text, "probe_foundry_models_loaded") == 1
    assert sample(text, "probe_failed_due_to_reason", reason="refused") == 0
    assert "foundry_healthcheck" not in text
    status, text = healthcheck.get(f"/probe?module=foundry&target={url}&debug=true")
    assert f"GET {url}/models/loaded: 200" in text
    assert "probe_success 1.0" in text


def test_the_scrapes_timeout_bounds_the_probe(
    healthcheck: Healthcheck, chat_stack: ChatStack
) -> None:
    path = f"/probe?module=chat&target={chat_stack.gateway.url}&debug=true"
    scrape = "X-Prometheus-Scrape-Timeout-Seconds"
    assert "at most 4.5 s" in healthcheck.get(path, {scrape: "5"})[1]
    assert "at most 60 s" in healthcheck.get(path, {scrape: "120"})[1]
    assert healthcheck.get(path, {scrape: "soon"})[0] == 400


@pytest.mark.parametrize(
    ("module", "target", "says"),
    [
        ("foundry", "http://169.254.169.254", "only configured addresses"),
        ("http", "http://127.0.0.1:22/", "only configured addresses"),
        ("chat", "", "only configured addresses"),
        ("telnet", "http://127.0.0.1:1", "expected one of http, foundry, chat"),
    ],
)
def test_any_other_address_is_refused_and_the_allowed_ones_named(
    healthcheck: Healthcheck, module: str, target: str, says: str
) -> None:
    status, text = healthcheck.get(f"/probe?module={module}&target={target}")
    assert status == 400
    assert says in text


def test_the_page_may_load_nothing_from_elsewhere(healthcheck: Healthcheck) -> None:
    for path in ("/", "/static/status.js", "/static/status.css", "/static/icon.svg"):
        with urllib.request.urlopen(healthcheck.url + path, timeout=10) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.read()
    assert healthcheck.get("/static/index.html")[0] == 404
    assert healthcheck.get("/static/..%2f..%2fapp.py")[0] == 404


def test_the_command_line_probes_once(chat_stack: ChatStack) -> None:
    key = {"GATEWAY_API_KEY": chat_stack.gateway.key}
    code, outcome = probe_once("chat", chat_stack.gateway.url, **key)
    assert (code, outcome["outcome"], outcome["reason"]) == (0, "up", None)
    assert outcome["facts"]["tokens"] > 0
    code, outcome = probe_once("chat", chat_stack.gateway.url, GATEWAY_API_KEY="wrong-key")
    assert (code, outcome["reason"]) == (1, "unauthorized")
    assert outcome["remedy"]
    assert probe_once("websocket", chat_stack.app.url)[0] == 0


def test_the_older_generation_is_recognised_and_asked(
    foundry_v1: Foundry, gateway_v1: Gateway
) -> None:
    code, outcome = probe_once("foundry", foundry_v1.url)
    assert (code, outcome["facts"]["dialect"]) == (0, "v1")
    key = {"GATEWAY_API_KEY": gateway_v1.key}
    code, outcome = probe_once("chat", gateway_v1.url, **key)
    assert (code, outcome["outcome"]) == (0, "up")


def test_no_probe_leaves_a_session_in_the_chat_app(
    healthcheck: Healthcheck, chat_stack: ChatStack
) -> None:
    runs = "foundry_healthcheck_runs_total"
    before = healthcheck.metric(runs, probe="chainlit-socket") or 0
    chats = chat_stack.app.metric("foundry_chat_open_chats")
    healthcheck.wait_until(
        lambda _: (healthcheck.metric(runs, probe="chainlit-socket") or 0) >= before + 2,
        "two more looks at the live line",
    )
    healthcheck.wait_until(
        lambda _: chat_stack.app.metric("foundry_chat_open_chats") <= chats, "no chat left open"
    )
    assert healthcheck.part("chainlit-socket")["state"] == "up"


def test_users_come_first(chat_stack: ChatStack, tmp_path: Path) -> None:
    """One place, and a person's answer in it: the probe waits its turn outside."""
    with (
        run_gateway(
            tmp_path / "gateway.log",
            FOUNDRY_URL=chat_stack.foundry.url,
            MODEL=DEMO_ALIAS,
            GATEWAY_MAX_CONCURRENCY="1",
        ) as gateway,
        asking_all_the_time(gateway),
    ):
        gateway.wait_until(lambda status: status["queue"]["waiting"] > 0, "a queue")
        code, outcome = probe_once("chat", gateway.url, GATEWAY_API_KEY=gateway.key)
        assert (code, outcome["outcome"], outcome["reason"]) == (0, "skipped", "users_first")
        mine = {"client": "healthcheck"}
        assert gateway.metric(f"{GEN_AI}_duration_seconds_count", **mine) == 0


@contextlib.contextmanager
def asking_all_the_time(gateway: Gateway) -> Iterator[None]:
    """Three people who ask for a long answer again as soon as they have one."""
    enough = threading.Event()
    body = {"messages": [{"role": "user", "content": "Count from 1 to 200."}]}

    def ask() -> None:
        while not enough.is_set():
            request = urllib.request.Request(
                f"{gateway.base_url}/chat/completions",
                json.dumps(body).encode(),
                {**gateway.headers, "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()

    people = [threading.Thread(target=ask) for _ in range(3)]
    for person in people:
        person.start()
    try:
        yield
    finally:
        enough.set()
        for person in people:
            person.join(60)


def test_a_model_is_loaded_by_a_probe_only_when_told_to(tmp_path: Path) -> None:
    with (
        start_foundry_v2() as foundry,
        run_gateway(tmp_path / "gateway.log", FOUNDRY_URL=foundry.url, MODEL=DEMO_ALIAS) as gateway,
    ):
        gateway.wait_until(lambda status: status["ready"], "ready")
        # The gateway goes on believing that it is loaded for a while.
        foundry.get_json(f"/models/unload/{DEMO_ALIAS}")
        key = {"GATEWAY_API_KEY": gateway.key}
        code, outcome = probe_once("chat", gateway.url, **key)
        assert (code, outcome["outcome"], outcome["reason"]) == (0, "skipped", "model_not_loaded")
        assert "HEALTHCHECK_LOADS_MODELS" in outcome["remedy"]
        assert foundry.get_json("/models/loaded") == []
        code, outcome = probe_once("chat", gateway.url, HEALTHCHECK_LOADS_MODELS="yes", **key)
        assert (code, outcome["outcome"]) == (0, "up")
        assert foundry.get_json("/models/loaded") == [DEMO_VARIANT]


async def test_it_stops_at_once_in_the_middle_of_a_probe(chat_stack: ChatStack) -> None:
    """A listener that never answers keeps a run open; SIGTERM does not wait for it."""
    arrived = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with start_healthcheck(
            FOUNDRY_URL=url, GATEWAY_URL=chat_stack.gateway.url, HEALTHCHECK_TIMEOUT="120"
        ) as healthcheck:
            async with asyncio.timeout(30):
                await arrived.wait()
            healthcheck.process.terminate()
            code = await asyncio.to_thread(healthcheck.process.wait, DOCKERS_PATIENCE)
            assert code == 0
            assert "Traceback" not in healthcheck.output()
