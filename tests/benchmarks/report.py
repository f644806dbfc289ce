"""Figures with their targets, as a table for people and as JSON for machines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured value, with the target it should meet, if it has one."""

    name: str
    value: float
    unit: str
    detail: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value is within its target; true where there is none."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def as_json(self) -> dict[str, Any]:
        """The figure with its verdict."""
        return {**asdict(self), "met": self.met}


def table(figures: Sequence[Figure]) -> str:
    """Lines for a terminal: name, value, target, what lies behind it."""
    rows = []
    for figure in figures:
        target = ""
        if figure.at_most is not None:
            target = f"at most {figure.at_most:g}"
        elif figure.at_least is not None:
            target = f"at least {figure.at_least:g}"
        mark = "" if figure.met else "  MISSED"
        rows.append(
            (figure.name, f"{figure.value:.2f} {figure.unit}", target + mark, figure.detail)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )
