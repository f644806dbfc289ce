"""A real Prometheus in a process of its own, with the configuration and the start that ship."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.processes import free_port_pair, running

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "monitoring" / "prometheus"
UNPACKED = ROOT / ".cache" / "prometheus" / "usr" / "bin"
"""Where scripts/test.py unpacks Debian's package when none is installed."""
SERVICES = {
    "gateway": "gateway:8000",
    "healthcheck": "healthcheck:9180",
    "chainlit": "chainlit:8080",
    "grafana": "grafana:3000",
}
"""The shipped targets, besides Prometheus itself."""
START_TIMEOUT = 60.0


def binary(name: str) -> str:
    """The path of ``prometheus`` or ``promtool``; fails with how to get it."""
    found = shutil.which(name) or shutil.which(name, path=str(UNPACKED))
    assert found, (
        f"There is no {name}. `python3 scripts/test.py unit` gets it on Debian and Ubuntu; "
        "elsewhere install Prometheus, so that it is on PATH."
    )
    return found


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with Prometheus on PATH, and these settings only."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PROMETHEUS_")}
    folder = str(Path(binary("prometheus")).parent)
    return {**inherited, "PATH": f"{folder}{os.pathsep}{inherited['PATH']}", **settings}


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path
    data: Path

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def api(self, path: str, **parameters: str) -> Any:
        """The ``data`` of an answer of the HTTP API."""
        address = f"{self.url}/api/v1/{path}"
        if parameters:
            address += "?" + urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(address, timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """An instant vector: label sets and values."""
        found = self.api("query", query=expression)["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in found]

    def wait_until(self, condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
        """Wait for something that it will know after a scrape or two."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert self.process.poll() is None, f"Prometheus ended:\n{self.log}"
            assert time.monotonic() < deadline, f"not within {timeout} s: {what}\n{self.log}"
            time.sleep(0.2)


@contextlib.contextmanager
def run_prometheus(
    folder: Path, targets: Mapping[str, str], *, hurry: bool = False, **settings: str
) -> Iterator[Prometheus]:
    """Run the shipped Prometheus against other addresses.

    Args:
        folder: For its files; made when absent.
        targets: ``host:port`` by job. Jobs that are not named are left out, as
            ``PROMETHEUS_WITHOUT`` does it.
        hurry: Evaluate rules every second, instead of every quarter of a minute and slower.
        settings: ``PROMETHEUS_…``, as start.sh knows them.
    """
    address = f"127.0.0.1:{free_port_pair()}"
    shipped = folder / "shipped"
    shutil.copytree(FOLDER, shipped)
    configuration = shipped / "prometheus.yml"
    text = configuration.read_text(encoding="utf-8")
    for job, target in {**targets, "prometheus": address}.items():
        usual = SERVICES.get(job, "localhost:9090")
        assert usual in text
        text = text.replace(f'"{usual}"', f'"{target}"')
    configuration.write_text(text, encoding="utf-8")
    if hurry:
        _hurry(shipped)
    env = environment(
        **{
            "PROMETHEUS_SCRAPE_INTERVAL": "5s",
            "PROMETHEUS_LISTEN": address,
            "PROMETHEUS_DATA": str(folder / "data"),
            "PROMETHEUS_RUNTIME": str(folder / "runtime"),
            "PROMETHEUS_WITHOUT": ",".join(job for job in SERVICES if job not in targets),
            **settings,
        }
    )
    log_path = folder / "prometheus.log"
    start = ["sh", str(shipped / "start.sh")]
    with running(start, env, log_path, cwd=folder) as process:
        prometheus = Prometheus(f"http://{address}", process, log_path, folder / "data")
        prometheus.wait_until(lambda: _is_ready(prometheus.url), "ready", START_TIMEOUT)
        yield prometheus


def _hurry(shipped: Path) -> None:
    for path in [shipped / "prometheus.yml", *(shipped / "rules").glob("*.yml")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            name, colon, _ = line.partition(": ")
            if name.strip() in ("evaluation_interval", "interval"):
                lines[number] = f"{name}{colon}1s"
        path.write_text("\n".join(lines), encoding="utf-8")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
