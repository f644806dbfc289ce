"""Which Foundry Local the stack uses when the user has named one."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.runtime import choose_runtime
from lib.settings import Settings


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
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def stopped() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


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
