"""Every fault done for real outside containers; the doctor names its cause, and no other.

No Docker engine answers here, which the doctor says too: it goes on regardless.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from support.chat_stack import ChatStack, start_chat_stack
from support.doctor import Examination, examine
from support.foundry import Foundry, free_port_pair, start_foundry_v2
from support.gateway import Gateway, StartGateway

DOCKER_ALONE = ["docker"]


def look(folder: Path, chain: ChatStack, **settings: str) -> Examination:
    return examine(
        folder,
        **{
            "FOUNDRY_URL": chain.foundry.url,
            "MODEL": "foundry-demo",
            "GATEWAY_PORT": str(chain.gateway.port),
            "CHAINLIT_PORT": str(urlsplit(chain.app.url).port),
            **settings,
        },
    )


@pytest.fixture
def chain() -> Iterator[ChatStack]:
    """Foundry Local, the gateway and the chat app of this test alone."""
    with (
        start_foundry_v2() as foundry,
        start_chat_stack(foundry, GATEWAY_REFRESH_INTERVAL_IDLE="0.5") as stack,
    ):
        stack.gateway.wait_until(lambda status: status["ready"], "ready", 60)
        yield stack


def test_with_nothing_wrong_but_docker_only_docker_is_named(chat_stack: ChatStack, tmp_path: Path):
    found = look(tmp_path, chat_stack)
    assert found.failed == DOCKER_ALONE, found.text
    assert found.code == 1
    assert found.check("foundry")["facts"]["generation"] == "v2"
    assert found.check("foundry")["facts"]["pid"] == chat_stack.foundry.pid
    for name in ("foundry-from-containers", "models", "gateway", "chainlit", "chainlit-socket"):
        assert found.check(name)["state"] == "ok", found.text
    assert found.check("models")["facts"]["loaded"] == ["foundry-demo"]


def test_a_stopped_foundry_local(chain: ChatStack, tmp_path: Path):
    chain.foundry.stop()
    chain.gateway.wait_until(lambda status: not status["ready"], "noticed", 60)
    found = look(tmp_path, chain)
    assert found.failed == [*DOCKER_ALONE, f"foundry.{chain.foundry.port}"], found.text
    cause = found.check("foundry")
    # Where another one runs on this machine it may be meant: tests/unit tells the words apart.
    assert f"nothing listens at {chain.foundry.url}" in cause["message"]
    assert cause["facts"]["problem"] == "refused"
    assert "foundry_host.py --model foundry-demo" in cause["remedy"]
    assert found.check("models")["message"] == (
        "not checked because Foundry Local does not answer"
    )
    assert "waits for Foundry Local" in found.check("gateway")["message"]


async def test_a_foundry_local_stopped_in_the_middle_of_an_answer(chain: ChatStack, tmp_path: Path):
    question = {"role": "user", "content": "count from 1 to 200"}
    body = {"messages": [question], "stream": True, "max_tokens": 900}
    url = f"{chain.gateway.base_url}/chat/completions"
    async with (
        aiohttp.ClientSession(headers=chain.gateway.headers) as session,
        session.post(url, json=body) as answer,
    ):
        await answer.content.readany()
        chain.foundry.process.kill()
        rest = await answer.content.read()
    assert b'"error"' in rest, "it must have been in the middle of its answer"
    chain.foundry.process.wait()
    found = look(tmp_path, chain)
    assert f"nothing listens at {chain.foundry.url}" in found.check("foundry")["message"]
    told = found.check("gateway.last-error")
    assert told["facts"]["code"] in {"upstream_error", "foundry_unreachable"}, told
    assert told["remedy"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the state of a process from /proc")
def test_a_frozen_foundry_local(chain: ChatStack, tmp_path: Path):
    os.kill(chain.foundry.pid, signal.SIGSTOP)
    try:
        found = look(tmp_path, chain)
    finally:
        os.kill(chain.foundry.pid, signal.SIGCONT)
    assert found.failed == [*DOCKER_ALONE, f"foundry.{chain.foundry.port}"], found.text
    cause = found.check("foundry")
    assert cause["message"].startswith("frozen: ")
    assert f"process {chain.foundry.pid}" in cause["message"]
    assert cause["remedy"].startswith(f"kill -CONT {chain.foundry.pid} ")


def test_a_wrong_port(foundry_v2: Foundry, start_gateway: StartGateway, tmp_path: Path):
    wrong = f"http://127.0.0.1:{free_port_pair()}"
    gateway = start_gateway(wrong, MODEL="foundry-demo")
    found = examine(
        tmp_path, FOUNDRY_URL=wrong, MODEL="foundry-demo", GATEWAY_PORT=str(gateway.port)
    )
    cause = found.check("foundry")
    assert cause["state"] == "failed"
    assert cause["message"].startswith(f"wrong port: nothing listens at {wrong}; ")
    assert str(foundry_v2.port) in cause["message"]
    assert "FOUNDRY_URL=http://127.0.0.1:" in cause["remedy"]


def test_a_port_of_another_program(start_gateway: StartGateway, tmp_path: Path):
    with canned({"/status": {"hello": "world"}}) as port:
        wrong = f"http://127.0.0.1:{port}"
        gateway = start_gateway(wrong, MODEL="foundry-demo")
        found = examine(tmp_path, FOUNDRY_URL=wrong, GATEWAY_PORT=str(gateway.port))
    cause = found.check("foundry")
    assert cause["message"].startswith("wrong port: ")
    assert f"process {os.getpid()}" in cause["message"]
    assert cause["facts"]["problem"] == "not_foundry"


def test_an_unloaded_model(chain: ChatStack, tmp_path: Path):
    chain.foundry.get_json("/models/unload/foundry-demo")
    nothing = "nothing loaded"
    chain.gateway.wait_until(
        lambda now: all(one["foundry"]["state"] != "loaded" for one in now["models"]), nothing, 60
    )
    found = look(tmp_path, chain)
    assert found.failed == DOCKER_ALONE, found.text
    told = found.check("models")
    assert told["state"] == "warning"
    assert told["message"].startswith("no model is loaded")
    assert told["remedy"].startswith("foundry model load foundry-demo")


def test_a_killed_gateway(chain: ChatStack, tmp_path: Path):
    chain.gateway.process.kill()
    chain.gateway.process.wait()
    found = look(tmp_path, chain)
    assert found.failed == [*DOCKER_ALONE, "gateway"], found.text
    assert found.check("gateway")["message"] == f"nothing listens at {chain.gateway.url}"
    assert found.check("gateway")["remedy"].startswith("docker compose up -d gateway")
    assert found.check("chainlit")["state"] == "ok"
    assert found.check("foundry")["state"] == "ok"


@pytest.mark.parametrize(
    ("manner", "step"), [("cut", "upgrade"), ("refuse", "upgrade"), ("silent", "upgrade")]
)
def test_a_dead_socket_behind_a_page_that_is_fine(
    chat_stack: ChatStack, tmp_path: Path, manner: str, step: str
):
    with socketless(chat_stack.app.url, manner) as port:
        found = look(tmp_path, chat_stack, CHAINLIT_PORT=str(port))
    assert found.failed == [*DOCKER_ALONE, "chainlit-socket"], found.text
    assert found.check("chainlit")["state"] == "ok"
    told = found.check("chainlit-socket")
    assert told["facts"] | {"reason": "handshake_failed", "step": step} == told["facts"]
    assert "its socket is dead" in told["message"]
    assert told["remedy"].startswith("docker compose restart chainlit")


def test_a_taken_port_is_named_with_its_holder(tmp_path: Path):
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
def test_a_foundry_local_that_listens_on_loopback_alone(foundry_v2: Foundry, tmp_path: Path):
    url = f"http://host.docker.internal:{foundry_v2.port}"
    found = examine(tmp_path, FOUNDRY_URL=url, MODEL="foundry-demo")
    assert found.check("foundry")["state"] == "ok"
    told = found.check("foundry-from-containers")
    assert told["state"] == "failed"
    assert told["facts"]["reason"] == "loopback_only"
    assert told["message"].startswith("it listens on 127.0.0.1 only")
    assert "foundry_host.py --model foundry-demo" in told["remedy"]


def test_an_address_that_a_container_takes_for_itself(foundry_v2: Foundry, tmp_path: Path):
    found = examine(tmp_path, FOUNDRY_URL=foundry_v2.url, MODEL="foundry-demo")
    told = found.check("foundry-from-containers")
    assert told["state"] == "failed"
    assert "the container itself" in told["message"]
    assert f"FOUNDRY_URL=http://host.docker.internal:{foundry_v2.port}" in told["remedy"]


def test_no_such_model(foundry_v2: Foundry, start_gateway: StartGateway, tmp_path: Path):
    gateway = start_gateway(foundry_v2.url, MODEL="no-such-model")
    gateway.wait_until(lambda status: status["ready"], "ready", 60)
    port = str(gateway.port)
    found = examine(tmp_path, FOUNDRY_URL=foundry_v2.url, MODEL="no-such-model", GATEWAY_PORT=port)
    assert found.failed == [*DOCKER_ALONE, "models"], found.text
    told = found.check("models")
    assert told["message"].startswith("no such model: Foundry Local knows no no-such-model")
    assert "foundry-demo" in told["facts"]["alternatives"]
    assert "Set MODEL to one of these" in told["remedy"]


def test_no_such_model_without_a_gateway_to_ask(foundry_v2: Foundry, tmp_path: Path):
    found = examine(tmp_path, FOUNDRY_URL=foundry_v2.url, MODEL="no-such-model")
    told = found.check("models")
    assert told["message"].startswith("no such model: ")
    assert "foundry-demo" in told["facts"]["alternatives"]


def test_what_the_health_probe_finds_is_passed_on(chat_stack: ChatStack, tmp_path: Path):
    down = {
        "name": "chat",
        "title": "An answer from the model",
        "module": "chat",
        "state": "down",
        "since": "2026-11-22T18:00:00Z",
        "reason": "stream_broken",
        "message": "The answer broke off after 3 chunks.",
        "remedy": "Restart Foundry Local.",
    }
    up = {**down, "name": "foundry", "state": "up", "reason": None}
    with canned({"/api/status": {"status": "down", "version": "1", "parts": [up, down]}}) as port:
        found = look(tmp_path, chat_stack, HEALTHCHECK_PORT=str(port))
    if found.check("healthcheck")["state"] == "skipped":
        pytest.skip("the stack has no health probe yet")
    assert found.failed == [*DOCKER_ALONE, "healthcheck.chat"], found.text
    told = found.check("healthcheck.chat")
    assert "(stream_broken): The answer broke off after 3 chunks." in told["message"]
    assert told["remedy"] == "Restart Foundry Local."


def test_it_ends_in_time_where_everything_hangs(tmp_path: Path):
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


@contextlib.contextmanager
def socketless(page_url: str, manner: str) -> Iterator[int]:
    """In front of the real chat app: passes its pages on, and kills its socket in some manner."""
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/ws/"):
                self._pass_on()
            elif manner == "refuse":
                self.send_error(502)
            elif manner == "silent":
                over.wait(60)
            self.close_connection = True

        def _pass_on(self) -> None:
            there = urlsplit(page_url)
            with socket.create_connection((there.hostname, there.port), 30) as line:
                line.sendall(f"GET {self.path} HTTP/1.0\r\nHost: {there.netloc}\r\n\r\n".encode())
                while piece := line.recv(65_536):
                    self.wfile.write(piece)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        over.set()
        server.shutdown()
        thread.join()
