"""Finding the Foundry Local that already runs on this machine, and whether containers reach it."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lib import kinds
from lib.sources import values

DEFAULT_PORT = 51211
HOST_NAME = "host.docker.internal"
STATUS_COMMANDS = (("foundry", "server", "status"), ("foundry", "service", "status"))
"""CLI 0.10 and newer say `server`, older ones `service`."""
STATUS_ROUTES = ("/openai/status", "/status")
"""Of the generation up to CLI 0.8, and of every later one."""
TELLING_KEYS = {"endpoints", "modeldirpath", "modelcachepath"}
TIMEOUT_SECONDS = 2.0
FROM_WSL = (
    "It listens on Windows' loopback, which containers of a Docker Engine inside WSL cannot reach. "
    "Use Docker Desktop (Settings, Resources, WSL integration), or run Foundry Local in WSL: "
    "python3 scripts/foundry_host.py"
)

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Finding:
    """A Foundry Local on this machine, or none.

    Attributes:
        port: where it listens; None when none was found.
        reachable: whether containers can call it there.
        how: how it was found, or what was tried, in words.
        remedy: what makes it reachable, where it is not.
    """

    port: int | None
    reachable: bool
    how: str
    remedy: str = ""

    @property
    def url(self) -> str:
        """Its address as containers see it."""
        return f"http://{HOST_NAME}:{self.port}"


def find(*, in_virtual_machine: bool) -> Finding:
    """Look for Foundry Local where it may listen on this machine.

    Args:
        in_virtual_machine: whether containers run in one, which carries `host.docker.internal` to
            this machine's loopback addresses.
    """
    for port, how in candidates():
        if is_foundry("127.0.0.1", port):
            return _on_this_machine(port, how, in_virtual_machine=in_virtual_machine)
    on_windows = _on_windows(DEFAULT_PORT, in_virtual_machine=in_virtual_machine)
    nothing = Finding(
        None, reachable=False, how=f"asked port {DEFAULT_PORT} and the foundry command"
    )
    return on_windows or nothing


def find_at(url: str, *, in_virtual_machine: bool) -> Finding:
    """Look for Foundry Local at an address that the user has set for containers.

    Args:
        url: the address.
        in_virtual_machine: as for `find`.
    """
    nothing = Finding(None, reachable=False, how="nothing answers there now")
    try:
        parts = urlsplit(values.origin(url))
    except values.ValueRefusedError:
        return nothing
    name = parts.hostname or ""
    host = "127.0.0.1" if name == HOST_NAME else f"[{name}]" if ":" in name else name
    port = parts.port or DEFAULT_PORT
    answers = is_foundry(host, port)
    if name == HOST_NAME and answers:
        return _on_this_machine(port, "it answers", in_virtual_machine=in_virtual_machine)
    if name == HOST_NAME:
        return _on_windows(port, in_virtual_machine=in_virtual_machine) or nothing
    if name == "localhost" or is_loopback(name):
        remedy = f"There {name} is the container itself: set FOUNDRY_URL=http://{HOST_NAME}:{port}"
        how = "it answers" if answers else nothing.how
        return Finding(port if answers else None, reachable=False, how=how, remedy=remedy)
    return Finding(port, reachable=True, how="it answers") if answers else nothing


def _on_this_machine(port: int, how: str, *, in_virtual_machine: bool) -> Finding:
    """What answers this machine at its loopback address, and whether it answers containers."""
    if in_virtual_machine or listens_beyond_loopback(port):
        return Finding(port, reachable=True, how=how)
    return Finding(
        port,
        reachable=False,
        how=how,
        remedy=(
            f"It listens on this machine's loopback address only, which containers on Linux "
            f"cannot reach. Stop it and run `{python()} scripts/foundry_host.py` instead: that "
            f"also listens on Docker's bridge."
        ),
    )


def _on_windows(port: int, *, in_virtual_machine: bool) -> Finding | None:
    """What answers on Windows, seen from its Linux; None where nothing does."""
    if not is_wsl() or not runs_on_windows(port):
        return None
    # Containers of Docker Desktop call Windows; those of an engine in WSL call WSL.
    how = f"on Windows it answers on port {port}"
    return Finding(port, reachable=in_virtual_machine, how=how, remedy=FROM_WSL)


def is_wsl() -> bool:
    """Whether this is Windows' Linux, whose loopback is not that of Windows."""
    version = Path("/proc/version")
    return version.exists() and kinds.is_wsl(version.read_text(encoding="utf-8"))


def runs_on_windows(port: int) -> bool:
    """Whether Foundry Local answers at Windows' own loopback, asked by Windows' curl from WSL."""
    ask = ("curl.exe", "--silent", "--noproxy", "*", "--max-time", "3")
    return any(
        looks_like_status(output_of((*ask, f"http://127.0.0.1:{port}{route}")).encode())
        for route in STATUS_ROUTES
    )


def candidates() -> Iterable[tuple[int, str]]:
    """Ports to ask, with how each was found: the usual one first."""
    yield DEFAULT_PORT, f"it answers on port {DEFAULT_PORT}"
    if shutil.which("foundry") is None:
        return
    for command in STATUS_COMMANDS:
        for port in ports_in(output_of(command)):
            if port != DEFAULT_PORT:
                yield port, f"`{' '.join(command)}` names port {port}"


def output_of(command: Sequence[str]) -> str:
    """What a command prints, on either stream; nothing when it fails to run."""
    try:
        asked = subprocess.run(command, check=False, capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (asked.stdout + b"\n" + asked.stderr).decode("utf-8", "replace")


def ports_in(status: str) -> list[int]:
    """The ports in what the foundry command says about its server, each once."""
    addresses = re.findall(r"https?://[\w.\-\[\]:*]+?:(\d{2,5})\b", status)
    return list(dict.fromkeys(int(port) for port in addresses))


def is_foundry(host: str, port: int) -> bool:
    """Whether a Foundry Local of any generation answers there."""
    return any(looks_like_status(fetch(f"http://{host}:{port}{route}")) for route in STATUS_ROUTES)


def fetch(url: str) -> bytes:
    """The body at an address, past any proxy; empty when there is none."""
    try:
        with _direct.open(url, timeout=TIMEOUT_SECONDS) as response:
            return bytes(response.read(65_536))
    except (OSError, http.client.HTTPException, ValueError):  # whatever listens there may answer
        return b""


def looks_like_status(body: bytes) -> bool:
    """Whether a body is the status of a Foundry Local."""
    try:
        status = json.loads(body)
    except ValueError:
        return False
    return isinstance(status, dict) and bool(TELLING_KEYS & {key.lower() for key in status})


def listens_beyond_loopback(port: int) -> bool:
    """Whether something listens on this port at an address that containers can reach."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    texts = [table.read_text(encoding="ascii") for table in tables if table.exists()]
    return any(not is_loopback(address) for address in listening(port, texts))


def listening(port: int, tables: Iterable[str]) -> list[str]:
    """The addresses on which a port is open, from the text of /proc/net/tcp and tcp6."""
    addresses = []
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            packed, _, number = fields[1].partition(":")
            if fields[3] == "0A" and int(number, 16) == port:
                addresses.append(unpack(packed))
    return addresses


def unpack(packed: str) -> str:
    """An address as /proc/net/tcp writes it (32-bit words in the machine's order) as text."""
    words = [packed[start : start + 8] for start in range(0, len(packed), 8)]
    data = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)  # noqa: PLR2004


def is_loopback(address: str) -> bool:
    """Whether only this machine itself can call an address."""
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def python() -> str:
    """How to call Python on this system."""
    return "py" if sys.platform == "win32" else "python3"
