"""Give memory back to the system: what one hour's load took must not be missing the next.

CPython and glibc keep freed memory for themselves wherever a small object survived above it.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from pathlib import Path
from typing import Final

from foundry_gateway.limits import MIB

_STATISTICS: Final = Path("/proc/self/statm")
_PAGE: Final = 4_096
_SHORTEST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 40.0
_WORTHWHILE: Final = 2 * MIB


async def keep_small() -> None:
    """Give back what is free for as long as the process is larger than it was at its start."""
    trim = _trim()
    if trim is None or not _STATISTICS.exists():
        return
    gc.collect()
    gc.freeze()  # what a start makes stays; looking at it again each time would take 20 ms
    start = _resident()
    pause, last = _SHORTEST_PAUSE, start
    while True:
        await asyncio.sleep(pause)
        before = _resident()
        if before > start + _WORTHWHILE:
            gc.collect()
            trim(0)
            last, grown = _resident(), before - last
            worthwhile = before - last > _WORTHWHILE or grown > _WORTHWHILE
            pause = _SHORTEST_PAUSE if worthwhile else min(2 * pause, _LONGEST_PAUSE)


def _resident() -> int:
    return int(_STATISTICS.read_text(encoding="ascii").split()[1]) * _PAGE


def _trim() -> ctypes._NamedFuncPointer | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc
        return None
