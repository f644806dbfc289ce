"""A machine outside the stack: a network namespace with one cable to this machine.

Containers whose addresses are translated reach it and are answered. It knows no way to Docker's
own networks, as machines outside do not.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# For documentation (RFC 5737), so nobody else has them.
HERE, THERE = "203.0.113.1", "203.0.113.2"
PORT = 18080
# Answers HTTP, and writes down every datagram and who sent it.
PROGRAM = """
import http.server, json, socket, sys, threading
host, port, log = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "a", buffering=1)
web = http.server.ThreadingHTTPServer((host, port), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=web.serve_forever, daemon=True).start()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
    inbox.bind((host, port))
    print("ready", flush=True)
    while True:
        data, sender = inbox.recvfrom(65536)
        log.write(json.dumps({"from": sender[0], "data": data.decode("latin-1")}) + "\\n")
"""


@dataclass(frozen=True)
class Outside:
    """The machine and what it has received."""

    address: str
    port: int
    log: Path

    def datagrams(self) -> list[dict[str, str]]:
        """Every UDP datagram so far: `from`, `data`."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@contextlib.contextmanager
def outside_machine() -> Iterator[Outside]:
    """Make the machine, and take it away again; skips the test where that is not allowed."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("network namespaces need Linux and root")
    name = f"outside-{os.getpid()}"
    cable = f"out{os.getpid() % 10**7}"
    log = Path(f"/tmp/{name}.jsonl")
    log.write_text("", encoding="utf-8")
    _ip("netns", "add", name)
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"{HERE}/30", "dev", cable)
        _ip("link", "set", cable, "up")
        _ip("-n", name, "addr", "add", f"{THERE}/30", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        command = ["ip", "netns", "exec", name, sys.executable, "-c", PROGRAM]
        with subprocess.Popen(
            [*command, THERE, str(PORT), str(log)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n", "the machine did not start"
                yield Outside(THERE, PORT, log)
            finally:
                process.kill()
    finally:
        # The cable goes with its end in the namespace, a moment after it.
        _ip("netns", "delete", name)
        _gone(cable)
        log.unlink()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _gone(cable: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/sys/class/net/{cable}").exists():
        assert time.monotonic() < deadline, f"{cable} is still there"
        time.sleep(0.05)
