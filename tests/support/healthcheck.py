"""The health probe in a process of its own, and the faults that its tests bring about.

``Line`` stands between two parts and can hold or swallow what goes through it; ``SmallDisk`` is a
disk that a test can fill. Everything at their ends is real.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import psutil

from support.processes import free_port_pair, python_path, running

SOURCE = Path(__file__).resolve().parents[2] / "services" / "healthcheck" / "src"
START_TIMEOUT = 60.0
DEADLINE = 60.0
"""Seconds for a fault to show, however busy the machine is."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Healthcheck:
    """A running prober."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def memory_bytes(self) -> int:
        """Resident set size."""
        return int(psutil.Process(self.pid).memory_info().rss)

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def output(self) -> str:
        """Everything logged so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """GET; returns status and text."""
        request = urllib.request.Request(self.url + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self) -> Json:
        """``/api/status``."""
        status: Json = json.loads(self.get("/api/status")[1])
        return status

    def part(self, name: str) -> Json:
        """One part of the status."""
        return part_of(self.status(), name)

    def metric(self, name: str, **labels: str) -> float | None:
        """The sum of a metric's samples that carry these labels; None where there is none."""
        return sample(self.get("/metrics")[1], name, **labels)

    def wait_until(self, condition: Callable[[Json], Any], what: str) -> Json:
        """Poll the status until a condition holds for it; returns it."""
        deadline = time.monotonic() + DEADLINE
        while True:
            status = self.status()
            if condition(status):
                return status
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {DEADLINE:g} s: {what}\n{self.output()}")
            time.sleep(0.1)

    def wait_until_green(self) -> Json:
        """Poll until every part has been looked at and works."""
        return self.wait_until(lambda status: status["status"] == "up", "everything green")

    def wait_until_red(self, name: str, reason: str) -> Json:
        """Poll until a part is down for a reason; returns the part."""

        def is_red(status: Json) -> bool:
            part = part_of(status, name)
            return bool(part["state"] == "down" and part["reason"] == reason)

        return part_of(self.wait_until(is_red, f"{name} is red with {reason}"), name)


def part_of(status: Json, name: str) -> Json:
    """One part of a status."""
    part: Json = next(part for part in status["parts"] if part["name"] == name)
    return part


def seconds_until(instant: str, since: float) -> float:
    """From a Unix time to an instant in the prober's own words."""
    return datetime.fromisoformat(instant).timestamp() - since


def sample(exposition: str, name: str, **labels: str) -> float | None:
    """The sum of a metric's samples that carry these labels; None where there is none."""
    found = []
    for line in exposition.splitlines():
        series, _, value = line.rpartition(" ")
        wanted = (f'{key}="{label}"' in series for key, label in labels.items())
        if series.partition("{")[0] == name and all(wanted):
            found.append(float(value))
    return sum(found) if found else None


