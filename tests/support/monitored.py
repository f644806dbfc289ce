"""A small real stack under Prometheus: Foundry Local, gateway, prober, and a little traffic.

What Docker would say about containers is a recorded answer: no test may depend on Docker here.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import yaml

from support.foundry import DEMO_ALIAS, START_TIMEOUT, start_foundry_v2
from support.gateway import Gateway, run_gateway
from support.healthcheck import Healthcheck, start_healthcheck
from support.processes import dead_port, free_port_pair, running
from support.prometheus import FOLDER as SHIPPED
from support.prometheus import Prometheus, binary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.foundry import Foundry

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
class MonitoredStack:
    """What runs."""

    foundry: Foundry
    gateway: Gateway
    prober: Healthcheck
    prometheus: Prometheus


@contextlib.contextmanager
def monitored_stack(folder: Path) -> Iterator[MonitoredStack]:
    """Run it all with this repository's own configuration of Prometheus, only faster."""
    nowhere = f"127.0.0.1:{dead_port()}"
    with contextlib.ExitStack() as stack:
        foundry = stack.enter_context(start_foundry_v2())
        settings = {"FOUNDRY_URL": foundry.url, "MODEL": DEMO_ALIAS, "GATEWAY_MAX_CONCURRENCY": "2"}
        gateway = stack.enter_context(run_gateway(folder / "gateway.log", **settings))
        gateway.wait_until(lambda status: status["ready"], "ready", START_TIMEOUT)
        prober = stack.enter_context(
            start_healthcheck(
                FOUNDRY_URL=foundry.url,
                GATEWAY_URL=gateway.url,
                GATEWAY_API_KEY=gateway.key,
                WEBGPU_URL=f"http://{nowhere}",  # down, so that a board has what to show
                DOCKER_VIEW_URL=stack.enter_context(recorded_docker_view()),
                HEALTHCHECK_INTERVAL="1",
                HEALTHCHECK_CHAT_INTERVAL="1",
            )
        )
        jobs = {"gateway": gateway.url, "healthcheck": prober.url}
        prometheus = stack.enter_context(run_hasty_prometheus(folder, jobs, nowhere))
        yield MonitoredStack(foundry, gateway, prober, prometheus)


@contextlib.contextmanager
def run_hasty_prometheus(folder: Path, jobs: dict[str, str], nowhere: str) -> Iterator[Prometheus]:
    """Run Prometheus at a pace that its own start.sh refuses, with one alert that always fires.

    Args:
        folder: For its configuration, data and log.
        jobs: The addresses of the jobs that run.
        nowhere: The address of all others.
    """
    address = f"127.0.0.1:{free_port_pair()}"
    listening = {job: url.rpartition("/")[2] for job, url in jobs.items()}
    listening["prometheus"] = address
    configuration = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
    times = ("scrape_interval", "scrape_timeout", "evaluation_interval")
    configuration["global"] |= dict.fromkeys(times, INTERVAL)
    for job in configuration["scrape_configs"]:
        (target,) = job["static_configs"]
        target["targets"] = [listening.get(job["job_name"], nowhere)]
    rules = folder / "rules"
    rules.mkdir()
    for path in (SHIPPED / "rules").glob("*.yml"):
        shipped = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in shipped["groups"]:
            group["interval"] = INTERVAL
        (rules / path.name).write_text(yaml.safe_dump(shipped), encoding="utf-8")
    (rules / "example.yml").write_text(yaml.safe_dump(AN_ALERT), encoding="utf-8")
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    data, log = folder / "data", folder / "prometheus.log"
    command = [binary("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={data}"]
    command.append(f"--web.listen-address={address}")
    with running(command, os.environ, log) as process:
        yield Prometheus(f"http://{address}", process, log, data)


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
