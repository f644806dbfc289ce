"""Runs commands as a person does: typed into a shell at a terminal."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
POLL_SECONDS = 0.1


@dataclass
class Command:
    """A command that was typed, and what the terminal has shown since."""

    line: str
    process: subprocess.Popen[bytes]
    screen: int
    shown: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        """What stands on the screen, without colours and cursor movements."""
        return CONTROL_SEQUENCE.sub("", self.shown.decode("utf-8", "replace")).replace("\r", "")

    def until(self, words: str, seconds: float) -> None:
        """Wait until the screen shows these words."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert self.process.poll() is None, f"$ {self.line}\n{self.text}"
            assert time.monotonic() < deadline, f"no {words!r}\n$ {self.line}\n{self.text}"
            time.sleep(POLL_SECONDS)

    def end(self, seconds: float = 30) -> int:
        """Press Ctrl-C where it still runs; returns the exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)

    def read(self) -> None:
        """Keep reading what the terminal shows, until the command has ended."""
        while True:
            try:
                piece = os.read(self.screen, 65536)
            except OSError as error:
                if error.errno != errno.EIO:  # so Linux says that the other end is closed
                    raise
                break
            if not piece:
                break
            self.shown += piece
        os.close(self.screen)


def typed(line: str, folder: Path, environment: Mapping[str, str]) -> Command:
    """Start a command line in a folder, at a terminal of its own."""
    screen, keyboard = os.openpty()
    process = subprocess.Popen(
        [
            "sh",
            "-c",
            f"exec {line}",
        ],  # in place of the shell, so that Ctrl-C and the code are its own
        cwd=folder,
        env=dict(environment),
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        start_new_session=True,
    )
    os.close(keyboard)
    command = Command(line, process, screen)
    threading.Thread(target=command.read, daemon=True).start()
    return command


def run(line: str, folder: Path, environment: Mapping[str, str], seconds: float) -> str:
    """Type a command line and wait for its end; returns what it showed.

    Raises:
        AssertionError: it failed or did not end in time.
    """
    command = typed(line, folder, environment)
    try:
        code = command.process.wait(seconds)
    except subprocess.TimeoutExpired:
        command.end()
        raise AssertionError(f"no end within {seconds} s\n$ {line}\n{command.text}") from None
    assert code == 0, f"exit code {code}\n$ {line}\n{command.text}"
    return command.text
