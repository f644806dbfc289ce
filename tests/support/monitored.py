"""A small real stack under Prometheus: Foundry Local, gateway, prober, and a little traffic.

What Docker would say about containers is a recorded answer: no test may depend on Docker here.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from support.foundry import DEMO_ALIAS, START_TIMEOUT, free_port_pair, start_foundry_v2
from support.gateway import Gateway, run_gateway
from support.processes import running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from support.foundry import Foundry

ROOT = Path(__file__).resolve().parents[2]
PROBER_SOURCE = ROOT / "services" / "healthcheck" / "src"
CONFIGURATION = ROOT / "monitoring" / "prometheus"
INTERVAL = "1s"
"""Between scrapes and between evaluations, in place of 15 seconds."""
AN_ALERT = {
    "groups": [
        {
            "name": "of-the-test",
            "rules": [
                # Real alerts take minutes of trouble: this one stands for them.
                {"alert": "Example", "expr": "vector(1)", "labels": {"severity": "ticket"}}
            ],
        }
    ]
}


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, path: str, **parameters: str | list[str]) -> Any:
        """The ``data`` of an answer of its API; a refused question is an ``AssertionError``."""
        asked = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from error


@dataclass(frozen=True)
class MonitoredStack:
    """What runs."""

    foundry: Foundry
    gateway: Gateway
    prober_url: str
    prometheus: Prometheus


@contextlib.contextmanager
def monitored_stack(folder: Path) -> Iterator[MonitoredStack]:
    """Run it all with this repository's own configuration of Prometheus, only faster."""
    prober, prometheus, closed = free_port_pair(), free_port_pair(), free_port_pair()
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(recorded_docker_view())
        foundry = stack.enter_context(start_foundry_v2())
        gateway = stack.enter_context(
            run_gateway(
                folder / "gateway.log",
                FOUNDRY_URL=foundry.url,
                MODEL=DEMO_ALIAS,
                GATEWAY_MAX_CONCURRENCY="2",
            )
        )
        gateway.wait_until(lambda status: status["ready"], "ready", START_TIMEOUT)
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME")},
            "PYTHONPATH": str(PROBER_SOURCE),
            "FOUNDRY_URL": foundry.url,
            "GATEWAY_URL": gateway.url,
            "GATEWAY_API_KEY": gateway.key,
            "PROMETHEUS_URL": f"http://127.0.0.1:{prometheus}",
            "WEBGPU_URL": f"http://127.0.0.1:{closed}",  # down, so that a board has what to show
            "DOCKER_VIEW_URL": view,
            "HEALTHCHECK_PORT": str(prober),
            "HEALTHCHECK_INTERVAL": "1",
            "HEALTHCHECK_CHAT_INTERVAL": "1",
        }
        command = [sys.executable, "-m", "foundry_healthcheck"]
        stack.enter_context(running(command, environment, folder / "prober.log"))
        prober_url = f"http://127.0.0.1:{prober}"
        jobs = {"gateway": gateway.port, "healthcheck": prober, "prometheus": prometheus}
        server = stack.enter_context(run_prometheus(folder, prometheus, jobs, closed))
        yield MonitoredStack(foundry, gateway, prober_url, server)


