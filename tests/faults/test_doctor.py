"""Every fault done for real outside containers; the doctor names its cause, and no other.

No Docker engine answers here, which the doctor says too: it goes on regardless.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import pytest

from support.chat_stack import ChatStack
from support.doctor import Examination, examine
from support.foundry import Foundry, get_json, start_foundry_v2
from support.gateway import Gateway, StartGateway
from support.healthcheck import Line, SmallDisk, start_healthcheck, start_prometheus
from support.processes import dead_port

DOCKER_ALONE = ["docker"]


@dataclass(frozen=True)
class Pair:
    """Foundry Local and a gateway in front of it."""

    foundry: Foundry
    gateway: Gateway


@pytest.fixture
def pair(start_gateway: StartGateway) -> Iterator[Pair]:
    """Both of this test alone, to be stopped and frozen."""
    with start_foundry_v2() as foundry:
        gateway = start_gateway(
            foundry.url, MODEL="foundry-demo", GATEWAY_REFRESH_INTERVAL_IDLE="0.5"
        )
        gateway.wait_until(lambda status: status["ready"], "ready", 60)
        yield Pair(foundry, gateway)


def look(folder: Path, runs: Pair | ChatStack, **settings: str) -> Examination:
    app = {"CHAINLIT_PORT": port_of(runs.app.url)} if isinstance(runs, ChatStack) else {}
    return examine(
        folder,
        **{
            "FOUNDRY_URL": runs.foundry.url,
            "MODEL": "foundry-demo",
            "GATEWAY_PORT": str(runs.gateway.port),
            **app,
            **settings,
        },
    )


def port_of(url: str) -> str:
    return str(urlsplit(url).port)


def test_with_nothing_wrong_but_docker_only_docker_is_named(
    chat_stack: ChatStack, tmp_path: Path
) -> None:
    found = look(tmp_path, chat_stack)
    assert found.failed == DOCKER_ALONE, found.text
    assert found.code == 1
    assert found.check("foundry")["facts"]["generation"] == "v2"
    assert found.check("foundry")["facts"]["pid"] == chat_stack.foundry.pid
    for name in ("foundry-from-containers", "models", "gateway", "chainlit", "chainlit-socket"):
        assert found.check(name)["state"] == "ok", found.text
    assert found.check("models")["facts"]["loaded"] == ["foundry-demo"]


def test_a_stopped_foundry_local(pair: Pair, tmp_path: Path) -> None:
    pair.foundry.stop()
    pair.gateway.wait_until(lambda status: not status["ready"], "noticed", 60)
    found = look(tmp_path, pair)
    assert found.failed == [*DOCKER_ALONE, f"foundry.{pair.foundry.port}"], found.text
    cause = found.check("foundry")
    # Where another one runs on this machine it may be meant: tests/unit tells the words apart.
    assert f"nothing listens at {pair.foundry.url}" in cause["message"]
    assert cause["facts"]["problem"] == "refused"
    assert "foundry_host.py --model foundry-demo" in cause["remedy"]
    assert found.check("models")["message"] == ("not checked because Foundry Local does not answer")
    assert "waits for Foundry Local" in found.check("gateway")["message"]


async def whatever_comes(content: aiohttp.StreamReader) -> bytes:
    """What has been sent so far: until nothing more comes."""
    received = b""
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.5):
                piece = await content.readany()
            if not piece:
                return received
            received += piece
    return received


async def test_a_foundry_local_stopped_in_the_middle_of_an_answer(
    pair: Pair, tmp_path: Path
) -> None:
    question = {"role": "user", "content": "count from 1 to 200"}
    body = {"messages": [question], "stream": True, "max_tokens": 900}
    url = f"{pair.gateway.base_url}/chat/completions"
    async with aiohttp.ClientSession(headers=pair.gateway.headers) as session:
        for _ in range(10):
            async with session.post(url, json=body) as answer:
                pair.foundry.process.send_signal(signal.SIGSTOP)
                begun = await whatever_comes(answer.content)
                if begun and b"[DONE]" not in begun:
                    pair.foundry.process.kill()
                    assert b'"error"' in await answer.content.read()
                    break
            pair.foundry.process.send_signal(signal.SIGCONT)
        else:
            raise AssertionError("each answer was complete before it could be stopped")
    pair.foundry.process.wait()
    found = look(tmp_path, pair)
    assert f"nothing listens at {pair.foundry.url}" in found.check("foundry")["message"]
    told = found.check("gateway.last-error")
    assert told["facts"]["code"] in {"upstream_error", "foundry_unreachable"}, told
    assert told["remedy"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the state of a process from /proc")
def test_a_frozen_foundry_local(pair: Pair, tmp_path: Path) -> None:
    os.kill(pair.foundry.pid, signal.SIGSTOP)
    try:
        found = look(tmp_path, pair)
    finally:
        os.kill(pair.foundry.pid, signal.SIGCONT)
    assert found.failed == [*DOCKER_ALONE, f"foundry.{pair.foundry.port}"], found.text
    cause = found.check("foundry")
    assert cause["message"].startswith("frozen: ")
    assert f"process {pair.foundry.pid}" in cause["message"]
    assert cause["remedy"].startswith(f"kill -CONT {pair.foundry.pid} ")


def test_a_wrong_port(foundry_v2: Foundry, start_gateway: StartGateway, tmp_path: Path) -> None:
    wrong = f"http://127.0.0.1:{dead_port()}"
    gateway = start_gateway(wrong, MODEL="foundry-demo")
    found = examine(
        tmp_path, FOUNDRY_URL=wrong, MODEL="foundry-demo", GATEWAY_PORT=str(gateway.port)
    )
    cause = found.check("foundry")
    assert cause["state"] == "failed"
    assert cause["message"].startswith(f"wrong port: nothing listens at {wrong}; ")
    assert str(foundry_v2.port) in cause["message"]
    assert "FOUNDRY_URL=http://127.0.0.1:" in cause["remedy"]


def test_a_port_of_another_program(start_gateway: StartGateway, tmp_path: Path) -> None:
    with canned({"/status": {"hello": "world"}}) as port:
        wrong = f"http://127.0.0.1:{port}"
        gateway = start_gateway(wrong, MODEL="foundry-demo")
        found = examine(tmp_path, FOUNDRY_URL=wrong, GATEWAY_PORT=str(gateway.port))
    cause = found.check("foundry")
    assert cause["message"].startswith("wrong port: ")
    assert f"process {os.getpid()}" in cause["message"]
    assert cause["facts"]["problem"] == "not_foundry"


def test_an_unloaded_model(pair: Pair, tmp_path: Path) -> None:
    pair.foundry.get_json("/models/unload/foundry-demo")
    nothing = "nothing loaded"
    pair.gateway.wait_until(
        lambda now: all(one["foundry"]["state"] != "loaded" for one in now["models"]), nothing, 60
    )
    found = look(tmp_path, pair)
    assert found.failed == DOCKER_ALONE, found.text
    told = found.check("models")
    assert told["state"] == "warning"
    assert told["message"].startswith("no model is loaded")
    assert told["remedy"].startswith("Ask a question, or load it now: ")
    assert told["remedy"].endswith("foundry-demo")


def test_a_killed_gateway(
    chat_stack: ChatStack, start_gateway: StartGateway, tmp_path: Path
) -> None:
    gateway = start_gateway(chat_stack.foundry.url, MODEL="foundry-demo")
    gateway.process.kill()
    gateway.process.wait()
    found = look(tmp_path, chat_stack, GATEWAY_PORT=str(gateway.port))
    assert found.failed == [*DOCKER_ALONE, "gateway"], found.text
    assert found.check("gateway")["message"] == f"nothing listens at {gateway.url}"
    assert found.check("gateway")["remedy"].startswith("docker compose up -d gateway")
    assert found.check("chainlit")["state"] == "ok"
    assert found.check("foundry")["state"] == "ok"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the state of a process from /proc")
def test_a_frozen_gateway(pair: Pair, tmp_path: Path) -> None:
    os.kill(pair.gateway.pid, signal.SIGSTOP)
    try:
        found = look(tmp_path, pair)
    finally:
        os.kill(pair.gateway.pid, signal.SIGCONT)
    told = found.check("ports.gateway")
    assert told["state"] == "failed"
    assert f"(process {pair.gateway.pid}), which is frozen" in told["message"]
    assert told["remedy"].startswith(f"kill -CONT {pair.gateway.pid} ")


@pytest.mark.parametrize("rule", ["refuse", "swallow"])
def test_a_dead_socket_behind_a_page_that_is_fine(
    chat_stack: ChatStack, tmp_path: Path, rule: Literal["refuse", "swallow"]
) -> None:
    with Line(chat_stack.app.url, mark=b"GET /ws/", rule=rule) as line:
        found = look(tmp_path, chat_stack, CHAINLIT_PORT=port_of(line.url))
    assert found.failed == [*DOCKER_ALONE, "chainlit-socket"], found.text
    assert found.check("chainlit")["state"] == "ok"
    told = found.check("chainlit-socket")
    assert told["facts"]["reason"] == "handshake_failed"
    assert told["facts"]["step"] == "upgrade"
    assert "its socket is dead" in told["message"]
    assert told["remedy"].startswith("docker compose restart chainlit")


def test_a_prometheus_with_a_full_disk(chat_stack: ChatStack, tmp_path: Path) -> None:
    with SmallDisk() as disk, start_prometheus(disk.path / "data", scrape_interval="1s") as url:
        prometheus = {"PROMETHEUS_PORT": port_of(url)}
        wait_for_a_sample(url)
        well = look(tmp_path, chat_stack, **prometheus)
        assert well.failed == DOCKER_ALONE, well.text
        disk.fill()
        full = eventually_failed(tmp_path, chat_stack, prometheus)
    assert full.failed == [*DOCKER_ALONE, "prometheus"], full.text
    told = full.check("prometheus")
    assert told["facts"]["reason"] == "storage_failed"
    assert "its disk is full" in told["message"]
    assert "docker system df" in told["remedy"]


def wait_for_a_sample(prometheus_url: str) -> None:
    deadline = time.monotonic() + 60
    while not get_json(f"{prometheus_url}/api/v1/query?query=up")["data"]["result"]:
        assert time.monotonic() < deadline, "no sample"
        time.sleep(0.1)


def eventually_failed(folder: Path, runs: ChatStack, settings: dict[str, str]) -> Examination:
    """What the doctor says once Prometheus has tried to write: within a few scrapes."""
    for _ in range(30):
        found = look(folder, runs, **settings)
        if "prometheus" in found.failed:
            break
    return found


def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = examine(tmp_path, CHAINLIT_PORT=str(port))
    told = found.check("ports.chainlit")
    assert told["state"] == "failed"
    assert told["facts"]["port"] == port
    assert told["facts"]["pid"] == os.getpid()
    assert f"(process {os.getpid()})" in told["message"]
    assert "CHAINLIT_PORT" in told["remedy"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere containers reach the loopback")
def test_a_foundry_local_that_listens_on_loopback_alone(
    foundry_v2: Foundry, tmp_path: Path
) -> None:
    url = f"http://host.docker.internal:{foundry_v2.port}"
    found = examine(tmp_path, FOUNDRY_URL=url, MODEL="foundry-demo")
    assert found.check("foundry")["state"] == "ok"
    told = found.check("foundry-from-containers")
    assert told["state"] == "failed"
    assert told["facts"]["reason"] == "loopback_only"
    assert told["message"].startswith("it listens on 127.0.0.1 only")
    assert "foundry_host.py --model foundry-demo" in told["remedy"]


def test_an_address_that_a_container_takes_for_itself(foundry_v2: Foundry, tmp_path: Path) -> None:
    found = examine(tmp_path, FOUNDRY_URL=foundry_v2.url, MODEL="foundry-demo")
    told = found.check("foundry-from-containers")
    assert told["state"] == "failed"
    assert "the container itself" in told["message"]
    assert f"FOUNDRY_URL=http://host.docker.internal:{foundry_v2.port}" in told["remedy"]


def test_no_such_model(foundry_v2: Foundry, start_gateway: StartGateway, tmp_path: Path) -> None:
    gateway = start_gateway(foundry_v2.url, MODEL="no-such-model")
    gateway.wait_until(lambda status: status["ready"], "ready", 60)
    port = str(gateway.port)
    found = examine(tmp_path, FOUNDRY_URL=foundry_v2.url, MODEL="no-such-model", GATEWAY_PORT=port)
    assert found.failed == [*DOCKER_ALONE, "models"], found.text
    told = found.check("models")
    assert told["message"].startswith("no such model: Foundry Local knows no no-such-model")
    assert "foundry-demo" in told["facts"]["alternatives"]
    assert "Set MODEL to one of these" in told["remedy"]


def test_no_such_model_without_a_gateway_to_ask(foundry_v2: Foundry, tmp_path: Path) -> None:
    found = examine(tmp_path, FOUNDRY_URL=foundry_v2.url, MODEL="no-such-model")
    told = found.check("models")
    assert told["message"].startswith("no such model: ")
    assert "foundry-demo" in told["facts"]["alternatives"]


def test_what_only_the_health_probe_finds_is_passed_on(
    chat_stack: ChatStack, tmp_path: Path
) -> None:
    """The probe looks through a line that the doctor cannot see, as from inside a container."""
    with (
        Line(chat_stack.app.url, mark=b"GET /ws/", rule="swallow") as line,
        start_healthcheck(
            FOUNDRY_URL=chat_stack.foundry.url,
            GATEWAY_URL=chat_stack.gateway.url,
            GATEWAY_API_KEY=chat_stack.gateway.key,
            CHAINLIT_URL=line.url,
        ) as probe,
    ):
        red = probe.wait_until_red("chainlit-socket", "handshake_failed")
        found = look(tmp_path, chat_stack, HEALTHCHECK_PORT=port_of(probe.url))
    assert found.failed == [*DOCKER_ALONE, "healthcheck.chainlit-socket"], found.text
    told = found.check("healthcheck.chainlit-socket")
    assert f"(handshake_failed): {red['message']}" in told["message"]
    assert told["remedy"] == red["remedy"]
    assert told["title"] == red["title"]


def test_what_the_health_probe_sees_too_is_not_said_twice(pair: Pair, tmp_path: Path) -> None:
    with start_healthcheck(
        FOUNDRY_URL=pair.foundry.url,
        GATEWAY_URL=pair.gateway.url,
        GATEWAY_API_KEY=pair.gateway.key,
    ) as probe:
        probe.wait_until_green()
        pair.foundry.stop()
        probe.wait_until_red("foundry", "refused")
        pair.gateway.wait_until(lambda status: not status["ready"], "noticed", 60)
        found = look(tmp_path, pair, HEALTHCHECK_PORT=port_of(probe.url))
    assert found.failed == [*DOCKER_ALONE, f"foundry.{pair.foundry.port}"], found.text
    told = found.check("healthcheck")
    assert told["state"] == "info"
    assert told["facts"]["down"]["foundry"] == "refused"


has_docker = pytest.mark.skipif(shutil.which("docker") is None, reason="asks Docker's client")


@has_docker
@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Docker listens on a pipe there")
def test_a_docker_engine_that_hangs(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen(64)
        found = examine(tmp_path, DOCKER_HOST=f"unix://{path}")
    assert found.seconds < 35
    assert "docker" in found.failed
    assert "does not answer" in found.check("docker")["message"]
    assert found.check("stack")["message"] == "not checked because Docker does not answer"


@has_docker
def test_a_docker_engine_that_is_not_running(tmp_path: Path) -> None:
    found = examine(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    told = found.check("docker")
    assert told["state"] == "failed"
    assert f"No Docker engine answers at DOCKER_HOST=unix://{tmp_path}" in told["message"]
    assert "unset DOCKER_HOST" in told["remedy"]
    for name in ("compose", "stack"):
        assert found.check(name)["message"] == "not checked because Docker does not answer"
    assert found.check("gateway")["message"] == "not checked because Docker does not answer"


def test_it_ends_in_time_where_everything_hangs(tmp_path: Path) -> None:
    """Each port accepts connections and never answers; one check must not wait for another."""
    with contextlib.ExitStack() as open_ports:
        ports = []
        for _ in range(4):
            silent = open_ports.enter_context(socket.socket())
            silent.bind(("127.0.0.1", 0))
            silent.listen(64)
            ports.append(str(silent.getsockname()[1]))
        found = examine(
            tmp_path,
            FOUNDRY_URL=f"http://127.0.0.1:{ports[0]}",
            GATEWAY_PORT=ports[1],
            CHAINLIT_PORT=ports[2],
            OPEN_WEBUI_PORT=ports[3],
        )
    assert found.seconds < 35
    assert {"ports.gateway", "ports.chainlit", "ports.open-webui"} <= set(found.failed)
    assert found.check("foundry")["message"].startswith("frozen or overloaded: ")


@contextlib.contextmanager
def canned(routes: dict[str, object]) -> Iterator[int]:
    """A web server that answers these routes with JSON."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(routes.get(self.path)).encode()
            self.send_response(200 if self.path in routes else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
