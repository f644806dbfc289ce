"""``scripts/foundry_host.py``: where it listens, and its command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lib import bridge
from lib.commands import foundry_host
from support.foundry import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ROOT / "scripts" / "foundry_host.py"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH, for stand-ins of ``docker`` and ``ip``."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def stand_in(commands: Path, name: str, script: str) -> None:
    path = commands / name
    path.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    path.chmod(0o755)


DOCKER = """
if sys.argv[1] == "info":
    print({system!r})
else:
    print('[{{"IPAM": {{"Config": [{{"Gateway": "fd00::1"}}, {{"Gateway": "172.26.0.1"}}]}}}}]')
"""


@pytest.mark.skipif(os.name == "nt", reason="Docker Engine's bridge is a matter of Linux")
def test_docker_engine_is_reached_at_its_bridge(commands: Path) -> None:
    stand_in(commands, "docker", DOCKER.format(system="Debian GNU/Linux 13"))
    assert bridge.addresses(loopback=False) == ["127.0.0.1", "172.26.0.1"]
    assert bridge.addresses(loopback=True) == ["127.0.0.1"]


@pytest.mark.skipif(os.name == "nt", reason="as above")
def test_docker_desktop_needs_loopback_only(commands: Path) -> None:
    stand_in(commands, "docker", DOCKER.format(system="Docker Desktop"))
    assert bridge.addresses(loopback=False) == ["127.0.0.1"]


@pytest.mark.skipif(os.name == "nt", reason="as above")
def test_without_permission_the_kernels_interface_is_asked(commands: Path) -> None:
    stand_in(commands, "docker", "sys.exit(1)")
    stand_in(commands, "ip", "print('3: docker0 inet 172.17.0.1/16 brd 172.17.255.255 scope')")
    assert bridge.addresses(loopback=False) == ["127.0.0.1", "172.17.0.1"]


def test_without_docker_it_says_that_containers_are_left_out(
    commands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bridge.addresses(loopback=False) == ["127.0.0.1"]
    if sys.platform.startswith("linux"):
        assert "this machine only" in capsys.readouterr().out


def test_its_docstring_is_its_help() -> None:
    result = subprocess.run(
        [sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert result.stdout.startswith("Run Foundry Local on this machine")


def test_wrong_usage_ends_in_2_and_shows_the_help() -> None:
    result = subprocess.run(
        [sys.executable, SCRIPT, "--bogus"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "unrecognized arguments: --bogus" in result.stderr
    assert "usage:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--models-dir", "{tmp}/absent"], 2, "there is no such folder"),
        (["--models-dir", "{tmp}"], 2, "it is empty"),
        (["--models-dir", ""], 2, "--models-dir is given without a value"),
        (["--model", ""], 2, "--model is given without a value"),
        (["--url", "https://127.0.0.1:51211"], 2, "plain HTTP"),
        (["--url", "http://127.0.0.1"], 2, "names no port"),
        (["--port", "65535"], 2, "the status server needs the next port"),
        (["--url", "http://127.0.0.1:{taken}"], 1, "It is "),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_installed(
    tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, SCRIPT, *(one.format(tmp=tmp_path, taken=port) for one in arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
    said = result.stdout + result.stderr
    assert (result.returncode, says in said) == (code, True), said
    assert "To mend it: " in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("MODEL=qwen2.5-0.5b".encode("utf-16"), "saved as UTF-16"),
        (b"MODEL=my model", "MODEL: expected a model's alias"),
        (b"MODEL='qwen2.5-0.5b", "opens a quote"),
    ],
)
def test_a_model_that_cannot_be_read_is_not_replaced_by_another(
    tmp_path: Path, content: bytes, says: str
) -> None:
    """It would be downloaded, and may have gigabytes."""
    (tmp_path / "my.env").write_bytes(content)
    environment = {k: v for k, v in os.environ.items() if k != "MODEL"}
    command = [sys.executable, SCRIPT, "--loopback", "--models-dir", tmp_path / "absent"]
    for options, code, found in (([], 1, says), (["--model", "a"], 2, "there is no such folder")):
        result = subprocess.run(
            [*command, *options],
            env={**environment, "COMPOSE_ENV_FILES": str(tmp_path / "my.env")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, found in result.stderr) == (code, True), result.stderr


@pytest.mark.parametrize("rest", [["--model", "a"], ["--model=a"]])
def test_a_model_named_behind_the_dashes_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: list[str]
) -> None:
    (tmp_path / "none.env").touch()
    monkeypatch.setenv("COMPOSE_ENV_FILES", str(tmp_path / "none.env"))
    monkeypatch.delenv("MODEL", raising=False)
    options = foundry_host.parse(["--loopback", "--", *rest])
    assert "phi-4-mini" not in foundry_host.passed_on(options)
    assert "phi-4-mini" in foundry_host.passed_on(foundry_host.parse(["--loopback"]))
