"""The chat app for tests: its own process, as in the container, against any gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.processes import end, free_port, python_path, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "services" / "chainlit" / "src"
START_TIMEOUT = 60.0


@dataclass(frozen=True)
class ChatApp:
    """A running chat app."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    root: Path

    def output(self) -> str:
        """Everything the process has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> str:
        """GET as text; an error status is an ``OSError``."""
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            text: str = response.read().decode("utf-8")
            return text

    def metric(self, sample: str) -> float:
        """The value of one sample, written as in the exposition, 0 when it is not there."""
        for line in self.get("/metrics").splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0

    async def becomes(self, sample: str, value: float, within: float = 30.0) -> None:
        """Wait until a sample has this value."""
        try:
            async with asyncio.timeout(within):
                while await asyncio.to_thread(self.metric, sample) != value:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            metrics = self.get("/metrics")
            raise AssertionError(f"{sample} not {value:g} in {within:g} s:\n{metrics}") from None

    def stop(self) -> int:
        """End it as ``docker stop`` would; returns its exit code."""
        return end(self.process)


@contextlib.contextmanager
def start_chat_app(
    gateway_url: str, *, env: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[ChatApp]:
    """Run ``python -m foundry_chat`` on loopback, its app root in a fresh directory.

    Args:
        gateway_url: Whether anything answers there or not.
        env: Further environment.
        port: A free one by default.
    """
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="foundry-chat-", ignore_cleanup_errors=True) as scratch:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("CHAINLIT_", "GATEWAY_"))},
            "GATEWAY_URL": gateway_url,
            "CHAINLIT_PORT": str(port),
            "CHAINLIT_APP_ROOT": str(Path(scratch) / "root"),
            "PYTHONPATH": python_path(SOURCE),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **(env or {}),
        }
        command = [sys.executable, "-m", "foundry_chat"]
        with _running(command, environment, Path(scratch), port) as app:
            yield app


@contextlib.contextmanager
def start_blocking_reference(foundry_url: str, model: str) -> Iterator[ChatApp]:
    """Run the blocking reference app of the benchmark, straight at Foundry Local.

    Args:
        foundry_url: Foundry Local's address, without ``/v1``.
        model: The variant id to ask, which Foundry Local wants.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="reference-", ignore_cleanup_errors=True) as scratch:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("CHAINLIT_")},
            "FOUNDRY_URL": foundry_url,
            "FOUNDRY_MODEL": model,
            "CHAINLIT_APP_ROOT": scratch,
            "PYTHONUNBUFFERED": "1",
        }
        app = ROOT / "tests" / "support" / "blocking_reference" / "app.py"
        command = [
            *(sys.executable, "-m", "chainlit", "run", str(app)),
            *("--headless", "--host", "127.0.0.1", "--port", str(port)),
        ]
        with _running(command, environment, Path(scratch), port) as reference:
            yield reference


@contextlib.contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], scratch: Path, port: int
) -> Iterator[ChatApp]:
    log = scratch / "log"
    with running(command, environment, log, cwd=scratch) as process:
        app = ChatApp(f"http://127.0.0.1:{port}", process, log, scratch / "root")
        _wait_until_up(app)
        yield app


def _wait_until_up(app: ChatApp) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if app.process.poll() is not None:
            raise AssertionError(f"the app ended with {app.process.returncode}:\n{app.output()}")
        with contextlib.suppress(OSError, urllib.error.URLError):
            app.get("/health")
            return
        time.sleep(0.1)
    raise AssertionError(f"the app did not start within {START_TIMEOUT:g} s:\n{app.output()}")
