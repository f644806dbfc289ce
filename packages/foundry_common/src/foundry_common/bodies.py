"""What request bodies may cost in memory: a budget in bytes, and what parsing may make of one.

A body of empty arrays grows forty times when it is parsed. So what it may become is worked out
from its bytes first, without parsing, and nothing is read before its share of a budget is taken.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLICE: Final = 65_536
_QUOTE: Final = b'"'
_BACKSLASH: Final = b"\\"
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

    def shrink(self, size: int) -> None:
        """Keep this many bytes, give the rest back."""
        kept = min(size, self.size)
        self._budget.held -= self.size - kept
        self.size = kept

    def release(self) -> None:
        """Give everything back. Safe to call twice."""
        self.shrink(0)


def decoded_bytes(body: bytes | bytearray) -> int:
    """Return an upper bound, in bytes, of the body's text as one Python string."""
    return len(body) * _character_width(body)


@dataclass(frozen=True, slots=True)
class Census:
    """What a JSON body is made of, counted outside its strings."""

    objects: int
    arrays: int
    commas: int
    colons: int
    """As many as its objects have members, repeated names included."""
    strings: int
    text_bytes: int
    """Upper bound of its text as Python strings."""

    @property
    def tree_bytes(self) -> int:
        """Upper bound, in bytes, of the Python objects that the body is parsed into."""
        return (
            _OBJECT * self.objects
            + _ARRAY * self.arrays
            + _ELEMENT * self.commas
            + _ENTRY * self.colons
            + _STRING * self.strings
            + self.text_bytes
        )


def tree_bytes(body: bytes | bytearray) -> int:
    """Return an upper bound, in bytes, of the Python objects that a JSON body is parsed into."""
    return census(body).tree_bytes


def census(body: bytes | bytearray) -> Census:
    """Count what a JSON body is made of, without parsing it; about 1 ms a megabyte.

    What is not JSON gets some numbers, and the parser stops at its first fault.
    """
    objects = arrays = commas = colons = quotes = 0
    inside = escaped = False
    for start in range(0, len(body), _SLICE):
        piece = bytes(body[start : start + _SLICE])
        if escaped:  # by the last byte of the piece before
            piece = piece[1:]
        escaped = (len(piece) - len(piece.rstrip(_BACKSLASH))) % 2 == 1
        if escaped:
            piece = piece[:-1]
        piece = piece.replace(rb"\\", b"").replace(rb"\"", b"")
        parts = piece.split(_QUOTE)
        outside = b"".join(parts[1::2] if inside else parts[0::2])
        inside ^= len(parts) % 2 == 0
        quotes += len(parts) - 1
        objects += outside.count(b"{")
        arrays += outside.count(b"[")
        commas += outside.count(b",")
        colons += outside.count(b":")
    return Census(objects, arrays, commas, colons, quotes // 2 + 1, decoded_bytes(body))


def _character_width(body: bytes | bytearray) -> int:
    """Bytes that one character may take: one astral character widens its whole string."""
    return 1 if body.isascii() and rb"\u" not in body else _WIDEST_CHARACTER
