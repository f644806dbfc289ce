"""Real Foundry Local for tests: the 2.x runtime through ``foundry_host``, and the 1.x runtime.

``foundry_v2`` and ``foundry_v1`` run for the whole session; do not stop them. A test that stops,
restarts or freezes one uses ``start_foundry_v2`` or ``start_foundry_v1``, each a context manager.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import end, free_port_pair, python_path, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
HOST_SOURCE = ROOT / "services" / "foundry-local" / "src"
DEMO_ALIAS = "foundry-demo"
DEMO_VARIANT = "foundry-demo-generic-cpu:1"

START_TIMEOUT = 60.0


@dataclass(frozen=True)
class Foundry:
    """A running Foundry Local."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    companion_url: str | None = None

    @property
    def pid(self) -> int:
        """The process to freeze (SIGSTOP), thaw (SIGCONT) or kill."""
        return self.process.pid

    @property
    def port(self) -> int:
        """The port of ``url``."""
        return int(self.url.rpartition(":")[2])

    def output(self) -> str:
        """Everything the process has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def get_json(self, path: str) -> Any:
        """GET from the web service."""
        return get_json(self.url + path)

    def status(self) -> Any:
        """The companion's ``/status`` (2.x only)."""
        return get_json(f"{self.companion_url}/status")

    def stop(self) -> int:
        """End it as ``docker stop`` would; returns its exit code."""
        return end(self.process)


@contextlib.contextmanager
def start_foundry_v2(
    *,
    port: int | None = None,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    data_dir: Path | None = None,
    wait_for: Sequence[str] = (DEMO_ALIAS,),
    public: bool = False,
    through: Sequence[str] = (),
) -> Iterator[Foundry]:
    """Run ``python -m foundry_host`` on loopback.

    Args:
        port: The web service's port, to start again where another one was; free ones by default.
        args: Further command line arguments, such as ``["--models-dir", str(directory)]``.
        env: Further environment.
        data_dir: Where it writes; a fresh directory by default.
        wait_for: Aliases that must be loaded before the test goes on.
        public: Whether it may look for Microsoft's catalog.
        through: A command that runs it, such as ``setpriv`` with its options.
    """
    port = port or free_port_pair()
    url = f"http://127.0.0.1:{port}"
    companion = f"http://127.0.0.1:{port + 1}"
    with tempfile.TemporaryDirectory(prefix="foundry-v2-", ignore_cleanup_errors=True) as scratch:
        command = [
            *through,
            sys.executable,
            "-m",
            "foundry_host",
            "--url",
            url,
            "--data-dir",
            str(data_dir or Path(scratch) / "data"),
            *([] if public else ["--no-public-catalog"]),
            *args,
        ]
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("EMBEDDED_")},
            "PYTHONPATH": python_path(HOST_SOURCE),
            "PYTHONUNBUFFERED": "1",
            **(env or {}),
        }
        log = Path(scratch) / "log"
        with running(command, environment, log) as process:
            foundry = Foundry(url, process, log, companion)
            wait_until(foundry, lambda: _loaded(foundry, wait_for), f"{', '.join(wait_for)} loaded")
            yield foundry
            foundry.stop()


def _loaded(foundry: Foundry, aliases: Sequence[str]) -> bool:
    loaded = {m["alias"] for m in foundry.status()["models"] if m["state"] == "loaded"}
    return loaded >= set(aliases) and isinstance(foundry.get_json("/v1/models"), dict)


def wait_until(foundry: Foundry, condition: Any, what: str, timeout: float = START_TIMEOUT) -> None:
    """Poll until ``condition()`` is true; fail with the process's output when it never is."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if foundry.process.poll() is not None:
            raise AssertionError(
                f"Foundry Local ended with {foundry.process.returncode}:\n{foundry.output()}"
            )
        with contextlib.suppress(OSError, ValueError, KeyError):
            if condition():
                return
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout:.0f} s: {what}\n{foundry.output()}")


def get_json(url: str, timeout: float = 10.0) -> Any:
    """GET and decode; an error status is an ``OSError``."""
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return json.load(response)


def post_json(
    url: str,
    body: Any,
    *,
    timeout: float = 30.0,
    allow_errors: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """POST ``body`` and decode the answer; with ``allow_errors`` also give the status."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), fields)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            answer = json.load(response)
            return (response.status, answer) if allow_errors else answer
    except urllib.error.HTTPError as error:
        if not allow_errors:
            raise AssertionError(f"{url}: {error.code} {error.read().decode()}") from error
        with error:
            return error.code, json.load(error)


@contextlib.contextmanager
def start_foundry_v1(*, port: int | None = None, load: bool = True) -> Iterator[Foundry]:
    """Run the real 1.x core on loopback, serving the demo model under the same alias.

    Args:
        port: As for ``start_foundry_v2``.
        load: Whether the model is loaded from the start.
    """
    python = v1_python()
    url = f"http://127.0.0.1:{port or free_port_pair()}"
    with tempfile.TemporaryDirectory(prefix="foundry-v1-", ignore_cleanup_errors=True) as scratch:
        command = [
            str(python),
            str(ROOT / "tests" / "foundry_v1" / "serve.py"),
            *("--url", url, "--alias", DEMO_ALIAS, "--model-dir", str(demo_dir())),
            *("--data-dir", str(Path(scratch) / "data")),
            *([] if load else ["--no-load"]),
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": python_path(HOST_SOURCE),
            "PYTHONUNBUFFERED": "1",
        }
        log = Path(scratch) / "log"
        with running(command, environment, log) as process:
            foundry = Foundry(url, process, log)
            wait_until(foundry, lambda: "endpoints" in foundry.get_json("/status"), "/status")
            yield foundry


def v1_python() -> Path:
    """The interpreter of the 1.x environment; fails with how to make it where it is missing."""
    environment = Path(os.environ.get("FOUNDRY_V1_VENV") or ROOT / ".venv-foundry-v1")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        raise AssertionError(
            f"{environment} is missing: it holds Foundry Local's 1.x runtime (about 0.9 GB). "
            f"'python3 scripts/test.py' makes it, or: uv venv {environment.name} && "
            f"uv pip sync --require-hashes --python {python} tests/foundry_v1/requirements.lock"
        )
    return python


def demo_dir() -> Path:
    """The demo model's directory."""
    return Path(os.environ.get("FOUNDRY_HOST_DEMO_DIR") or HOST_SOURCE / "foundry_host/demo_model")


@pytest.fixture(scope="session")
def foundry_v1() -> Iterator[Foundry]:
    """The real 1.x runtime with the demo model loaded, for the whole session."""
    with start_foundry_v1() as foundry:
        yield foundry


@pytest.fixture(scope="session")
def foundry_v2() -> Iterator[Foundry]:
    """The real 2.x runtime with the demo model loaded, for the whole session."""
    with start_foundry_v2() as foundry:
        yield foundry
