"""Virtual environments: of a checkout in any folder, and why one cannot be made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib import docker, environment, offline
from lib.console import StepFailedError
from lib.settings import Settings


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


def test_sources_are_found_whatever_the_checkouts_folder_is_called(tmp_path: Path):
    """Python reads its links in an encoding of the system's, which may lack these letters."""
    root = tmp_path / "mein chät \u0436 $HOME"
    source, packages = root / "services" / "one" / "src", root / ".venv" / "site-packages"
    (source / "one_of_ours").mkdir(parents=True)
    (source / "one_of_ours" / "__init__.py").touch()
    packages.mkdir(parents=True)
    environment.point_at([source], packages)
    program = "import site, sys; site.addsitedir(sys.argv[1]); import one_of_ours"
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run(
        [sys.executable, "-c", program, packages], env={**os.environ, **plain}, check=True
    )


@pytest.mark.skipif(os.name == "nt", reason="as above")
def test_what_programs_say_need_not_be_in_the_systems_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("docker", "npm"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\nprintf 'Z\\374rich' | tee /dev/stderr\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert docker.complaint() == "z\ufffdrich"
    assert offline.npm_listing() == "Z\ufffdrich"


@pytest.mark.skipif(os.name == "nt", reason="as above")
def test_an_engine_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "docker").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(docker, "ANSWER_SECONDS", 0.2)
    assert docker.complaint() == ""


@pytest.mark.skipif(os.name == "nt", reason="owners are of POSIX")
def test_what_root_makes_in_a_checkout_is_its_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A first run with sudo must not leave a .env that its user cannot change."""
    given: list[tuple[str, int]] = []

    def chown(path: Path, user: int, _: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        given.append((path.name, user))

    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(offline, "ROOT", tmp_path)
    monkeypatch.setattr(offline, "pip_configuration", lambda: "[global]\n")
    monkeypatch.setattr(offline, "npm_listing", lambda: "")
    owner = tmp_path.stat().st_uid
    here = Settings({}, tmp_path / ".env")
    offline.build_settings(here, offline=False)
    assert here.remember({"COMPOSE_PROFILES": "embedded"})
    assert given == [(".cache", owner), ("pip.conf", owner), (".env", owner)]
    assert here.remember({"COMPOSE_PROFILES": "containers,embedded"})
    assert len(given) == 3, "a file that was there keeps its owner"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    environment.hand_over(tmp_path / ".env")
    assert len(given) == 3, "only root may"
