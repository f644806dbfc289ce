"""Processes of the tests: started apart from the tests' own, and gone afterwards."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

from lib.environment import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

STOP_TIMEOUT = 15.0
LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below those that systems give to whoever connects, or binds to any: a port of these that is free
does not become another program's before it is used, or while what had it is stopped."""
SHARE = 250
"""Ports of one process that runs tests."""


def python_path(source: Path) -> str:
    """``PYTHONPATH`` of a service that runs from its sources: the shared package, then its own."""
    return os.pathsep.join((str(COMMON), str(source)))


def free_ports(names: Iterable[str]) -> dict[str, str]:
    """A port for each name, as ``free_port`` gives it; no two are the same."""
    return {name: str(free_port()) for name in names}


def free_port() -> int:
    """A port of loopback on which nothing listens, and nothing will but what it is drawn for."""
    _, ports = _share()
    return next(port for port in ports if _is_free(port))


def free_port_pair() -> int:
    """A free port whose next one is free too: web service and companion."""
    for _ in range(SHARE):
        first = free_port()
        if free_port() == first + 1:
            return first
    raise AssertionError("no two neighbouring free ports")


def dead_port() -> int:
    """The port that refuses everybody: it is held, and nobody listens."""
    return int(_dead()[0].getsockname()[1])


@functools.cache
def _share() -> tuple[socket.socket, Iterator[int]]:
    """Ports that are this process's alone while the socket is open, in turn.

    Tests run in several processes, and perhaps in several checkouts.
    """
    for first in PORTS[::SHARE]:
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind((LOOPBACK, first))
        except OSError:
            claim.close()
        else:
            return claim, itertools.cycle(range(first, first + SHARE))
    raise AssertionError("too many processes run tests: no ports are left for this one")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


@functools.cache
def _dead() -> list[socket.socket]:
    held = [socket.socket()]
    port = free_port()
    held[0].bind((LOOPBACK, port))
    with contextlib.suppress(OSError):  # where there is no IPv6, nobody listens there either
        held.append(socket.socket(socket.AF_INET6))
        held[1].bind(("::1", port))
    return held


@contextlib.contextmanager
def running(
    command: list[str], env: Mapping[str, str], log: Path, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` with its output added to ``log``; whatever happens, it is gone afterwards.

    It has a session of its own, and with it a share of the processors of its own, as a container
    or a service has; in its parent's it would compete with every thread of Foundry Local.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def ask_to_stop_thrice(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, SIGINT and SIGTERM again, as close together as can be."""
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(name)


def end(process: subprocess.Popen[bytes]) -> int:
    """End a process as ``docker stop`` would, also a frozen one; returns its exit code."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, getattr(signal, "SIGCONT", signal.SIGTERM))
        process.terminate()
        try:
            return process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
