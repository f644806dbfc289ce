"""Signals in a process of its own, as many and as close together as they can be sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from support.foundry import HOST_SOURCE
from support.processes import python_path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows cannot be sent SIGTERM")

WAITS = """
import sys, threading
from foundry_host.stopping import Stopping
stopping = Stopping(grace={grace})
asked = threading.Event()
print("caught", flush=True)
stopping.call(asked.set)
{work}
stopping.end()
sys.stdin.read()
"""
WAITING = "while not asked.wait(0.0001): pass"
BUSY = "while not asked.is_set(): sum(range(1000))"
STUCK = "threading.Event().wait()"
STORM = 200


def run(work: str, grace: int = 30) -> subprocess.Popen[bytes]:
    """A program that works until it is asked to stop, and then reads until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS.format(work=work, grace=grace)],
        env={**os.environ, "PYTHONPATH": python_path(HOST_SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"caught\n"
    return process


@pytest.mark.parametrize("work", [WAITING, BUSY])
@pytest.mark.parametrize("names", [(signal.SIGTERM,), (signal.SIGTERM, signal.SIGINT)])
def test_a_storm_of_signals_is_heard_once_and_holds_nothing_up(
    work: str, names: tuple[signal.Signals, ...]
) -> None:
    with run(work) as process:
        for turn in range(STORM):
            process.send_signal(names[turn % len(names)])
        _, _ = process.communicate(timeout=60)
    assert process.returncode == 0


def test_what_does_not_end_by_itself_is_ended_within_its_grace() -> None:
    with run(STUCK, grace=1) as process:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert time.monotonic() - began >= 1
