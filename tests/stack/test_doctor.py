"""The doctor beside the containers: what it sees of them, and through them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lib import bridge
from support.doctor import Examination, examine_stack
from support.foundry import start_foundry_v2
from support.stack import RunningStack, eventually


def look(stack: RunningStack, **settings: str) -> Examination:
    return examine_stack({**stack.environment, "PYTHONIOENCODING": "utf-8", **settings})


@contextmanager
def stopped(stack: RunningStack, service: str) -> Iterator[None]:
    stack.compose("stop", "--timeout", "5", service)
    try:
        yield
    finally:
        stack.compose("up", "--detach", "--no-build", "--wait", service)
        eventually(lambda: stack.status()["ready"], 60)


def test_a_stack_that_is_well_is_called_well(stack: RunningStack) -> None:
    young = "has just been started"  # the probe, of itself, where this is the first test
    found = eventually(lambda: (now := look(stack)).failed == [] and young not in now.text and now)
    assert found.code == 0, found.text
    for name in ("docker", "compose", "ports", "disk", "stack", "containers", "gateway", "clock"):
        assert found.check(name)["state"] == "ok", found.text
    for name in ("chainlit", "chainlit-socket", "open-webui", "foundry"):
        assert found.check(name)["state"] == "ok", found.text
    for name in set(stack.compose("config", "--services").split()) & {"prometheus", "healthcheck"}:
        assert found.check(name)["state"] == "ok", found.text
    assert found.check("foundry")["facts"]["embedded"] is True
    # The stack of the tests cannot download the wanted model; the demo model stands in.
    assert found.check("models")["facts"]["loaded"] == ["foundry-demo"]
    assert found.check("models")["state"] == "warning"
    assert stack.api_key not in found.text
    assert found.seconds < 30


def test_a_stopped_foundry_local_is_the_one_cause(stack: RunningStack) -> None:
    with stopped(stack, "foundry-local"):
        eventually(lambda: not stack.status()["ready"], 60)
        found = look(stack)
    assert found.failed == ["foundry.embedded"], found.text
    cause = found.check("foundry.embedded")
    assert cause["message"].startswith("stopped: the container foundry-local")
    assert cause["remedy"].startswith("docker compose up -d foundry-local ")


def test_a_frozen_foundry_local_is_the_one_cause(stack: RunningStack) -> None:
    stack.compose("pause", "foundry-local")
    try:
        found = look(stack)
    finally:
        stack.compose("unpause", "foundry-local")
        eventually(lambda: stack.status()["ready"], 60)
    assert found.failed == ["foundry.embedded"], found.text
    assert found.check("foundry.embedded")["message"].startswith("frozen: ")
    assert found.check("foundry.embedded")["remedy"] == "docker compose unpause foundry-local"


def test_a_stopped_gateway_is_the_one_cause(stack: RunningStack) -> None:
    with stopped(stack, "gateway"):
        found = look(stack)
    assert found.failed == ["containers.gateway"], found.text
    assert found.check("containers.gateway")["remedy"].startswith("docker compose up -d gateway ")
    assert found.check("gateway")["state"] == "skipped"
    assert found.check("chainlit")["state"] == "ok"


def test_a_killed_chat_app_is_told_with_its_exit_code(stack: RunningStack) -> None:
    stack.compose("kill", "chainlit")
    try:
        found = look(stack)
    finally:
        stack.compose("up", "--detach", "--no-build", "--wait", "chainlit")
    assert found.failed == ["containers.chainlit"], found.text
    assert "exit code 137" in found.check("containers.chainlit")["message"]


def test_a_stopped_edge_is_not_taken_for_a_dead_stack(stack: RunningStack) -> None:
    with stopped(stack, "edge"):
        found = look(stack)
    assert found.failed == ["containers.edge"], found.text
    assert found.check("gateway")["message"].startswith("not checked because the edge")


def test_a_stack_that_is_not_started_is_one_line(stack: RunningStack) -> None:
    """Under another project name, this very stack is somebody else's, and holds the ports."""
    found = look(stack, COMPOSE_PROJECT_NAME="foundry-chat-never-started")
    assert found.check("stack")["message"] == "not started"
    assert found.check("stack")["remedy"] == "python3 scripts/up.py"
    assert found.check("gateway")["message"] == "not checked because the stack is not started"
    taken = found.check("ports.chainlit")
    assert taken["facts"]["container_of"] == stack.environment["COMPOSE_PROJECT_NAME"]
    assert str(taken["facts"]["port"]) == stack.environment["CHAINLIT_PORT"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere containers reach the loopback")
def test_whether_containers_reach_foundry_local_is_asked_in_a_container(
    stack: RunningStack,
) -> None:
    def look_at(port: int) -> Examination:
        return look(stack, FOUNDRY_URL=f"http://host.docker.internal:{port}", MODEL="foundry-demo")

    with start_foundry_v2() as foundry:
        alone = look_at(foundry.port)
    told = alone.check("foundry-from-containers")
    assert told["state"] == "failed", alone.text
    assert told["facts"]["reason"] == "loopback_only"
    assert told["facts"]["asked_by"] == "health probe's container"

    docker = f"http://{bridge.bridge_address()}:{foundry.port}"
    with start_foundry_v2(port=foundry.port, args=["--url", docker]):
        reached = look_at(foundry.port)
    told = reached.check("foundry-from-containers")
    assert told["state"] == "ok", reached.text
    assert told["message"] == "reached by the health probe's container"
    # The gateway runs with the address of before.
    assert reached.check("gateway.settings")["remedy"] == "docker compose up -d"