@contextlib.contextmanager
def run_prometheus(
    folder: Path, port: int, jobs: dict[str, int], otherwise: int
) -> Iterator[Prometheus]:
    """Run Prometheus on loopback.

    Args:
        folder: For its configuration, data and log.
        port: Where it listens.
        jobs: The ports of the jobs that run.
        otherwise: The port of all other jobs, where nothing listens.
    """
    binary = shutil.which("prometheus")
    assert binary, "prometheus is missing: `python3 scripts/test.py` installs it"
    configuration = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text(encoding="utf-8"))
    configuration["global"] |= {
        "scrape_interval": INTERVAL,
        "scrape_timeout": INTERVAL,
        "evaluation_interval": INTERVAL,
    }
    for job in configuration["scrape_configs"]:
        (target,) = job["static_configs"]
        target["targets"] = [f"127.0.0.1:{jobs.get(job['job_name'], otherwise)}"]
    rules = folder / "rules"
    rules.mkdir()
    for path in (CONFIGURATION / "rules").glob("*.yml"):
        groups = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in groups["groups"]:
            group["interval"] = INTERVAL
        (rules / path.name).write_text(yaml.safe_dump(groups), encoding="utf-8")
    (rules / "example.yml").write_text(yaml.safe_dump(AN_ALERT), encoding="utf-8")
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    command = [
        binary,
        f"--config.file={file}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.tsdb.path={folder / 'data'}",
    ]
    log = folder / "prometheus.log"
    with running(command, os.environ, log) as process:
        server = Prometheus(f"http://127.0.0.1:{port}", process, log)
        wait_for(lambda: _is_ready(server), "Prometheus ready", log)
        yield server


def wait_for(condition: Callable[[], object], what: str, log: Path | None = None) -> None:
    """Poll until a condition holds; fail with a log's text when it never does."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(
        f"not within {START_TIMEOUT:.0f} s: {what}\n{log.read_text() if log else ''}"
    )


def _is_ready(server: Prometheus) -> bool:
    assert server.process.poll() is None, f"Prometheus ended:\n{server.log.read_text()}"
    try:
        with urllib.request.urlopen(f"{server.url}/-/ready", timeout=5) as answer:
            return bool(answer.status == http.client.OK)
    except OSError:
        return False


# ---- Traffic -------------------------------------------------------------------------------------


@contextlib.contextmanager
def traffic(gateway: Gateway) -> Iterator[None]:
    """Ask as two apps, more at once than the gateway lets through, now and then wrongly."""
    over = threading.Event()
    askers = [
        threading.Thread(target=_ask_until, args=(gateway, client, over), daemon=True)
        for client in ("chainlit", "open-webui", "chainlit")
    ]
    for asker in askers:
        asker.start()
    try:
        yield
    finally:
        over.set()
        for asker in askers:
            asker.join()


def _ask_until(gateway: Gateway, client: str, over: threading.Event) -> None:
    while not over.is_set():
        chat(gateway, client)
        chat(gateway, client, model="no-such-model")
        chat(gateway, client, key="a-wrong-key")
        over.wait(0.7)


def chat(gateway: Gateway, client: str, *, model: str = DEMO_ALIAS, key: str = "") -> int:
    """One streamed question, read to its end; returns the status."""
    body = {
        "model": model,
        "stream": True,
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Count from 1 to 20"}],
    }
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    with contextlib.closing(connection):
        connection.request(
            "POST",
            "/v1/chat/completions",
            json.dumps(body),
            {
                "Authorization": f"Bearer {key or gateway.key}",
                "Content-Type": "application/json",
                "X-Client": client,
            },
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status


# ---- Docker's recorded answers -------------------------------------------------------------------

_LABELS = {"com.docker.compose.service": "gateway"}
_RECORDED: dict[str, Any] = {
    "/containers/json": [
        {
            "Id": "0123456789ab",
            "State": "running",
            "Status": "Up 2 minutes (healthy)",
            "Labels": _LABELS,
        }
    ],
    "/events": [
        {"id": "0123456789ab", "Action": "die", "timeNano": 1, "Labels": _LABELS},
        {"id": "0123456789ab", "Action": "start", "timeNano": 2, "Labels": _LABELS},
    ],
    "/containers/0123456789ab/stats": {
        "memory_stats": {
            "usage": 48_000_000,
            "limit": 268_435_456,
            "stats": {"inactive_file": 6_000_000},
        },
        "cpu_stats": {"cpu_usage": {"total_usage": 3_500_000_000}},
    },
}


@contextlib.contextmanager
def recorded_docker_view() -> Iterator[str]:
    """Serve what docker-view answered for one container; returns its address."""

    class Recorded(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = _RECORDED.get(self.path)
            body = json.dumps(known if known is not None else {"message": "unknown"}).encode()
            self.send_response(200 if known is not None else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Recorded) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