def environment(**env: str) -> dict[str, str]:
    """The prober's environment: nothing of this process's own settings, and a long arm's reach."""
    foreign = ("HEALTHCHECK_", "GATEWAY_", "FOUNDRY_", "EMBEDDED_", "CHAINLIT_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # What a test has put there runs already: its failures count from the first look on.
    usual = {"PYTHONUNBUFFERED": "1", "HEALTHCHECK_START_PERIOD": "0"}
    return {**inherited, "PYTHONPATH": python_path(SOURCE), **usual, **env}


@contextlib.contextmanager
def start_healthcheck(**env: str) -> Iterator[Healthcheck]:
    """Run ``python -m foundry_healthcheck`` on a free port."""
    port = free_port_pair()
    with tempfile.TemporaryDirectory(prefix="healthcheck-") as scratch:
        log = Path(scratch) / "log"
        command = [sys.executable, "-m", "foundry_healthcheck"]
        with running(command, environment(HEALTHCHECK_PORT=str(port), **env), log) as process:
            healthcheck = Healthcheck(f"http://127.0.0.1:{port}", process, log)
            _wait_for(lambda: healthcheck.get("/health")[0] == 200, process, log)
            yield healthcheck


def probe_once(module: str, target: str, **env: str) -> tuple[int, Json]:
    """Run ``python -m foundry_healthcheck probe``; returns exit code and outcome."""
    command = [sys.executable, "-m", "foundry_healthcheck", "probe", module, target, "--json"]
    done = subprocess.run(
        command, env=environment(**env), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr
    outcome: Json = json.loads(done.stdout)
    return done.returncode, outcome


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if condition():
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"it did not start:\n{log.read_text(errors='replace')}")


Rule = Literal["pass", "swallow", "refuse"]


class Line:
    """A TCP line to a real part. Use as a context manager.

    Args:
        target: Where it leads, ``http://host:port``.
        hold_after: Of what comes back, everything after the event with these bytes is held.
        rule: What happens to a connection whose first bytes hold the mark.
        mark: Which connections the rule is for.
    """

    def __init__(
        self,
        target: str,
        *,
        hold_after: bytes | None = None,
        rule: Rule = "pass",
        mark: bytes = b"",
    ) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._hold_after = hold_after
        self._mark = mark
        self.rule: Rule = rule
        self.held = threading.Event()
        """Set once something is being held back."""
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._server, *self._sockets):
            _hang_up(each)
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._sockets.append(client)
                self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            first = client.recv(65_536)
            if self.rule != "pass" and self._mark in first:
                if self.rule == "refuse":
                    client.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
                    _hang_up(client)
                return
            with socket.create_connection(self._target) as upstream:
                self._sockets.append(upstream)
                upstream.sendall(first)
                self._spawn(self._pump, client, upstream)
                self._answer(upstream, client)
        _hang_up(client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _answer(self, upstream: socket.socket, client: socket.socket) -> None:
        seen = b""
        while data := upstream.recv(65_536):
            if self.held.is_set() and seen:
                continue
            if self._hold_after is not None:
                seen += data
                at = seen.find(self._hold_after)
                end = seen.find(b"\n\n", at) if at >= 0 else -1
                if end >= 0:
                    surplus = len(seen) - (end + 2)
                    client.sendall(data[: len(data) - surplus])
                    self.held.set()
                    continue
            client.sendall(data)


def _hang_up(line: socket.socket) -> None:
    # Closing alone says nothing to the other side while a thread still reads here.
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()


class SmallDisk:
    """A disk of a few megabytes that a test can fill. Use as a context manager; wants root."""

    def __init__(self, megabytes: int = 16) -> None:
        self._megabytes = megabytes
        self.path = Path()

    def __enter__(self) -> Self:
        self.path = Path(tempfile.mkdtemp(prefix="small-disk-"))
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs"]
        subprocess.run([*command, str(self.path)], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        # Lazily: whatever still has a file open there lets go of it later.
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)
        self.path.rmdir()

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.path / "fill").open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(65_536))
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0")

    def make_room(self) -> None:
        """Take away what filled it."""
        (self.path / "fill").unlink()


@contextlib.contextmanager
def start_prometheus(data: Path, *, scrape_interval: str = "5s") -> Iterator[str]:
    """Run Debian's ``prometheus``, which scrapes itself; yields its address."""
    binary = shutil.which("prometheus")
    assert binary, "the package `prometheus` is not installed"
    port = free_port_pair()
    with tempfile.TemporaryDirectory(prefix="prometheus-") as scratch:
        config = Path(scratch) / "prometheus.yml"
        target = f"127.0.0.1:{port}"
        config.write_text(
            f"global: {{scrape_interval: {scrape_interval}}}\n"
            "scrape_configs:\n"
            "  - job_name: prometheus\n"
            f"    static_configs: [{{targets: ['{target}']}}]\n"
        )
        log = Path(scratch) / "log"
        command = [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address={target}",
        ]
        with running(command, os.environ, log) as process:
            url = f"http://{target}"

            def is_ready() -> bool:
                with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
                    return bool(answer.status == 200)

            _wait_for(is_ready, process, log)
            yield url
