"""Docker as the tests look at it: through its SDK, by one client for each process."""

from __future__ import annotations

import atexit
import functools
import subprocess
from typing import TYPE_CHECKING, cast

import docker

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

ANSWER_SECONDS = 120
LABEL = "com.docker.compose"


@functools.cache
def client() -> DockerClient:
    """The engine that ``docker`` talks to; closed when the process ends."""
    opened = docker.from_env(timeout=ANSWER_SECONDS)
    atexit.register(opened.close)
    return opened


def containers(*, stopped: bool = True, **labels: str) -> list[Container]:
    """The containers with these labels of Compose's, such as `project` and `service`.

    One that goes away between the list and the look at it is none of them.
    """
    chosen = [f"{LABEL}.{name}={value}" for name, value in labels.items()]
    return client().containers.list(all=stopped, filters={"label": chosen}, ignore_removed=True)


def container(project: str, service: str) -> Container:
    """The container of a service, running or not.

    Raises:
        AssertionError: there is none, or more than one.
    """
    found = containers(project=project, service=service)
    assert len(found) == 1, f"expected one container of {project}'s {service}, found {found}"
    return found[0]


def run_in(inside: Container, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a container as its user; its exit status is the caller's to judge."""
    ended = inside.exec_run(list(command), demux=True)
    out, err = (
        (stream or b"").decode() for stream in cast("tuple[bytes | None, ...]", ended.output)
    )
    assert ended.exit_code is not None, f"{command} has not ended"
    return subprocess.CompletedProcess(command, ended.exit_code, out, err)


def id_of(some: Container) -> str:
    """The whole id of a container."""
    assert some.id is not None
    return some.id
