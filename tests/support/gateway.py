"""A gateway in a process of its own, as users run it: ``python -m foundry_gateway``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.foundry import Foundry
from support.processes import free_port_pair, python_path, running

SOURCE = Path(__file__).resolve().parents[2] / "services" / "gateway" / "src"
START_TIMEOUT = 60.0


@dataclass(frozen=True)
class Gateway:
    """A running gateway."""

    url: str
    key: str
    process: subprocess.Popen[bytes]
    log_path: Path
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", {"Authorization": f"Bearer {self.key}"})

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""
        return f"{self.url}/v1"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def memory_bytes(self) -> int:
        """Resident set size."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def get(self, path: str) -> tuple[int, Any]:
        """GET with the key; returns status and JSON, or text where it is none."""
        request = urllib.request.Request(self.url + path, headers=self.headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode()

    def status(self) -> Any:
        """``/status``."""
        return self.get("/status")[1]

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that carry these labels; 0 when there are none."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            wanted = (f'{key}="{label}"' in series for key, label in labels.items())
            if series.partition("{")[0] == name and all(wanted):
                total += float(value)
        return total

    def wait_until(self, condition: Callable[[Any], bool], what: str, timeout: float = 30.0) -> Any:
        """Poll ``/status`` until a condition holds for it; returns it."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status = self.status()
            if condition(status):
                return status
            time.sleep(0.05)
        raise AssertionError(f"not within {timeout} s: {what}; last seen: {json.dumps(status)}")

    async def eventually(
        self, condition: Callable[[Any], bool], what: str, within: float = 30.0
    ) -> Any:
        """``wait_until`` for a test whose own event loop plays the upstream."""
        return await asyncio.to_thread(self.wait_until, condition, what, within)


@contextlib.contextmanager
def run_gateway(log_path: Path, **env: str) -> Iterator[Gateway]:
    """Run a gateway with this environment; the port is free and the key new unless it says so."""
    port = int(env.get("GATEWAY_PORT", 0)) or free_port_pair()
    key = secrets.token_urlsafe(24)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GATEWAY_", "FOUNDRY_", "MODEL", "EMBEDDED_", "EMBEDDING_"))
    }
    environment = {
        **inherited,
        "PYTHONPATH": python_path(SOURCE),
        "GATEWAY_PORT": str(port),
        "GATEWAY_API_KEY": key,
        **env,
    }
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "foundry_gateway"]
    with running(command, environment, log_path) as process:
        gateway = Gateway(url, environment["GATEWAY_API_KEY"], process, log_path)
        _wait_for_health(gateway)
        yield gateway


def _wait_for_health(gateway: Gateway) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        assert gateway.process.poll() is None, f"the gateway ended:\n{gateway.log}"
        with contextlib.suppress(OSError):
            if gateway.get("/health")[0] == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"the gateway did not come up:\n{gateway.log}")


async def until(condition: Callable[[], object], within: float = 30.0) -> None:
    """Wait until a condition holds for something that cannot say so itself."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - plain values, read as they are
            await asyncio.sleep(0.002)


StartGateway = Callable[..., Gateway]


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """Start gateways with given settings; they end with the test."""
    with contextlib.ExitStack() as stack:

        def start(foundry_url: str, **env: str) -> Gateway:
            log = tmp_path / f"gateway-{secrets.token_hex(4)}.log"
            return stack.enter_context(run_gateway(log, FOUNDRY_URL=foundry_url, **env))

        yield start


@pytest.fixture(scope="session")
def gateway_v2(foundry_v2: Foundry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway in front of the real 2.x runtime, for the whole session."""
    log = tmp_path_factory.mktemp("gateway") / "v2.log"
    with run_gateway(log, FOUNDRY_URL=foundry_v2.url, MODEL="foundry-demo") as gateway:
        gateway.wait_until(lambda status: status["ready"], "ready")
        yield gateway


@pytest.fixture(scope="session")
def gateway_v1(foundry_v1: Foundry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway in front of the real 1.x runtime, for the whole session."""
    log = tmp_path_factory.mktemp("gateway") / "v1.log"
    with run_gateway(log, FOUNDRY_URL=foundry_v1.url, MODEL="foundry-demo") as gateway:
        gateway.wait_until(lambda status: status["ready"], "ready")
        yield gateway
