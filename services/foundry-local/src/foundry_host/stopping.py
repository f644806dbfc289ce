"""Turns SIGTERM and Ctrl-C into one call on a thread, however often and whenever they come.

A handler that did the work itself would run in the middle of whatever the main thread does, and of
the same handler for an earlier signal: with a lock in either, such as that of a
``threading.Event``, the second signal waits for ever for what the first one holds. So nothing
happens in a handler. Python's own C code writes the signal's number into a socket, also while the
main thread is deep in the runtime, and a thread of ours reads it there.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = (signal.SIGTERM, signal.SIGINT)

#: ``docker stop`` kills after 10 s.
GRACE_SECONDS = 8.0


class Stopping:
    """Catches both signals from the moment it is made; the main thread makes it.

    Args:
        grace: How long the program may take to end once it was asked to. Seconds. Then it is
            ended, with exit code 0: it was asked to.
    """

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self._grace = grace
        self._ended = threading.Event()
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)  # noqa: FBT003
        # A full socket holds more signals than anybody needs to see.
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for name in SIGNALS:
            signal.signal(name, _do_nothing)

    def call(self, stop: Callable[[], None]) -> None:
        """Have ``stop`` called, on another thread, at the first signal, or now if it has come."""
        threading.Thread(target=self._wait, args=(stop,), name="stopping", daemon=True).start()

    def end(self) -> None:
        """The program is about to end: further signals change nothing any more."""
        for name in SIGNALS:
            signal.signal(name, signal.SIG_IGN)
        self._ended.set()

    def _wait(self, stop: Callable[[], None]) -> None:
        self._reader.recv(1)
        stop()
        if not self._ended.wait(self._grace):
            os._exit(0)


def _do_nothing(*_: object) -> None:
    """Keep the signal from ending the program; see above."""
