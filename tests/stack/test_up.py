"""scripts/up.py from the outside: what it prints, and that running it again changes nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.stack import ROOT, RunningStack

QUICK_SECONDS = 45


def test_it_prints_the_models_answer_and_the_table_of_addresses(stack: RunningStack):
    _, _, end = stack.first_run.partition("Asking the model")
    answer = end.splitlines()[1].strip()
    assert len(answer.split()) > 3
    port = stack.environment["CHAINLIT_PORT"]
    assert f"http://localhost:{port} " in end
    assert f"http://localhost:{stack.environment['GATEWAY_PORT']}/v1 " in end
    assert "python -m foundry_gateway api-key" in end
    assert stack.api_key not in stack.first_run


@pytest.fixture
def bytecode() -> Iterator[None]:
    """What scripts, tests and other Pythons leave beside every source that goes into an image."""
    packages = {source.parent for source in ROOT.glob("*/*/src/*/*.py")}
    left = [package / "__pycache__" / "left_behind.cpython-399.pyc" for package in packages]
    assert len(left) > 4
    for one in left:
        one.parent.mkdir(exist_ok=True)
        one.touch()
    yield
    for one in left:
        one.unlink()


def test_a_second_run_is_quick_and_changes_nothing(stack: RunningStack, bytecode: None):
    settings = Path(stack.environment["COMPOSE_ENV_FILES"])
    names = [name for name in stack.compose("config", "--services").split() if name != "secrets"]
    before = {name: (stack.container_id(name), stack.inspect(name)["Image"]) for name in names}
    started = {name: stack.inspect(name)["State"]["StartedAt"] for name in names}
    written = settings.read_text()

    began = time.monotonic()
    printed = stack.up("--embedded")
    took = time.monotonic() - began

    assert {
        name: (stack.container_id(name), stack.inspect(name)["Image"]) for name in names
    } == before
    assert {name: stack.inspect(name)["State"]["StartedAt"] for name in names} == started
    assert settings.read_text() == written
    assert took < QUICK_SECONDS
    assert "Ready" in printed


def test_plain_compose_commands_see_the_same_stack(stack: RunningStack):
    settings = Path(stack.environment["COMPOSE_ENV_FILES"]).read_text()
    assert "COMPOSE_PROFILES=containers,embedded" in settings, "the user's own profile stays"
    assert "foundry-local" in stack.compose("ps", "--services").split()
