"""A second edge, made like the stack's own, for what might hurt it.

It has the same image, limits and networks, and ports of its own. What it passes on goes to the
services of the running stack.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import NotFound

from support import engine
from support.edge import SERVICES, listens
from support.stack import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from support.stack import RunningStack

NAME = f"{PROJECT}-edge-copy"
START_SECONDS = 60.0
ESTABLISHED = "01"
"""As /proc/net/tcp writes it."""


@dataclass(frozen=True)
class EdgeCopy:
    """A running copy."""

    container: Container
    ports: dict[str, int]
    first_workers: list[str]
    first_memory_kb: int

    def inspect(self) -> Any:
        """What Docker tells about its container."""
        self.container.reload()
        return self.container.attrs

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
        listed = self.container.top(ps_args="-eo pid,args")["Processes"]
        return [process for process, arguments in listed if "worker process" in arguments]

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
        listed = self.container.top(ps_args="-eo pid,rss,args")["Processes"]
        return sum(int(resident) for _, resident, _ in listed)


@contextlib.contextmanager
def copy_of_the_edge(stack: RunningStack) -> Iterator[EdgeCopy]:
    """Run a copy of the stack's edge; whatever happens, it is gone afterwards."""
    own = stack.inspect("edge")
    host = own["HostConfig"]
    remove()
    try:
        copy = engine.client().containers.create(
            own["Image"],
            name=NAME,
            init=True,
            read_only=True,
            cap_drop=["ALL"],
            user="10001:10001",
            security_opt=["no-new-privileges:true"],
            mem_limit=host["Memory"],
            memswap_limit=host["MemorySwap"],
            pids_limit=host["PidsLimit"],
            dns=["127.0.0.1"],
            network=f"{PROJECT}_published",
            tmpfs=host["Tmpfs"],
            sysctls=host["Sysctls"],
            ports={f"{port}/tcp": ("127.0.0.1", 0) for port in SERVICES.values()},
        )
        engine.client().networks.get(f"{PROJECT}_private").connect(copy)
        copy.start()
        copy.reload()
        published = copy.attrs["NetworkSettings"]["Ports"]
        ports = {
            name: int(published[f"{port}/tcp"][0]["HostPort"]) for name, port in SERVICES.items()
        }
        starting = EdgeCopy(copy, ports, [], 0)
        deadline = time.monotonic() + START_SECONDS
        while not (starting.workers() and listens(ports["gateway"])):
            assert time.monotonic() < deadline, copy.logs().decode()
            time.sleep(0.1)
        yield EdgeCopy(copy, ports, starting.workers(), starting.memory_kb())
    finally:
        remove()


def remove() -> None:
    """Take the copy away, where there is one."""
    with contextlib.suppress(NotFound):
        engine.client().containers.get(NAME).remove(force=True)
