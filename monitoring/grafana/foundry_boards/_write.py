"""All boards, and their JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from foundry_boards import chat_performance, overview, probes

if TYPE_CHECKING:
    from pathlib import Path

BOARDS = {
    "overview.json": overview.board,
    "chat-performance.json": chat_performance.board,
    "probes.json": probes.board,
}
"""File name to the function that makes the board."""


def rendered() -> dict[str, str]:
    """The JSON of every board, by file name; the same on every machine."""
    return {
        name: json.dumps(make(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
        for name, make in BOARDS.items()
    }


def write(folder: Path) -> None:
    """Write every board's JSON into a folder."""
    for name, text in rendered().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
