"""Why a virtual environment could not be made, told apart."""

import os
from pathlib import Path

import pytest

from lib import environment
from lib.console import StepFailedError


def lock(folder: Path) -> Path:
    path = folder / "requirements.lock"
    path.touch()
    return path


def test_a_place_that_takes_none_is_named_and_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As a checkout of another user's; as root it would have installed packages in vain."""
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "install_debian_packages", pytest.fail)
    (tmp_path / "file").touch()
    with pytest.raises(StepFailedError) as stopped:
        environment.ensure(tmp_path / "file" / ".venv", lock(tmp_path))
    assert stopped.value.problem.startswith(".venv cannot be made: Error: ")
    assert "write there" in stopped.value.remedy


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a #! line")
@pytest.mark.parametrize("says", ["ensurepip is not available", "No module named venv"])
def test_what_debian_keeps_apart_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
):
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\necho {says}\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment.sys, "executable", str(python))
    wanted: list[str] = []
    monkeypatch.setattr(environment, "install_debian_packages", wanted.extend)
    with pytest.raises(StepFailedError, match=says):
        environment.ensure(tmp_path / ".venv", lock(tmp_path))
    assert wanted == ["python3-venv"]
