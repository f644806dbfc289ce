"""A copy of one of the stack's containers, for what the running one must be spared."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.processes import free_port
from support.stack import RunningStack, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Copy:
    """A container of a service's image with that service's limits, on a loopback port."""

    container: str
    port: int
    limit: int

    @property
    def url(self) -> str:
        """Where it is published."""
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> int:
        """What its processes hold now, in bytes: without files in the kernel's cache."""
        told = _docker("exec", self.container, "cat", "/proc/1/cgroup")
        for line in told.splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in {"", "memory"}:
                return _anonymous(path, self.container)
        raise AssertionError(f"no control group of memory: {told}")

    def state(self) -> Mapping[str, Any]:
        """What Docker tells about its life: `Running`, `OOMKilled`, `StartedAt`…"""
        inspected: Sequence[Mapping[str, Any]] = json.loads(_docker("inspect", self.container))
        state: Mapping[str, Any] = inspected[0]["State"]
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
    command = [
        *("run", "--detach", "--read-only", "--cap-drop", "ALL", "--init"),
        *("--security-opt", "no-new-privileges:true"),
        *("--user", inspected["Config"]["User"], "--memory", str(host["Memory"])),
        *("--pids-limit", str(host["PidsLimit"])),
        *("--publish", f"127.0.0.1:{published}:{port}"),
    ]
    for path, options in host["Tmpfs"].items():
        command += ["--tmpfs", f"{path}:{options}"]
    for mount in inspected["Mounts"]:
        if mount["RW"]:
            command += ["--volume", mount["Destination"]]
    for name, value in environment.items():
        command += ["--env", f"{name}={value}"]
    container = _docker(*command, inspected["Image"]).strip()
    try:
        yield Copy(container, published, host["Memory"])
    finally:
        _docker("rm", "--force", "--volumes", container)


def settled(copy: Copy, most: float, seconds: float = 180.0) -> None:
    """Wait until the copy holds no more than so many bytes."""
    eventually(lambda: copy.memory() <= most, seconds)


def _anonymous(path: str, container: str) -> int:
    root = Path("/sys/fs/cgroup")
    places = [root / "memory" / path.lstrip("/"), root / path.lstrip("/")]
    # With a namespace of its own the container sees its group as the root.
    places += [root / "memory/docker" / container, root / "docker" / container]
    places += [root / f"system.slice/docker-{container}.scope"]
    for place in places:
        if container in str(place) and (place / "memory.stat").exists():
            lines = (place / "memory.stat").read_text(encoding="utf-8").splitlines()
            counted = {name: int(value) for name, _, value in (one.partition(" ") for one in lines)}
            return counted["anon"] if "anon" in counted else counted["rss"]
    raise AssertionError(f"no control group of {container} among {places}")


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
