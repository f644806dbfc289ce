"""Turns the runtime's percentages into bytes, rate and time left, and shows them.

On a terminal one line is redrawn; in a log a line appears now and then.
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, TextIO

from foundry_host.state import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("foundry_host")

_RATE_WINDOW_SECONDS = 15.0
_REDRAW_SECONDS = 0.1
_LOG_SECONDS = 10.0
_BAR_CELLS = 28


class Meter:
    """Measures one download of ``total_bytes`` (``None``: only the percentage is known)."""

    def __init__(
        self, total_bytes: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total_bytes
        self._clock = clock
        self._samples: deque[tuple[float, float]] = deque()

    def update(self, percent: float) -> Progress:
        """Take the percentage done, 0 to 100, and say where the download stands."""
        now = self._clock()
        percent = min(100.0, max(0.0, percent))
        self._samples.append((now, percent))
        # A resumed download starts far from 0: only what came within the window is a rate.
        while now - self._samples[0][0] > _RATE_WINDOW_SECONDS and len(self._samples) > 2:  # noqa: PLR2004
            self._samples.popleft()
        since, start = self._samples[0]
        elapsed, gained = now - since, percent - start
        rate = gained / elapsed if elapsed > 0 and gained > 0 else None
        return Progress(
            bytes=round((self._total or 0) * percent / 100),
            total_bytes=self._total,
            bytes_per_second=round(self._total * rate / 100) if self._total and rate else None,
            seconds_left=round((100 - percent) / rate) if rate else None,
            percent=round(percent, 1),
        )


class Display:
    """Shows the progress of one thing, called ``label``, to the person at the terminal."""

    def __init__(
        self,
        label: str,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = label
        self._stream = stream or sys.stdout
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._last = -float("inf")

    def show(self, progress: Progress) -> None:
        """Show where it stands, no more often than a reader can follow."""
        now = self._clock()
        pause = _REDRAW_SECONDS if self._terminal else _LOG_SECONDS
        done = progress.percent >= 100  # noqa: PLR2004
        if now - self._last < pause and not done:
            return
        self._last = now
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            line = f"{self._label} {bar(progress.percent)} {describe(progress)}"[:width]
            self._stream.write(f"\r{line:<{width}}")
            self._stream.flush()
        else:
            log.info("%s: %s", self._label, describe(progress))

    def finish(self) -> None:
        """Leave the terminal's cursor on a line of its own."""
        if self._terminal and self._last > -float("inf"):
            self._stream.write("\n")
            self._stream.flush()


def bar(percent: float) -> str:
    """A bar of fixed width."""
    full = int(_BAR_CELLS * percent / 100)
    return f"[{'#' * full}{'.' * (_BAR_CELLS - full)}]"


def describe(progress: Progress) -> str:
    """For people: percentage, bytes, rate, time left; what is not known is left out."""
    parts = [f"{progress.percent:.0f} %"]
    if progress.total_bytes:
        parts.append(f"{size(progress.bytes)} of {size(progress.total_bytes)}")
    if progress.bytes_per_second:
        parts.append(f"{size(progress.bytes_per_second)}/s")
    if progress.seconds_left is not None and progress.percent < 100:  # noqa: PLR2004
        parts.append(f"{duration(progress.seconds_left)} left")
    return ", ".join(parts)


def size(count: float) -> str:
    """Bytes in decimal units, as download sizes are given."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit != "MB" else f"{count:.1f} MB"
        count /= 1000
    return f"{count:.2f} GB"


def duration(seconds: int) -> str:
    """Seconds as ``42 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
