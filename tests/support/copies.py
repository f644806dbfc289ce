"""A copy of one of the stack's containers, for what the running one must be spared."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import engine
from support.processes import free_port
from support.stack import RunningStack, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker.models.containers import Container

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Copy:
    """A container of a service's image with that service's limits, on a loopback port."""

    container: Container
    port: int
    limit: int

    @property
    def url(self) -> str:
        """Where it is published."""
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> int:
        """What its processes hold now, in bytes: without files in the kernel's cache."""
        lines = (self._group / "memory.stat").read_text(encoding="utf-8").splitlines()
        counted = {name: int(value) for name, _, value in (one.partition(" ") for one in lines)}
        return counted["anon"] if "anon" in counted else counted["rss"]

    @cached_property
    def _group(self) -> Path:
        """Its control group of memory, asked for once: under attack, no program may run in it."""
        told = eventually(lambda: engine.run_in(self.container, "cat", "/proc/1/cgroup").stdout)
        for line in told.splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in {"", "memory"}:
                return _place(path, engine.id_of(self.container))
        raise AssertionError(f"no control group of memory: {told}")

    def state(self) -> Mapping[str, Any]:
        """What Docker tells about its life: `Running`, `OOMKilled`, `StartedAt`…"""
        self.container.reload()
        state: Mapping[str, Any] = self.container.attrs["State"]
        return state


@contextlib.contextmanager
def copy_of(stack: RunningStack, service: str, port: int, **environment: str) -> Iterator[Copy]:
    """Run the image of a service by itself, as hardened and limited as in the stack.

    Args:
        stack: Where the service runs.
        service: Its name.
        port: Where it listens in its container.
        environment: Instead of what the stack passes.
    """
    inspected = stack.inspect(service)
    host = inspected["HostConfig"]
    published = free_port()
    container = engine.client().containers.run(
        inspected["Image"],
        detach=True,
        init=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        user=inspected["Config"]["User"],
        mem_limit=host["Memory"],
        pids_limit=host["PidsLimit"],
        ports={f"{port}/tcp": ("127.0.0.1", published)},
        tmpfs=host["Tmpfs"],
        volumes=[mount["Destination"] for mount in inspected["Mounts"] if mount["RW"]],
        environment=environment,
    )
    try:
        copy = Copy(container, published, host["Memory"])
        copy.memory()  # from where, is found out before anybody attacks it
        yield copy
    finally:
        container.remove(force=True, v=True)


def settled(copy: Copy, most: float, seconds: float = 180.0) -> None:
    """Wait until the copy holds no more than so many bytes."""
    eventually(lambda: copy.memory() <= most, seconds)


def _place(path: str, container: str) -> Path:
    root = Path("/sys/fs/cgroup")
    places = [root / "memory" / path.lstrip("/"), root / path.lstrip("/")]
    # With a namespace of its own the container sees its group as the root.
    places += [root / "memory/docker" / container, root / "docker" / container]
    places += [root / f"system.slice/docker-{container}.scope"]
    for place in places:
        if container in str(place) and (place / "memory.stat").exists():
            return place
    raise AssertionError(f"no control group of {container} among {places}")
