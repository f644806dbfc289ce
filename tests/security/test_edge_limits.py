"""Floods against a copy of the edge: its one process lives, and a bystander is answered in time.

Everything is bounded: connections by number, holding them by time.
"""

import contextlib
import resource
import select
import socket
import time
from collections.abc import Iterator

import pytest

from support.edge import read_answer, request_of
from support.edge_copy import EdgeCopy, copy_of_the_edge
from support.stack import RunningStack, eventually

CONNECTIONS = 2500
"""Docker's own proxy takes six files for each, and ends for good when it has no more."""
IN_TIME = 5.5
"""Seconds in which a bystander is answered, on two cores that make the flood as well; alone it
takes a few milliseconds. Less than what a flood of header blocks takes to end by itself."""
HEAD = b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n"
HEADER_BLOCKS = {
    "one long cookie": HEAD + b"Cookie: " + b"c" * 28_000,
    "a hundred fields": HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 270) for n in range(100)),
    "thousands of fields": HEAD + b"a:b\r\n" * 5_600,
    "long names": HEAD + b"n" * 14_000 + b": v\r\n" + b"m" * 14_000 + b": v\r\n",
    "a long address": b"GET /%41" + b"u" * 28_000 + b" HTTP/1.1\r\nHost: localhost\r\n",
    "half a line": HEAD + b"X",
}
HELD_WHOLE = ("one long cookie", "a hundred fields", "long names")
BODIES = {
    "to a page": ("chainlit", b"POST /project/x HTTP/1.1\r\nHost: localhost\r\n"),
    "to the gateway": ("gateway", b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"),
    "to the page's proxy": (
        "webgpu-static",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n",
    ),
    "to Open WebUI": ("open-webui", b"POST /api/v1/files/ HTTP/1.1\r\nHost: localhost\r\n"),
}


@pytest.fixture(scope="module")
def edge(stack: RunningStack) -> Iterator[EdgeCopy]:
    """A copy of the running stack's edge."""
    with copy_of_the_edge(stack) as copy:
        yield copy


@pytest.fixture(autouse=True, scope="module")
def many_files() -> Iterator[None]:
    """A flood needs a socket for each connection, here and in Docker's proxy."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CONNECTIONS + 1000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def held(
    edge: EdgeCopy, service: str, sent: bytes, connections: int = CONNECTIONS
) -> Iterator[list[socket.socket]]:
    """Connections that have sent this and say no more; they are gone afterwards."""
    address = ("127.0.0.1", edge.ports[service])
    with contextlib.ExitStack() as all_of_them:
        flood = []
        for _ in range(connections):
            one = all_of_them.enter_context(socket.create_connection(address, timeout=5))
            with contextlib.suppress(OSError):  # refused while sending
                one.sendall(sent)
            flood.append(one)
        yield flood
    eventually(lambda: edge.connections() < 20, 30)


def seconds_of_an_answer(edge: EdgeCopy, service: str, path: str) -> float:
    """How long a bystander waits for an ordinary answer."""
    asked = time.monotonic()
    with socket.create_connection(("127.0.0.1", edge.ports[service]), timeout=30) as connection:
        connection.sendall(request_of("GET", path))
        answer = read_answer(connection)
    assert answer.status == 200, answer
    return time.monotonic() - asked


def bystanders(edge: EdgeCopy) -> list[float]:
    """What people wait meanwhile, on the port under fire and on another."""
    waits = []
    for _ in range(5):
        waits.append(seconds_of_an_answer(edge, "gateway", "/health"))
        waits.append(seconds_of_an_answer(edge, "webgpu-static", "/"))
        time.sleep(0.2)
    return waits


@pytest.mark.parametrize("kind", HEADER_BLOCKS)
def test_half_sent_header_blocks_hold_nobody_up(edge: EdgeCopy, kind: str):
    with held(edge, "gateway", HEADER_BLOCKS[kind]):
        waits = bystanders(edge)
        taken = edge.memory_kb()
    assert max(waits) < IN_TIME, waits
    assert edge.is_unharmed()
    assert taken < edge.limit_kb()
    if kind in HELD_WHOLE:
        assert taken > CONNECTIONS * 20, "the flood was there while the bystanders asked"


@pytest.mark.parametrize("where", BODIES)
def test_half_sent_bodies_hold_nobody_up(edge: EdgeCopy, where: str):
    service, head = BODIES[where]
    head += b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    with held(edge, service, head + b"[" * 20_000, 1500):
        waits = bystanders(edge)
    assert max(waits) < IN_TIME, waits
    assert edge.is_unharmed()


def test_readers_that_do_not_read_hold_nobody_up(edge: EdgeCopy):
    """Each asks on one connection for much more than it takes."""
    with held(edge, "webgpu-static", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200, 400):
        waits = [seconds_of_an_answer(edge, "gateway", "/health") for _ in range(10)]
    assert max(waits) < IN_TIME, waits
    assert edge.is_unharmed()


def test_half_sent_header_blocks_end_by_themselves(edge: EdgeCopy):
    begun = time.monotonic()
    with held(edge, "gateway", HEADER_BLOCKS["one long cookie"], 200) as flood:
        waiting = set(flood)
        while waiting and time.monotonic() - begun < 15:
            ended, _, _ = select.select(waiting, [], [], 1)
            waiting -= set(ended)
    assert not waiting, f"{len(waiting)} of 200 are still held after 15 s"


def test_what_the_floods_took_is_given_back(edge: EdgeCopy):
    """A page of the configuration that was first read meanwhile stays, hence the one megabyte."""
    most = edge.first_memory_kb * 1.1 + 1_000
    eventually(lambda: edge.memory_kb() < most, 30)
    assert edge.is_unharmed()
