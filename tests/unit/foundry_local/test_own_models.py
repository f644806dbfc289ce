"""A folder of the user's own models: what is said of one in which nothing can be served."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from foundry_host.errors import SettingsError
from foundry_host.host import OWN_MODELS, Host
from foundry_host.own_models import own_models
from foundry_host.settings import Settings
from support.foundry import HOST_SOURCE
from support.model_files import make_model_files as make
from support.processes import python_path
from support.sentences import complaints

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def with_file(path: Path) -> Path:
    folder(path)
    (path / "model.onnx").write_bytes(b"x")
    return path


def as_file(path: Path) -> Path:
    path.write_text("x")
    return path


def deeper(path: Path) -> Path:
    make(path / "publisher" / "mine")
    return path


def broken(path: Path) -> Path:
    (make(path / "mine") / "model.onnx").unlink()
    return path


CASES: list[tuple[Callable[[Path], Path], str]] = [
    (lambda path: path, "there is no such folder"),
    (as_file, "it is a file, not a folder"),
    (folder, "it is empty"),
    (with_file, "no folder in it holds a model"),
    (lambda path: folder(path / "a").parent, "no folder in it holds a model"),
    (deeper, "no folder in it holds a model"),
    (broken, "model.onnx is missing"),
]


@pytest.mark.parametrize(("make_it", "says"), CASES)
def test_a_folder_with_nothing_to_serve_is_refused_with_what_was_found(
    tmp_path: Path, make_it: Callable[[Path], Path], says: str
) -> None:
    root = make_it(tmp_path / "models")
    with pytest.raises(SettingsError, match=says) as error:
        own_models(Settings(models_dir=root))
    assert "--models-dir" in error.value.message
    assert str(root) in error.value.message
    assert complaints(error.value.remedy) == []


def test_a_model_deeper_inside_is_pointed_at(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        own_models(Settings(models_dir=deeper(tmp_path / "models")))
    assert error.value.remedy == "A model is deeper inside: give its folder publisher."


def test_a_folder_with_one_model_that_can_be_served_is_taken(tmp_path: Path) -> None:
    make(tmp_path / "fine")
    broken(tmp_path)
    found, problems = own_models(Settings(models_dir=tmp_path))
    assert [model.alias for model in found] == ["fine"]
    assert [one.path.name for one in problems] == ["mine"]


@pytest.mark.parametrize("own", ["./models", ""])
def test_in_the_container_other_models_go_on_and_the_setting_is_named(
    tmp_path: Path, own: str
) -> None:
    """Docker makes a missing folder itself, as an empty one; without the setting it always is."""
    host = Host(Settings(models_dir=folder(tmp_path / "models"), own_models=own, embedded=True))
    assert [model.alias for model in host._local_models()] == ["foundry-demo"]
    notices = {one["code"]: one["message"] for one in host.board.as_json()["notices"]}
    assert set(notices) == ({OWN_MODELS} if own else set())
    if own:
        assert notices[OWN_MODELS].startswith(
            "EMBEDDED_MODELS_DIR=./models: it is empty, or did not exist."
        )


def test_what_cannot_be_served_is_shown_as_a_model_that_failed(tmp_path: Path) -> None:
    broken(tmp_path)
    host = Host(Settings(models_dir=tmp_path, own_models="./models", embedded=True))
    host._local_models()
    shown = next(m for m in host.board.as_json()["models"] if m["alias"] == "mine")
    assert shown["state"] == "failed"
    assert "The model mine cannot be served: the copy is incomplete" in shown["error"]["message"]
    assert [*complaints(shown["error"]["message"]), *complaints(shown["error"]["remedy"])] == []


SCAN = """
import os
import sys
from pathlib import Path
from foundry_host.errors import SettingsError
from foundry_host.own_models import own_models
from foundry_host.settings import Settings
embedded = sys.argv[2] == "embedded"
os.setgroups([])
os.setgid(10001)
os.setuid(10001)
try:
    settings = Settings(models_dir=Path(sys.argv[1]), own_models="./models", embedded=embedded)
    for problem in own_models(settings)[1]:
        print(problem.problem, "|", problem.remedy)
except SettingsError as error:
    print(error.message, "|", error.remedy)
"""


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can become somebody who may not read"
)
@pytest.mark.parametrize("closed", [".", "mine", "mine/genai_config.json", "mine/model.onnx"])
@pytest.mark.parametrize("place", ["host", "embedded"])
def test_what_the_user_may_not_read_is_told_with_the_command_that_opens_it(
    open_tmp_path: Path, closed: str, place: str
) -> None:
    root = open_tmp_path / "models"
    make(root / "mine")
    (root / closed).chmod(0)
    said = subprocess.run(
        [sys.executable, "-c", SCAN, str(root), place],
        env={**os.environ, "PYTHONPATH": python_path(HOST_SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    shown = "./models" if place == "embedded" else str(root)
    where = shown if closed == "." else f"{shown}/mine"
    assert "may not be read" in said
    assert f"`chmod -R a+rX {where}`" in said
