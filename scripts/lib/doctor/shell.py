"""Asking programs on this machine, never for longer than allowed."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from lib.environment import ROOT
from lib.foundry import python

SECONDS = 10.0
COMPOSE_SECONDS = 20.0
"""On a busy machine Compose takes seconds only to read its files."""


@dataclass(frozen=True)
class Said:
    """What a program said.

    Attributes:
        code: its exit status; None when it is not installed or did not end in time.
        out: standard output.
        err: standard error.
        timed_out: whether it did not end in time.
    """

    code: int | None
    out: str = ""
    err: str = ""
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0

    @property
    def last_line(self) -> str:
        """The last thing it said, where it says what went wrong."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1] if lines else ""


def ask(command: Sequence[str], seconds: float = SECONDS) -> Said:
    """Run a program in the repository's folder and return what it says."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return Said(None, timed_out=True)
    except OSError:
        return Said(None)
    return Said(
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


def script(name: str, *arguments: str) -> str:
    """How to run one of our scripts on this system."""
    return " ".join([python(), f"scripts{os.sep}{name}", *arguments])


def is_linux() -> bool:
    """Whether this is Linux, where containers and this machine have loopbacks of their own."""
    return sys.platform.startswith("linux")
