"""Which program listens on a port of this machine, as far as the system tells this user."""

import csv
import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib import kinds
from lib.foundry import unpack

SECONDS = 6.0
LISTENING = "0A"
LONGEST_COMMAND = 60


@dataclass(frozen=True)
class Listener:
    """A program that listens.

    Attributes:
        address: on which it listens; `0.0.0.0`, `::` and `*` are all of them.
        port: on which it listens.
        pid: its process, where the system tells this user; it hides those of other users.
        name: of the program, where it is known.
        command: its command line, where it is known.
        stopped: whether the process is frozen (SIGSTOP, or a debugger holds it).
    """

    address: str
    port: int
    pid: int | None = None
    name: str = ""
    command: str = ""
    stopped: bool = False

    def __str__(self) -> str:
        """The program in words: "python3 (process 4711)"."""
        if self.pid is None:
            return "a program of another user"
        return f"{self.name or 'a program'} (process {self.pid})"


def listeners() -> list[Listener]:
    """Everything that listens for TCP connections; empty where the system does not tell."""
    if Path("/proc/net/tcp").exists():
        return _from_proc()
    if sys.platform == "win32":
        return _from_netstat()
    return _from_lsof()


@dataclass(frozen=True)
class Unseen:
    """What holds a port without a program of this user's to be seen.

    Attributes:
        what: in words that follow "port 9090 is".
        remedy: what frees it.
    """

    what: str
    remedy: str


def unseen(port: int) -> Unseen | None:
    """What keeps a port that is not free, where the system says it: a reservation, a socket unit.

    systemd listens for services, such as Cockpit at 9090, that have not started yet.
    """
    reservation = reserved(port)
    if reservation is not None:
        return reservation
    if shutil.which("systemctl"):
        listed = _output("systemctl", "list-sockets", "--all", "--output=json")
        unit = kinds.socket_unit(listed, port)
        if unit:
            return Unseen(
                f"held by systemd for {unit}",
                f"If you do not need it, run `sudo systemctl disable --now {unit}`",
            )
    return None


def reserved(port: int) -> Unseen | None:
    """Windows' own claim to a port at which nobody listens; also asked from its Linux, WSL.

    There a port that Windows keeps is free for all programs but Docker Desktop, which publishes on
    Windows.
    """
    if not kinds.is_reserved(_reserved_ranges(), port):
        return None
    return Unseen(
        "reserved by Windows, though nobody listens there",
        "In a terminal as administrator run `net stop winnat` and `net start winnat`, "
        "which draws the reserved ranges anew (`netsh int ipv4 show excludedportrange "
        "protocol=tcp` lists them)",
    )


@functools.cache
def _reserved_ranges() -> str:
    netsh = shutil.which("netsh") or shutil.which("netsh.exe")
    asked = ("int", "ipv4", "show", "excludedportrange", "protocol=tcp")
    return _output(netsh, *asked) if netsh else ""


def on(port: int, found: Iterable[Listener] | None = None) -> list[Listener]:
    """Those that listen on one port, each process once, known ones first."""
    here = [one for one in (listeners() if found is None else found) if one.port == port]
    return sorted({(one.pid, one.address): one for one in here}.values(), key=_known_first)


def how_to_end(listener: Listener) -> str:
    """The command that ends a program."""
    if listener.pid is None:
        return "end that program (`sudo ss -ltnp` shows which it is)"
    if sys.platform == "win32":
        return f"end it with `taskkill /PID {listener.pid}`"
    return f"end it with `kill {listener.pid}`"


def _known_first(one: Listener) -> tuple[bool, int]:
    return one.pid is None, one.pid or 0


# ---- Linux ---------------------------------------------------------------------------------------


def _from_proc() -> list[Listener]:
    sockets: list[tuple[str, int, str]] = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in _read(table).splitlines()[1:]:
            fields = line.split()
            packed, _, number = fields[1].partition(":")
            if fields[3] == LISTENING:
                sockets.append((unpack(packed), int(number, 16), fields[9]))
    owners = _owners({inode for _, _, inode in sockets})
    return [_listener(address, port, owners.get(inode)) for address, port, inode in sockets]


def _owners(inodes: set[str]) -> Mapping[str, int]:
    """The process that holds each socket, of those that this user may look at."""
    owners: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in (folder / "fd").iterdir()]
        except OSError:  # another user's, or it has just ended
            continue
        for link in links:
            inode = link.removeprefix("socket:[").removesuffix("]")
            if link.startswith("socket:[") and inode in inodes:
                owners.setdefault(inode, int(folder.name))
    return owners


def _listener(address: str, port: int, pid: int | None) -> Listener:
    if pid is None:
        return Listener(address, port)
    folder = Path("/proc", str(pid))
    command = _read(folder / "cmdline").replace("\0", " ").strip()
    # The name in /proc/PID/stat is in parentheses and may hold anything, parentheses too.
    state = _read(folder / "stat").rpartition(")")[2].split()[:1]
    name = _read(folder / "comm").strip()
    return Listener(address, port, pid, name, command, stopped=state in (["T"], ["t"]))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# ---- Windows -------------------------------------------------------------------------------------


def _from_netstat() -> list[Listener]:
    found = in_netstat(
        _output("netstat", "-ano", "-p", "TCP") + _output("netstat", "-ano", "-p", "TCPv6")
    )
    names = in_tasklist(_output("tasklist", "/FO", "CSV", "/NH"))
    return [Listener(one.address, one.port, one.pid, names.get(one.pid or 0, "")) for one in found]


def in_netstat(text: str) -> list[Listener]:
    """Read `netstat -ano`. Windows translates "listening", but not the peer `:0` that means it."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4 and fields[0] == "TCP" and fields[2].rpartition(":")[2] == "0":  # noqa: PLR2004
            address, _, port = fields[1].rpartition(":")
            found.append(Listener(address.strip("[]"), int(port), int(fields[-1])))
    return found


def in_tasklist(text: str) -> Mapping[int, str]:
    """Read `tasklist /FO CSV /NH`: the program of each process."""
    rows = csv.reader(text.splitlines())
    return {int(row[1]): row[0] for row in rows if len(row) > 1 and row[1].isdigit()}


# ---- macOS and others ----------------------------------------------------------------------------


def _from_lsof() -> list[Listener]:
    if shutil.which("lsof") is None:
        return []
    return in_lsof(_output("lsof", "-nP", "-iTCP", "-sTCP:LISTEN", "-Fpcn"))


def in_lsof(text: str) -> list[Listener]:
    """Read `lsof -Fpcn`: a line per field, `p` begins a process and `n` names an address."""
    found = []
    pid, name = None, ""
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid, name = int(value), ""
        elif kind == "c":
            name = value
        elif kind == "n" and re.search(r":\d+$", value):
            address, _, port = value.rpartition(":")
            found.append(Listener(address.strip("[]"), int(port), pid, name))
    return found


def _output(*command: str) -> str:
    try:
        asked = subprocess.run(command, check=False, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.decode("utf-8", "replace")
