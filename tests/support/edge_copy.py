"""A second edge, made like the stack's own, for what might hurt it.

It has the same image, limits and networks, and ports of its own. What it passes on goes to the
services of the running stack.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.edge import SERVICES, listens
from support.stack import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.stack import RunningStack

NAME = f"{PROJECT}-edge-copy"
START_SECONDS = 20.0
ESTABLISHED = "01"
"""As /proc/net/tcp writes it."""


@dataclass(frozen=True)
class EdgeCopy:
    """A running copy."""

    ports: dict[str, int]
    first_workers: list[str]
    first_memory_kb: int

    def inspect(self) -> Any:
        """What Docker tells about its container."""
        return json.loads(docker("inspect", NAME))[0]

    def is_unharmed(self) -> bool:
        """Whether it has run since its start, and no process of it was ended for its memory."""
        state = self.inspect()["State"]
        return (
            bool(state["Running"])
            and not state["OOMKilled"]
            and self.workers() == self.first_workers
        )

    def workers(self) -> list[str]:
        """The process ids of its workers: a worker that died has a successor."""
        lines = docker("top", NAME, "-eo", "pid,args").splitlines()
        return [line.split()[0] for line in lines if "worker process" in line]

    def connections(self) -> int:
        """How many connections its network has open, in whatever direction."""
        process = self.inspect()["State"]["Pid"]
        lines = Path(f"/proc/{process}/net/tcp").read_text().splitlines()[1:]
        return sum(line.split()[3] == ESTABLISHED for line in lines)

    def limit_kb(self) -> int:
        """What its container may take, in kB."""
        return int(self.inspect()["HostConfig"]["Memory"]) // 1024

    def memory_kb(self) -> int:
        """Resident memory of its processes, in kB."""
        lines = docker("top", NAME, "-eo", "pid,rss,args").splitlines()[1:]
        return sum(int(line.split()[1]) for line in lines)


def docker(*arguments: str) -> str:
    """Run a command of Docker's and return what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr}"
    return done.stdout.strip()


@contextlib.contextmanager
def copy_of_the_edge(stack: RunningStack) -> Iterator[EdgeCopy]:
    """Run a copy of the stack's edge; whatever happens, it is gone afterwards."""
    own = stack.inspect("edge")
    host = own["HostConfig"]
    options = [
        *("--name", NAME, "--init", "--read-only", "--cap-drop", "ALL", "--user", "10001:10001"),
        *("--security-opt", "no-new-privileges:true", "--memory", str(host["Memory"])),
        *("--memory-swap", str(host["MemorySwap"]), "--pids-limit", str(host["PidsLimit"])),
        *("--dns", "127.0.0.1", "--network", f"{PROJECT}_published"),
        *(part for path, how in host["Tmpfs"].items() for part in ("--tmpfs", f"{path}:{how}")),
        *(p for name, value in host["Sysctls"].items() for p in ("--sysctl", f"{name}={value}")),
        *(part for port in SERVICES.values() for part in ("--publish", f"127.0.0.1::{port}")),
    ]
    subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)
    try:
        docker("create", *options, own["Image"])
        docker("network", "connect", f"{PROJECT}_private", NAME)
        docker("start", NAME)
        published = json.loads(docker("inspect", NAME))[0]["NetworkSettings"]["Ports"]
        ports = {
            name: int(published[f"{port}/tcp"][0]["HostPort"]) for name, port in SERVICES.items()
        }
        starting = EdgeCopy(ports, [], 0)
        deadline = time.monotonic() + START_SECONDS
        while not (starting.workers() and listens(ports["gateway"])):
            assert time.monotonic() < deadline, docker("logs", NAME)
            time.sleep(0.1)
        yield EdgeCopy(ports, starting.workers(), starting.memory_kb())
    finally:
        subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)
