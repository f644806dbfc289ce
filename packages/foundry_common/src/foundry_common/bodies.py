"""What request bodies may cost in memory: a budget in bytes, and what parsing may make of one.

A body of empty arrays grows forty times when it is parsed. So what it may become is worked out
from its bytes first, without parsing, and nothing is read before its share of a budget is taken.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLICE: Final = 65_536
_QUOTE: Final = b'"'
_BACKSLASH: Final = ord("\\")
# Upper bounds of CPython's objects on 64-bit systems, allocator and garbage collector included;
# tests measure them. A dictionary's table doubles beyond its need just after it has grown.
_OBJECT: Final = 216
_ARRAY: Final = 120
_ENTRY: Final = 104
_ELEMENT: Final = 48
_STRING: Final = 80
_WIDEST_CHARACTER: Final = 4


class BudgetUsedUpError(Exception):
    """The budget has no room now; later it will have."""


class Budget:
    """Bytes that may be held at once. Not for several threads.

    Args:
        total: Bytes.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.held = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[Hold]:
        """Hold bytes for the duration of the block, or until they are given back.

        Args:
            size: Bytes; none at first where a body does not say its length.

        Raises:
            BudgetUsedUpError: There is no room now.
        """
        hold = Hold(self)
        hold.grow(size)
        try:
            yield hold
        finally:
            hold.release()


class Hold:
    """A share of a budget.

    Args:
        budget: Whose share.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.size = 0

    def grow(self, size: int) -> None:
        """Take more bytes.

        Raises:
            BudgetUsedUpError: There is no room now; what was held before still is.
        """
        if self._budget.held + size > self._budget.total:
            raise BudgetUsedUpError
        self._budget.held += size
        self.size += size

    def release(self) -> None:
        """Give everything back. Safe to call twice."""
        self._budget.held -= self.size
        self.size = 0


def decoded_bytes(body: bytes | bytearray) -> int:
    """Return an upper bound, in bytes, of the body's text as one Python string."""
    return len(body) * _character_width(body)


def tree_bytes(body: bytes | bytearray) -> int:
    """Return an upper bound, in bytes, of the Python objects that a JSON body is parsed into.

    Counts brackets, commas, colons and strings outside strings; about 1 ms a megabyte. What is not
    JSON gets some number, and the parser stops at its first fault.
    """
    objects = arrays = commas = colons = quotes = 0
    inside = False
    start = 0
    while start < len(body):
        end = min(start + _SLICE, len(body))
        while (
            end < len(body) and body[end - 1] == _BACKSLASH
        ):  # never between \ and what it escapes
            end += 1
        piece = bytes(body[start:end]).replace(rb"\\", b"").replace(rb"\"", b"")
        parts = piece.split(_QUOTE)
        outside = b"".join(parts[1::2] if inside else parts[0::2])
        inside ^= len(parts) % 2 == 0
        quotes += len(parts) - 1
        objects += outside.count(b"{")
        arrays += outside.count(b"[")
        commas += outside.count(b",")
        colons += outside.count(b":")
        start = end
    return (
        _OBJECT * objects
        + _ARRAY * arrays
        + _ELEMENT * commas
        + _ENTRY * colons
        + _STRING * (quotes // 2 + 1)
        + decoded_bytes(body)
    )


def _character_width(body: bytes | bytearray) -> int:
    """Bytes that one character may take: one astral character widens its whole string."""
    return 1 if body.isascii() and rb"\u" not in body else _WIDEST_CHARACTER
