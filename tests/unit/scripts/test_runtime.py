"""Which Foundry Local the stack uses when the user has named one."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib import docker
from lib.console import StepFailedError
from lib.runtime import choose_runtime
from lib.settings import Settings


@pytest.fixture(autouse=True)
def docker_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its containers reach this machine's loopback addresses."""
    monkeypatch.setattr(docker, "runs_in_virtual_machine", lambda: True)
    monkeypatch.setattr(docker, "is_rootless", lambda: False)


@pytest.fixture
def running() -> Iterator[str]:
    """The address of something that answers `/status` as Foundry Local does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"endpoints": [], "modelCachePath": "x"}')

        def log_message(self, *_: object):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://host.docker.internal:{server.server_port}"
        server.shutdown()


@pytest.fixture
def stopped() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://host.docker.internal:{unused.getsockname()[1]}"


def test_one_that_answers_is_used(running: str, tmp_path: Path):
    settings = Settings({"FOUNDRY_URL": running}, tmp_path / ".env")
    runtime, choices = choose_runtime(settings, wish=None)
    assert (runtime.embedded, runtime.expected) == (False, True)
    assert choices == {}


def test_one_that_is_silent_is_stood_in_for(
    stopped: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    settings = Settings({"FOUNDRY_URL": stopped}, tmp_path / ".env")
    runtime, choices = choose_runtime(settings, wish=None)
    assert (runtime.embedded, runtime.expected) == (True, True)
    assert choices == {"COMPOSE_PROFILES": "embedded"}
    assert "profile `embedded`" in capsys.readouterr().out


def test_any_of_several_is_enough(running: str, stopped: str, tmp_path: Path):
    settings = Settings({"FOUNDRY_URL": f"{stopped}, {running}"}, tmp_path / ".env")
    assert not choose_runtime(settings, wish=None)[0].embedded


def test_the_users_wish_decides(running: str, stopped: str, tmp_path: Path):
    answering = Settings({"FOUNDRY_URL": running}, tmp_path / ".env")
    silent = Settings({"FOUNDRY_URL": stopped}, tmp_path / ".env")
    assert choose_runtime(answering, wish=True)[0].embedded
    runtime, choices = choose_runtime(silent, wish=False)
    assert (runtime.embedded, runtime.expected) == (False, False)
    assert choices == {}


def test_profiles_of_the_users_own_are_kept(stopped: str, tmp_path: Path):
    own = {"FOUNDRY_URL": stopped, "COMPOSE_PROFILES": "more"}
    _, choices = choose_runtime(Settings(own, tmp_path / ".env"), wish=None)
    assert choices == {"COMPOSE_PROFILES": "more,embedded"}


def test_one_that_answers_this_machine_alone_is_stood_in_for(
    running: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    local = running.replace("host.docker.internal", "localhost")
    runtime, _ = choose_runtime(Settings({"FOUNDRY_URL": local}, tmp_path / ".env"), wish=None)
    assert runtime.embedded
    said = capsys.readouterr().out
    assert f"FOUNDRY_URL {local}: it answers; containers cannot reach it." in said
    assert f"set FOUNDRY_URL={running}" in said


def test_a_rootless_engine_stands_in_for_what_is_on_this_machine(
    running: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(docker, "is_rootless", lambda: True)
    runtime, _ = choose_runtime(Settings({"FOUNDRY_URL": running}, tmp_path / ".env"), wish=None)
    assert runtime.embedded
    assert "Docker runs rootless here" in capsys.readouterr().out


@pytest.mark.parametrize("profiles", ["embedded", "containers,embedded", "more, embedded", "*"])
def test_a_wish_against_the_settings_is_not_passed_over(
    running: str, tmp_path: Path, profiles: str
):
    settings = Settings({"FOUNDRY_URL": running, "COMPOSE_PROFILES": profiles}, tmp_path / ".env")
    with pytest.raises(StepFailedError, match="--no-embedded, but COMPOSE_PROFILES is"):
        choose_runtime(settings, wish=False)
    runtime, choices = choose_runtime(settings, wish=None)
    assert (runtime.embedded, choices) == (
        True,
        {"COMPOSE_PROFILES": profiles.replace(" ", "")},
    )
