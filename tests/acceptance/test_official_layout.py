"""The stack on images with the layout of the official ones, from a checkout under umask 077.

What these images are, and what they cannot prove, is in docs/images.md.
"""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support import engine, lookalike
from support.lookalike import NAME, Lookalike
from support.stack import eventually, get

PYTHON_SERVICES = ("gateway", "chainlit", "open-webui", "healthcheck", "foundry-local")
BUSYBOX_SERVICES = ("edge", "webgpu-static", "docker-view", "prometheus", "grafana")
BUILD_SECONDS = 1500
BUILT_BY_UP = f"{NAME}/secrets:0.1.0"
KILLED = 137
# Does what a health check does, and names the modules that it had to compile.
COMPILED = """
import contextlib, importlib.machinery, json, os, runpy, sys
code, *sys.argv = json.loads(sys.argv[1])
with contextlib.suppress(SystemExit):
    if code == "-c":
        exec(sys.argv.pop(0), {})
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
print("missing:", [
    spec.name for spec in specs
    if spec and isinstance(spec.loader, importlib.machinery.SourceFileLoader)
    and not os.access(spec.cached, os.R_OK)
])
"""
# What Docker itself adds to a container: its init, and where mounts go.
DOCKERS_OWN = re.compile(r"(?:/usr)?(?:/s?bin)?(?:/docker-init)?")


@dataclass(frozen=True)
class Started:
    """The stack as the first `docker compose up` on a machine left it."""

    stack: Lookalike
    told: str
    containers: dict[str, Any]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    stack = lookalike.prepare(tmp_path_factory.mktemp("lookalike"))
    down = ("down", "--volumes", "--remove-orphans", "--timeout", "5")
    stack.compose(*down)
    try:
        stack.compose("build", seconds=BUILD_SECONDS)
        engine.client().images.remove(BUILT_BY_UP)
        told = stack.compose("up", "--detach", "--wait")
        yield Started(stack, told, stack.containers())
    finally:
        stack.compose(*down)


def test_every_service_is_well_from_a_checkout_that_nobody_else_may_read(started: Started):
    assert (started.stack.folder / "services/edge/render.sh").stat().st_mode & 0o077 == 0
    assert {*PYTHON_SERVICES, *BUSYBOX_SERVICES, "secrets"} == set(started.containers)
    for name, container in started.containers.items():
        assert container["RestartCount"] == 0, name
        if name == "secrets":
            assert container["State"]["ExitCode"] == 0
        else:
            assert container["State"]["Health"]["Status"] == "healthy", name


def test_an_image_of_ours_that_is_missing_is_built_and_no_registry_is_asked(started: Started):
    assert engine.client().images.get(BUILT_BY_UP)
    assert "Pull" not in started.told


def test_docker_compose_pull_skips_what_is_built_here(started: Started):
    started.stack.compose("pull")


@pytest.mark.parametrize("name", BUSYBOX_SERVICES)
def test_its_shell_is_busybox(started: Started, name: str):
    shell = engine.run_in(engine.container(NAME, name), "readlink", "-f", "/bin/sh")
    assert shell.stdout.strip() == "/bin/busybox"


@pytest.mark.parametrize("name", PYTHON_SERVICES)
def test_its_health_check_compiles_nothing(started: Started, name: str):
    kind, python, *words = started.containers[name]["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD"
    check = (python, "-c", COMPILED, json.dumps(words))
    done = engine.run_in(engine.container(NAME, name), *check)
    assert done.returncode == 0, done
    assert "missing: []" in done.stdout


def test_nothing_is_written_outside_the_volumes_and_tmp(started: Started):
    for name, container in started.containers.items():
        mounts = [mount["Destination"] for mount in container["Mounts"]]
        changes = engine.client().containers.get(container["Id"]).diff()
        changed = [str(change["Path"]) for change in changes or []]
        others = [
            path
            for path in changed
            if not DOCKERS_OWN.fullmatch(path)
            and not any(f"{mount}/".startswith(f"{path}/") for mount in mounts)
        ]
        assert others == [], name


def test_a_volume_that_a_base_image_declares_is_one_of_ours(started: Started):
    volumes = [
        mount["Name"]
        for container in started.containers.values()
        for mount in container["Mounts"]
        if mount["Type"] == "volume"
    ]
    assert volumes
    assert all(volume.startswith(f"{NAME}_") for volume in volumes)


def test_the_administrators_password_is_there_before_grafana(started: Started):
    said = engine.container(NAME, "grafana").logs().decode()
    assert re.findall(r"has (\d+) characters", said) == ["43"]


def test_the_model_answers_through_the_edge(started: Started):
    print_key = ("python", "-m", "foundry_gateway", "api-key")
    key = engine.run_in(engine.container(NAME, "gateway"), *print_key).stdout
    url = f"http://127.0.0.1:{started.stack.environment['GATEWAY_PORT']}/v1/chat/completions"
    body = {"model": "foundry-demo", "messages": [{"role": "user", "content": "Who are you?"}]}
    answer = eventually(
        lambda: (
            (found := get(url, body, Authorization=f"Bearer {key.strip()}")).status == 200 and found
        )
    )
    assert answer.json()["choices"][0]["message"]["content"]


def test_a_stop_waits_for_no_open_stream(started: Started):
    """The last one here, for nothing runs after it."""
    with contextlib.ExitStack() as held:
        for port in ("CHAINLIT_PORT", "OPEN_WEBUI_PORT"):
            held.enter_context(open_socket(int(started.stack.environment[port])))
        started.stack.compose("stop")
        codes = {
            name: container["State"]["ExitCode"]
            for name, container in started.stack.containers().items()
        }
    assert KILLED not in codes.values(), codes
    assert {codes[name] for name in ("edge", "webgpu-static", "docker-view", "prometheus")} == {0}


def open_socket(port: int) -> socket.socket:
    """A page's WebSocket, through the edge, as it stays open while a tab is."""
    page = socket.create_connection(("127.0.0.1", port), timeout=30)
    page.sendall(
        b"GET /ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        b"Host: localhost:%(port)d\r\nOrigin: http://localhost:%(port)d\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % {b"port": port}
    )
    assert page.recv(64).startswith(b"HTTP/1.1 101")
    return page
