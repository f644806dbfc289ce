"""Finding Foundry Local: what its command says, and where a port really listens."""

import http.server
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lib import foundry
from support.talking import talking

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:C80B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0
   1: 010011AC:C80C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 2 1 0
   2: 0100007F:C80C 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0
   3: 00000000:C80D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4 1 0
"""
TABLE_6 = """\
  sl  local_address                         remote_address                        st rest
   0: 00000000000000000000000001000000:C80B 00000000000000000000000000000000:0000 0A 0
   1: 00000000000000000000000000000000:C80E 00000000000000000000000000000000:0000 0A 0
   2: 0000000000000000FFFF00000100007F:C80F 00000000000000000000000000000000:0000 0A 0
"""


@pytest.mark.parametrize(
    ("said", "ports"),
    [
        (
            "🟢 Model management service is running on http://127.0.0.1:52403/openai/status\nEP ok",
            [52403],
        ),
        ("Server is running.\n  Endpoint: http://localhost:5272\n  Pid: 4711", [5272]),
        ("Endpoints: http://127.0.0.1:51211;http://172.17.0.1:51211", [51211]),
        ("Listening on http://[::1]:51999/", [51999]),
        ("🔴 Model management service is not running!\nTo start: foundry service start", []),
        ("Unrecognized command or argument 'server'.", []),
        ("", []),
    ],
)
def test_the_port_is_read_from_what_the_command_says(said: str, ports: list[int]):
    assert foundry.ports_in(said) == ports


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is of a little-endian machine")
@pytest.mark.parametrize(
    ("port", "addresses"),
    [
        (51211, ["127.0.0.1", "::1"]),
        (51212, ["172.17.0.1"]),
        (51213, ["0.0.0.0"]),
        (51214, ["::"]),
        (51215, ["::ffff:127.0.0.1"]),
        (1, []),
    ],
)
def test_the_kernels_tables_say_where_a_port_is_open(port: int, addresses: list[str]):
    assert foundry.listening(port, [TABLE, TABLE_6]) == addresses


@pytest.mark.parametrize(
    ("address", "only_here"),
    [
        ("127.0.0.1", True),
        ("127.0.1.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("172.17.0.1", False),
    ],
)
def test_loopback_is_told_from_the_rest(address: str, only_here: bool):  # noqa: FBT001
    assert foundry.is_loopback(address) is only_here


@contextmanager
def server(routes: dict[str, object]) -> Iterator[int]:
    """A web server on loopback that answers these routes with JSON."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path in routes
            body = json.dumps(routes[self.path]).encode() if found else b"no such route"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


@pytest.mark.parametrize(
    "routes",
    [
        {"/openai/status": {"Endpoints": ["http://127.0.0.1:1"], "ModelDirPath": "x"}},
        {"/status": {"endpoints": [], "modelDirPath": "x"}},
        {"/status": {"endpoints": [], "modelCachePath": "x", "pid": 1}},
    ],
)
def test_every_generation_is_recognised(routes: dict[str, object]):
    with server(routes) as port:
        assert foundry.is_foundry("127.0.0.1", port)
        at = f"http://host.docker.internal:{port}"
        assert foundry.find_at(at, in_virtual_machine=True).reachable


@pytest.mark.parametrize("routes", [{}, {"/status": {"status": "ok"}}, {"/status": [1]}])
def test_another_server_is_not_taken_for_it(routes: dict[str, object]):
    with server(routes) as port:
        assert not foundry.is_foundry("127.0.0.1", port)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
    ],
)
def test_what_speaks_no_http_is_not_taken_for_it(said: bytes):
    with talking(said) as port:
        assert not foundry.is_foundry("127.0.0.1", port)


def test_a_closed_port_is_not_taken_for_it():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not foundry.is_foundry("127.0.0.1", unused.getsockname()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_on_linux_a_loopback_only_server_is_found_but_out_of_reach(monkeypatch: pytest.MonkeyPatch):
    with server({"/status": {"endpoints": [], "modelCachePath": "x"}}) as port:
        monkeypatch.setattr(foundry, "candidates", lambda: [(port, "it answers")])
        on_engine = foundry.find(in_virtual_machine=False)
        on_desktop = foundry.find(in_virtual_machine=True)
    assert (on_engine.port, on_engine.reachable) == (port, False)
    assert "scripts/foundry_host.py" in on_engine.remedy
    assert on_desktop.reachable
    assert on_desktop.url == f"http://host.docker.internal:{port}"


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_an_address_of_the_users_own_is_judged_by_the_same_measure():
    with server({"/status": {"endpoints": [], "modelCachePath": "x"}}) as port:
        at = f"host.docker.internal:{port}"
        on_engine = foundry.find_at(at, in_virtual_machine=False)
        assert foundry.find_at(at, in_virtual_machine=True).reachable
    assert (on_engine.port, on_engine.reachable) == (port, False)
    assert "scripts/foundry_host.py" in on_engine.remedy


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("in_virtual_machine", [True, False])
def test_loopback_is_never_in_reach_of_a_container(name: str, *, in_virtual_machine: bool):
    """What answers this machine there would answer no container: each has a loopback of its own."""
    with server({"/status": {"endpoints": [], "modelCachePath": "x"}}) as port:
        found = foundry.find_at(f"http://{name}:{port}/v1", in_virtual_machine=in_virtual_machine)
    assert not found.reachable
    assert f"set FOUNDRY_URL=http://host.docker.internal:{port}" in found.remedy


def test_on_windows_it_is_found_by_an_address_of_the_users_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(foundry, "is_foundry", lambda *_: False)
    monkeypatch.setattr(foundry, "is_wsl", lambda: True)
    monkeypatch.setattr(foundry, "runs_on_windows", lambda _: True)
    at = "http://host.docker.internal:51211"
    assert foundry.find_at(at, in_virtual_machine=True).reachable
    assert not foundry.find_at(at, in_virtual_machine=False).reachable
