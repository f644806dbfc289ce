"""The README as its reader meets it: its code blocks, in order, and its table of addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = re.compile(r"<(http://localhost:[^>]+)>")
_COMMENT = re.compile(r"\s+#.*$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: as it stands behind the fence; empty for what a program prints.
        text: its lines.
    """

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its command lines, without the remarks beside them."""
        lines = (_COMMENT.sub("", line) for line in self.text.splitlines())
        return [line for line in lines if line.strip()]


def blocks() -> list[Block]:
    """Every fenced block of the README, in order."""
    return [Block(*found) for found in _BLOCK.findall(README.read_text(encoding="utf-8"))]


def first_table_of_addresses() -> list[str]:
    """The addresses that the first screen of the README promises."""
    _, _, after = README.read_text(encoding="utf-8").partition("## Start")
    return _ADDRESS.findall(after.partition("\n## ")[0])
