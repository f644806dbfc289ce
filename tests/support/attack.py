"""What an attacker sends, and how one sees whether anybody suffered.

Load goes to the published ports on loopback, bounded in count and time. An attack's own answers
are collected, not judged: a refusal of any kind is fine, what counts is what becomes of others.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from support import engine
from support.stack import PROJECT, get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from support.stack import RunningStack

MEGABYTE = 1_000_000
SEND_TIMEOUT = 30.0


def port_of(url: str) -> int:
    """The port of one of the stack's addresses."""
    return int(url.rpartition(":")[2])


def request_head(port: int, method: str, path: str, **fields: object) -> bytes:
    """The head of a request as a local program writes it; underscores become hyphens."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def raw(port: int, data: bytes, seconds: float = SEND_TIMEOUT) -> bytes:
    """Send bytes as they are; returns what came back until the other side stopped.

    A server may answer and close before it has taken everything: what it said is still read.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        received = b""
        with contextlib.suppress(OSError):
            while piece := connection.recv(65_536):
                received += piece
        return received


def status_of(answer: bytes) -> int:
    """The status of a raw answer; 0 where there was none."""
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 2 and words[1].isdigit() else 0


def post(port: int, path: str, body: bytes, **fields: object) -> bytes:
    """One POST on a connection of its own, whatever comes of it."""
    head = request_head(
        port,
        "POST",
        path,
        **{
            "Content_Type": "application/json",
            "Connection": "close",
            "Content_Length": len(body),
            **fields,
        },
    )
    return raw(port, head + body)


def at_once(count: int, function: Callable[[], Any], threads: int = 32) -> list[Any]:
    """Call a function so many times from several threads; errors count as results."""

    def guarded(_: int) -> Any:
        try:
            return function()
        except OSError as error:
            return error

    with ThreadPoolExecutor(min(count, threads)) as pool:
        return list(pool.map(guarded, range(count)))


@contextlib.contextmanager
def half_sent(port: int, data: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections that have sent the beginning of something and wait; closed afterwards."""
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError):
                connection = socket.create_connection(("127.0.0.1", port), timeout=5)
                connections.append(connection)
                connection.sendall(data)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def empty_arrays(size: int) -> bytes:
    """JSON of about so many bytes that becomes the largest object for its size."""
    return b'{"model":"foundry-demo","x":[' + b"[]," * (size // 3) + b"0]}"


def chat_of(characters: int) -> bytes:
    """A chat whose one message has so many characters."""
    message = {"role": "user", "content": "word " * (characters // 5)}
    return json.dumps({"model": "foundry-demo", "messages": [message]}).encode()


def zeros(size: int) -> bytes:
    """So many bytes of nothing, compressed."""
    return gzip.compress(bytes(size), compresslevel=6)


@dataclass
class Bystander:
    """Somebody who only wants an answer, again and again, while others attack.

    Args:
        stack: Where they ask.
        pause: Seconds between two questions.
    """

    stack: RunningStack
    pause: float = 0.3
    answers: list[tuple[str, int, float]] = field(default_factory=list)
    """What was asked, the status, and after how many seconds it was complete."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(90)

    def _ask(self) -> None:
        questions: Sequence[tuple[str, Callable[[], int]]] = (
            ("chat", lambda: self.stack.ask("Hello!").status),
            ("page", lambda: get(f"{self.stack.webgpu}/").status),
            ("status page", lambda: get(f"{self.stack.healthcheck}/").status),
            ("chat page", lambda: get(f"{self.stack.chat}/").status),
        )
        while not self._stop.is_set():
            for name, question in questions:
                started = time.monotonic()
                try:
                    status = question()
                except OSError:
                    status = 0
                self.answers.append((name, status, time.monotonic() - started))
            self._stop.wait(self.pause)

    def failed(self) -> list[tuple[str, int, float]]:
        """Answers that were none."""
        return [answer for answer in self.answers if answer[1] != 200]

    def slowest(self) -> float:
        """Seconds of the slowest answer."""
        return max(seconds for _, _, seconds in self.answers)


@dataclass(frozen=True)
class Condition:
    """What Docker tells about the stack's containers at one time."""

    memory: dict[str, int]
    """Bytes in use without the file cache, by service."""
    starts: dict[str, tuple[str, int]]
    """When each was started, and how often Docker has restarted it."""


def condition() -> Condition:
    """Look at the containers of the test's stack."""
    memory, starts = {}, {}
    for container in engine.containers(project=PROJECT, stopped=False):
        service = container.labels[f"{engine.LABEL}.service"]
        memory[service] = statistics.median_low([_memory(container) for _ in range(3)])
        state = container.attrs["State"]
        starts[service] = (state["StartedAt"], container.attrs["RestartCount"])
    return Condition(memory, starts)


def _memory(container: Any) -> int:
    usage = container.stats(stream=False, one_shot=True)["memory_stats"]
    return int(usage["usage"] - usage["stats"].get("inactive_file", 0))
