"""The committed dashboards, read as Grafana reads them: panels, queries, variables, selectors."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAFANA = Path(__file__).resolve().parents[2] / "monitoring" / "grafana"
FOLDER = GRAFANA / "dashboards"
FILES = tuple(sorted(path.name for path in FOLDER.glob("*.json")))

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}(\[[^\]]*\])?")
_MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")')
_LABEL_LIST = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", re.IGNORECASE
)
_WORD = re.compile(r"(?<![\w.:$])([a-zA-Z_:][a-zA-Z0-9_:]*)\b(?!\s*\()")
_KEYWORDS = {
    *("and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right"),
    *("offset", "bool", "inf", "nan", "sum", "min", "max", "count", "avg"),
}


@dataclass(frozen=True)
class Selector:
    """One vector or range selector of an expression."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    window: str = ""


@dataclass(frozen=True)
class Target:
    """One query of one panel."""

    board: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def expression(self) -> str:
        """Its PromQL, variables still in it."""
        return str(self.target["expr"])

    def __str__(self) -> str:
        """Where it is, for a test's message."""
        return f"{self.board} / {self.panel['title']} / {self.target['refId']}"


def read(file: str) -> dict[str, Any]:
    """One dashboard."""
    board: dict[str, Any] = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    return board


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those inside collapsed rows too, rows left out."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels") or []
        else:
            yield panel


def targets(file: str) -> list[Target]:
    """Every query of a dashboard's panels."""
    board = read(file)
    return [
        Target(file.removesuffix(".json"), panel, target)
        for panel in panels(board)
        for target in panel.get("targets") or []
    ]


def variables(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A dashboard's variables by name."""
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def selectors(expression: str) -> list[Selector]:
    """Every selector of an expression, those without braces too."""
    found = [
        Selector(
            match[1],
            tuple((name, how, value[1:-1]) for name, how, value in _MATCHER.findall(match[2])),
            (match[3] or "")[1:-1],
        )
        for match in _SELECTOR.finditer(expression)
    ]
    rest = _LABEL_LIST.sub(" ", _STRING.sub(" ", _SELECTOR.sub(" ", expression)))
    bare = (word for word in _WORD.findall(rest) if word.lower() not in _KEYWORDS)
    return found + [Selector(word, ()) for word in bare]


def legend_labels(target: dict[str, Any]) -> set[str]:
    """The labels that a legend names, as ``{{label}}``."""
    return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat") or ""))


def table_labels(panel: dict[str, Any]) -> set[str]:
    """The labels that a table shows as columns."""
    columns: set[str] = set()
    for transformation in panel.get("transformations") or []:
        columns |= set(transformation["options"].get("includeByName", {}))
    return columns - {"Value", "Time"}
