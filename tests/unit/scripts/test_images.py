"""The images that the stack builds on: which, whether a registry has them, pulling, remembering.

A stand-in plays the docker command: no registry can be reached from where these tests run.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from lib import docker, images
from lib.commands import up
from lib.console import StepFailedError
from lib.environment import ROOT
from lib.settings import Settings, with_block

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a #! line")

OFFLINE = {"COMPOSE_PATH_SEPARATOR": ":", "COMPOSE_FILE": "compose.yaml:compose.offline.yaml"}
NO_NAME = "sys.exit('lookup registry-1.docker.io: no such host')"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH, for the stand-in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def play(commands: Path, *, manifest: str = "", pull: str = "", here: tuple[str, ...] = ()) -> Path:
    """Put a docker there that does this when asked; returns the list of what it was asked."""
    asked = commands / "asked"
    asked.touch()
    path = commands / "docker"
    path.write_text(
        f"#!{sys.executable}\nimport sys, time\nwords = sys.argv[1:]\n"
        f"open({str(asked)!r}, 'a').write(' '.join(words) + chr(10))\n"
        f"if words[0] == 'image': sys.exit(words[-1] not in {here!r} or print('sha256:1'))\n"
        f"if words[0] == 'manifest':\n    {manifest or 'pass'}\n"
        f"if words[0] == 'pull':\n    {pull or 'pass'}\n"
    )
    path.chmod(0o755)
    return asked


def test_the_images_are_those_that_compose_and_dockerfiles_name(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "ARG X=python:3\nFROM ghcr.io/o/w:v1 AS official\nFROM ${X} AS own\nFROM official\n"
    )
    services = {
        "one": {"build": {"context": str(tmp_path), "args": {"SOURCE": "official"}}},
        "two": {"build": {"context": "/none", "args": {"NGINX_IMAGE": "nginx:1", "A_B": "c:1"}}},
        "three": {"build": {"args": {"NGINX_IMAGE": "nginx:1", "P_IMAGE": "foundry-chat/p:1"}}},
        "four": {"image": "x"},
    }
    told = images.bases_in(json.dumps({"services": services}))
    assert told == ["ghcr.io/o/w:v1", "nginx:1"]


@pytest.mark.parametrize("written", ["$", "$$"])
def test_a_checkout_whose_name_has_a_dollar_is_read(tmp_path: Path, written: str) -> None:
    """Versions of Compose differ in how they write it."""
    folder = tmp_path / "my $HOME"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM nginx:1\n")
    context = str(folder).replace("$", written)
    assert images.bases_in(json.dumps({"services": {"a": {"build": {"context": context}}}})) == [
        "nginx:1"
    ]


def test_compose_is_asked_where_its_files_are(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COMPOSE_ENV_FILES may name one by the way from there, wherever the script is called."""
    play(commands)
    script = (commands / "docker").read_text()
    (commands / "docker").write_text(f"{script}import os\nprint(os.getcwd())\n")
    monkeypatch.chdir(tmp_path)
    assert docker.answer("version") == str(ROOT)


def test_asking_for_a_manifest_is_enough(commands: Path) -> None:
    asked = play(commands)
    assert images.registry_answers(["a:1", "b:1"])
    assert "pull" not in asked.read_text()


def test_an_engine_with_a_way_of_its_own_is_asked_too(commands: Path) -> None:
    play(
        commands, manifest=NO_NAME, pull="print('1: Pulling from a', flush=True); time.sleep(3600)"
    )
    assert images.registry_answers(["a:1"], 60)


@pytest.mark.parametrize(
    ("manifest", "pull"),
    [(NO_NAME, "sys.exit('no such host')"), ("time.sleep(60)", "time.sleep(60)"), (NO_NAME, "")],
)
def test_no_answer_is_told_in_time_and_with_its_reason(
    commands: Path, capsys: pytest.CaptureFixture[str], manifest: str, pull: str
) -> None:
    play(commands, manifest=manifest, pull=pull)
    assert not images.registry_answers(["a:1"], 0.5)
    assert "a:1: " in capsys.readouterr().out


