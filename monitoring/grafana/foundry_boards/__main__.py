"""Write the dashboards' JSON beside this package.

usage: python -m foundry_boards [--check]

With --check nothing is written; the exit code is 1 where a file differs from the code.
"""
# ruff: noqa: T201 - it speaks to a person

from __future__ import annotations

import sys
from pathlib import Path

from foundry_boards import rendered, write

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Write or compare; returns the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    if not arguments:
        write(folder)
        return 0
    stale = [
        name
        for name, text in rendered().items()
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text
    ]
    for name in stale:
        print(f"dashboards/{name} differs from the code: run python -m foundry_boards")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
