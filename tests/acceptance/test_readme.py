"""The README's own commands, in a fresh checkout, with default ports and default settings.

What is typed here is read from the README: where its text and the product part, this fails. Two
things are otherwise than a reader's: Microsoft's catalog is not asked, since tests call nobody
outside, and where this machine has an installation already, which must not lose its data, that one
rests meanwhile and the project has another name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import engine, readme, terminal
from support.foundry import demo_dir
from support.stack import ROOT, SETTINGS_OF_THE_STACK, get

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = "foundry-chat"
FIRST_START_SECONDS = 1800
SECONDS = 240
UP = "python3 scripts/up.py"
DOCTOR = "python3 scripts/doctor.py"
KEY = "docker compose exec gateway python -m foundry_gateway api-key"
OWN_MODELS = "python3 scripts/foundry_host.py --models-dir ~/models --model my-model"
TESTS = "python3 scripts/test.py"
TYPED = [UP, OWN_MODELS, KEY, DOCTOR]
"""What the story below types, in the README's order; `scripts/test.py` is what runs it."""


def test_every_command_of_the_readme_is_one_that_is_typed_here() -> None:
    commands = [
        line for block in readme.blocks() if block.language == "sh" for line in block.commands
    ]
    assert commands == [*TYPED, TESTS]
    assert [block.language for block in readme.blocks() if block.language not in {"sh", ""}] == [
        "python"
    ]
    text = readme.README.read_text(encoding="utf-8")
    for named in ("docker compose up -d", "docker compose down", "MODEL=phi-4-mini"):
        assert f"`{named}`" in text


@contextlib.contextmanager
def resting_installation(project: str) -> Iterator[bool]:
    """Whether an installation of this machine's user is here; if so it rests meanwhile."""
    running = engine.containers(project=project, stopped=False)
    for container in running:
        container.stop()
    try:
        label = f"{engine.LABEL}.project={project}"
        yield bool(engine.client().volumes.list(filters={"label": label}))
    finally:
        for container in running:
            container.start()


class Reader:
    """Somebody who follows the README in a folder of their own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def types(self, line: str, seconds: float = SECONDS) -> str:
        """Type a command and read what it shows."""
        return terminal.run(line, self.folder, self.environment, seconds)

    def containers(self) -> dict[str, str]:
        """When each running container of this checkout was started, by id."""
        label = {"project.working_dir": str(self.folder)}
        running = engine.containers(stopped=False, **label)
        return {container.id: container.attrs["State"]["StartedAt"] for container in running}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A fresh checkout, and whatever was started from it gone afterwards."""
    folder = tmp_path / "foundry-chat"
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(SETTINGS_OF_THE_STACK)
    }
    environment["FOUNDRY_HOST_PUBLIC_CATALOG"] = "no"
    with resting_installation(PROJECT) as somebodys:
        if somebodys:
            environment["COMPOSE_PROJECT_NAME"] = f"{PROJECT}-acceptance"
        reader = Reader(folder, environment)
        try:
            yield reader
        finally:
            reader.types("docker compose --profile '*' down --volumes --timeout 5")


@pytest.mark.timeout(FIRST_START_SECONDS + 10 * SECONDS)
def test_a_new_user_follows_the_readme_from_its_first_command_to_its_last(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ | reader.environment)
    said = reader.types(UP, FIRST_START_SECONDS)
    everything_answers(said)

    started = reader.containers()
    assert "Ready" in reader.types(UP)
    assert reader.containers() == started, "the second run changed something"

    assert "wrong" not in reader.types(DOCTOR)
    key = reader.types(KEY).strip()
    the_python_example_answers(reader, key)

    reader.types("docker compose up -d")
    assert reader.containers() == started, "plain Compose sees another stack than up.py"
    reader.types("docker compose down")
    assert not reader.containers()
    everything_answers(reader.types(UP))
    assert reader.types(KEY).strip() == key, "down has lost the key"

    a_model_of_ones_own_answers(reader, key)


def everything_answers(said: str) -> None:
    """The addresses of the README's table are those that up.py names, and each answers."""
    promised = readme.first_table_of_addresses()
    assert len(promised) == 7
    for address in promised:
        if address.endswith(":3001") and "Grafana cannot be built" in said:
            continue
        assert address in said
        expected = HTTPStatus.UNAUTHORIZED if address.endswith("/v1") else HTTPStatus.OK
        asked = f"{address}/models" if address.endswith("/v1") else f"{address}/"
        assert get(asked).status == expected, address


def the_python_example_answers(reader: Reader, key: str) -> None:
    """The README's program, with the key put in where it says so."""
    [example] = [block.text for block in readme.blocks() if block.language == "python"]
    assert "the key printed above" in example
    program = reader.folder.parent / "example.py"
    program.write_text(example.replace("the key printed above", key), encoding="utf-8")
    assert len(reader.types(f"{sys.executable} {program}").split()) > 3


def a_model_of_ones_own_answers(reader: Reader, key: str) -> None:
    """`foundry_host.py` on this machine, found by the next `up.py`, named in `.env`."""
    home = reader.folder.parent / "home"
    shutil.copytree(demo_dir(), home / "models" / "my-model")
    own = terminal.typed(OWN_MODELS, reader.folder, reader.environment | {"HOME": str(home)})
    try:
        own.until("51211", FIRST_START_SECONDS)
        with (reader.folder / ".env").open("a", encoding="utf-8") as settings:
            settings.write("MODEL=my-model\n")
        said = reader.types(UP)
        assert "found it" in said
        assert "foundry-local" not in reader.types("docker compose ps --services")
        url = "http://localhost:8000/v1/models"
        listed = get(url, Authorization=f"Bearer {key}").json()["data"]
        assert listed[0]["id"] == "my-model"
    finally:
        assert own.end() == 0, own.text