@pytest.mark.parametrize("ends", ["sys.exit('connection reset by peer')", "raise SystemExit(130)"])
def test_a_pull_that_breaks_off_says_that_it_goes_on_next_time(commands: Path, ends: str) -> None:
    play(commands, pull=ends)
    with pytest.raises(StepFailedError) as failed:
        images.pull(["a:1"])
    assert "a:1" in failed.value.problem
    assert "is kept" in failed.value.remedy


# ---- Which way, and what is remembered -----------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """What `up` finds: images that are here, a registry that answers, pulls that end well."""
    world = {"here": False, "answers": True, "pulls": True, "asked": False}

    def answers(*_: object) -> bool:
        world["asked"] = True
        return world["answers"]

    def pull(_: object) -> None:
        if not world["pulls"]:
            raise StepFailedError("Pulling a:1 broke off.", "Run this again.")

    monkeypatch.setattr(images, "bases", lambda: ["a:1"])
    monkeypatch.setattr(images, "is_here", lambda _: world["here"])
    monkeypatch.setattr(images, "registry_answers", answers)
    monkeypatch.setattr(images, "pull", pull)
    monkeypatch.setattr(up, "check_room", lambda _: None)
    monkeypatch.setattr(up.offline, "make_base_images", lambda: None)
    monkeypatch.setattr(up.offline, "build_settings", lambda *_, **__: {})
    monkeypatch.setattr(docker, "answer", lambda *_: "")
    return world


def settings(tmp_path: Path, *, remembered: bool = False, own: str = "") -> Settings:
    text = f"COMPOSE_FILE={own}\n" if own else ""
    path = tmp_path / ".env"
    path.write_text(with_block(text, OFFLINE if remembered else {}))
    return Settings({}, path)


def is_offline(here: Settings, *options: str) -> bool:
    choices = up.choose_images(up.parse(options), here)
    return "compose.offline.yaml" in choices.get("COMPOSE_FILE", here.own("COMPOSE_FILE"))


@pytest.mark.parametrize(
    ("world", "remembered", "options", "offline"),
    [
        ({}, False, (), False),
        ({"here": True, "answers": False}, False, (), False),
        ({"answers": False}, False, (), True),
        ({}, False, ("--offline",), True),
        ({}, True, (), True),
        ({}, True, ("--online",), False),
        ({"answers": False}, True, ("--online",), True),
    ],
)
def test_the_way_to_base_images(
    tmp_path: Path,
    *,
    registry: dict[str, bool],
    world: dict[str, bool],
    remembered: bool,
    options: tuple[str, ...],
    offline: bool,
) -> None:
    registry.update(world)
    assert is_offline(settings(tmp_path, remembered=remembered), *options) is offline


def test_a_pull_that_breaks_off_is_not_taken_for_a_missing_registry(
    tmp_path: Path, registry: dict[str, bool]
) -> None:
    registry["pulls"] = False
    with pytest.raises(StepFailedError, match="broke off"):
        is_offline(settings(tmp_path))
    assert (tmp_path / ".env").read_text() == ""


def test_a_remembered_choice_is_reconsidered_aloud(
    tmp_path: Path, registry: dict[str, bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_offline(settings(tmp_path, remembered=True))
    assert "scripts/up.py --online" in capsys.readouterr().out
    registry["answers"] = False
    assert is_offline(settings(tmp_path, remembered=True))
    assert "--online" not in capsys.readouterr().out


@pytest.mark.parametrize("separator", ["", ";"])
def test_files_are_separated_as_the_user_says(
    tmp_path: Path, registry: dict[str, bool], separator: str
) -> None:
    here = Settings({"COMPOSE_PATH_SEPARATOR": separator}, tmp_path / ".env")
    assert not registry["asked"]
    chosen = up.choose_images(up.parse(["--offline"]), here)
    assert chosen["COMPOSE_PATH_SEPARATOR"] == (separator or ":")
    assert chosen["COMPOSE_FILE"] == f"compose.yaml{separator or ':'}compose.offline.yaml"
    own = Settings({"COMPOSE_FILE": chosen["COMPOSE_FILE"]}, tmp_path / ".env")
    assert up.choose_images(up.parse(["--offline"]), own) == {}, "nor are files of one's own"


def test_the_users_own_choice_asks_nobody(tmp_path: Path, registry: dict[str, bool]) -> None:
    assert is_offline(settings(tmp_path, own=OFFLINE["COMPOSE_FILE"]))
    assert not registry["asked"]
