"""The edge as its container runs it: the same configuration, natively, in front of a stand-in.

Behind every port stands one server that writes down what reaches it. Sockets are raw: what a
browser or an HTTP library would tidy up is sent as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.processes import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOURCE = Path(__file__).resolve().parents[2] / "services" / "edge"
SERVICES = {
    "chainlit": 8080,
    "open-webui": 3000,
    "webgpu-static": 5173,
    "healthcheck": 9180,
    "prometheus": 9090,
    "grafana": 3001,
    "gateway": 8000,
}
"""Each service with the port on which the edge listens for it."""
PORT_SETTINGS = {
    name: setting
    for name, setting, *_ in (
        line.split("\t")
        for line in (SOURCE / "menu.list").read_text().splitlines()
        if not line.startswith("#")
    )
}
"""The setting by which the menu learns where a service's port is published."""
PAGES = tuple(name for name in SERVICES if name != "gateway")
HEALTH_PORT = 8081
START_SECONDS = 60.0
THIS_MACHINE = "127.0.0.3"
"""Where Docker's bridge is, as far as the edge under test knows."""
ROUTES = (
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t0300007F\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth1\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)
OWN_KERNEL = "Linux version 6.12.0-amd64 (debian-kernel@lists.debian.org)\n"


@dataclass(frozen=True)
class Answer:
    """What came back on a raw connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error of an API route."""
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


@dataclass
class Seen:
    """What reached the service behind the edge."""

    heads: list[bytes] = field(default_factory=list)

    @property
    def last(self) -> str:
        """The last request's header block."""
        return self.heads[-1].decode("latin-1")

    def header(self, name: str) -> str | None:
        """A field of the last request; None where it is absent."""
        found = re.search(rf"(?im)^{re.escape(name)}: (.*?)\r?$", self.last)
        return found[1] if found else None


@dataclass(frozen=True)
class Edge:
    """A running edge."""

    ports: dict[str, int]
    seen: Seen
    pid: int
    log_path: Path

    def ask(self, service: str, request: bytes, source: str = THIS_MACHINE) -> Answer:
        """Send bytes from an address of loopback, and read to the end of the answer."""
        address = ("127.0.0.1", self.ports[service])
        with socket.create_connection(address, timeout=8, source_address=(source, 0)) as connection:
            with contextlib.suppress(OSError):  # refused before all of it was read
                connection.sendall(request)
            return read_answer(connection)

    def get(
        self, service: str, path: str = "/", source: str = THIS_MACHINE, **headers: str
    ) -> Answer:
        """GET, with ``Host: localhost`` unless another is given; ``_`` in names become hyphens."""
        return self.ask(service, request_of("GET", path, **headers), source)

    def workers_memory(self) -> int:
        """Resident memory of the workers, in kB."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(resident_kb(int(child)) for child in children)


def request_of(method: str, path: str, body: bytes = b"", /, **headers: str) -> bytes:
    """A request that ends its connection."""
    fields = {"Host": "localhost", "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read_answer(connection: socket.socket) -> Answer:
    """Read to the end of the connection, and say so once the answer is there.

    Having refused a body that is still to come, nginx waits for it; one that hears that nothing
    will come closes at once. What follows the answer is read all the same.
    """
    answer = b""
    said = False
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            answer += piece
            if not said and is_whole(answer):
                said = True
                with contextlib.suppress(OSError):  # closed already
                    connection.shutdown(socket.SHUT_WR)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return Answer(0, {}, b"")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    return Answer(int(first.split()[1]), headers, body)


def is_whole(answer: bytes) -> bool:
    """Whether an answer has the length that it announces, or the end of its last piece."""
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^Content-Length: (\d+)\r?$", head)
    return len(body) >= int(length[1]) if length else body.endswith(b"\r\n0\r\n\r\n")


def unchunked(body: bytes) -> bytes:
    """A chunked body as one."""
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        whole, body = whole + rest[:length], rest[length + 2 :]
    return whole


def resident_kb(process: int) -> int:
    """Resident memory of a process, in kB."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) if found else 0


@contextlib.contextmanager
def stand_in(seen: Seen) -> Iterator[int]:
    """A service that answers 200 to everything and writes down header blocks; yields its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        ended = threading.Event()

        def serve(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head and (piece := connection.recv(65_536)):
                    head += piece
                seen.heads.append(head.partition(b"\r\n\r\n")[0])
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
                )

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    connection.settimeout(60)
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        ended.set()


def nginx_program() -> str:
    """Where nginx is; Debian keeps it where only root's PATH leads."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert program, "There is no nginx. On Debian: apt-get install nginx-light."
    return program


@contextlib.contextmanager
def serve_edge(
    folder: Path,
    *,
    routes: str = ROUTES,
    kernel: str = OWN_KERNEL,
    real: Mapping[str, str] | None = None,
    **settings: str,
) -> Iterator[Edge]:
    """Run the edge, its ports and services moved to free ports of loopback.

    Args:
        folder: For its files; empty.
        routes: What it finds in ``/proc/net/route``.
        kernel: What it finds in ``/proc/version``.
        real: Host and port of services that run; a stand-in answers for the others.
        settings: Its environment.
    """
    source, runtime, log = folder / "source", folder / "run", folder / "edge.log"
    shutil.copytree(SOURCE, source)
    (folder / "routes").write_text(routes)
    (folder / "kernel").write_text(kernel)
    seen = Seen()
    ports = {name: free_port() for name in SERVICES}
    health = free_port()
    configuration = (source / "nginx.conf").read_text()
    for name, port in SERVICES.items():
        configuration = configuration.replace(f"listen {port} ", f"listen 127.0.0.1:{ports[name]} ")
    configuration = configuration.replace(f":{HEALTH_PORT};", f":{health};")
    (source / "nginx.conf").write_text(configuration)
    services = source / "services.conf"
    with stand_in(seen) as behind:

        def upstream(line: re.Match[str]) -> str:
            address = (real or {}).get(line[1], f"127.0.0.1:{behind}")
            return f"  {line[1]} {address};"

        services.write_text(
            re.sub(r"(?m)^  ([a-z-]+) [a-z-]+:\d+;$", upstream, services.read_text())
        )
        environment = {
            "PATH": os.environ["PATH"] + ":/usr/sbin",
            "EDGE_RUNTIME": str(runtime),
            "EDGE_ROUTES": str(folder / "routes"),
            "EDGE_KERNEL": str(folder / "kernel"),
            **{PORT_SETTINGS[name]: str(port) for name, port in ports.items()},
            **settings,
        }
        # As root, nginx would hand its files to a user who may not read this folder.
        globals_ = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
        serve = [nginx_program(), "-e", "stderr", "-p", str(runtime), "-c", "nginx.conf"]
        command = ["sh", str(source / "render.sh"), *serve, "-g", globals_]
        with running(command, environment, log) as process:
            deadline = time.monotonic() + START_SECONDS
            while not listens(health):
                text = log.read_text()
                assert process.poll() is None, f"the edge ended:\n{text}"
                assert time.monotonic() < deadline, f"the edge did not come up:\n{text}"
                time.sleep(0.02)
            yield Edge(ports, seen, process.pid, log)


def listens(port: int) -> bool:
    """Whether something listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
