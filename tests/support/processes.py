"""Processes of the tests: started apart from the tests' own, and gone afterwards."""

from __future__ import annotations

import contextlib
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


def python_path(source: Path) -> str:
    """``PYTHONPATH`` of a service that runs from its sources: the shared package, then its own."""
    return os.pathsep.join((str(COMMON), str(source)))


def free_ports(names: Iterable[str]) -> dict[str, str]:
    """A port for each name, on which nothing listens now; no two are the same."""
    with contextlib.ExitStack() as held:
        ports = {}
        for name in names:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports[name] = str(probe.getsockname()[1])
        return ports


def free_port() -> int:
    """A port on which nothing listens now; who needs several asks ``free_ports`` for all."""
    return int(free_ports(["only"])["only"])


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
