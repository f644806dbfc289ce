"""Telling what was found: for a person in a terminal, or as JSON."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TextIO

from lib.doctor.results import Finding, State, worst

SIGNS: dict[State, str] = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "·", "info": "i"}
PLAIN_SIGNS: dict[State, str] = {
    "ok": "+",
    "warning": "!",
    "failed": "x",
    "skipped": "-",
    "info": "i",
}
COLOURS: dict[State, str] = {
    "ok": "32",
    "warning": "33",
    "failed": "31;1",
    "skipped": "2",
    "info": "36",
}
PLAIN_LETTERS = str.maketrans({"“": '"', "”": '"', "…": "...", "→": "->"})
TITLE_WIDTH = 16
INDENT = 4 + 2 + TITLE_WIDTH + 1
NARROWEST, WIDEST = 60, 110


class Report:
    """Writes findings as they come.

    Args:
        out: where to.
        environment: tells of NO_COLOR (https://no-color.org) and dumb terminals.
    """

    def __init__(self, out: TextIO, environment: Any = os.environ) -> None:
        self._out = out
        plain = "NO_COLOR" in environment or environment.get("TERM") == "dumb"
        self._colour = not plain and out.isatty() and _understands_colour()
        self._signs = SIGNS if _prints(out, "✓✗·→“”") else PLAIN_SIGNS
        self._width = min(WIDEST, max(NARROWEST, shutil.get_terminal_size().columns))
        self._wraps = out.isatty()
        self._group = ""

    def tell(self, findings: Iterable[Finding]) -> list[Finding]:
        """Write every finding and the end; returns them."""
        told: list[Finding] = []
        alike: list[Finding] = []
        for finding in findings:
            told.append(finding)
            if alike and not _belongs_to(finding, alike[0]):
                self._skips(alike)
                alike = []
            if finding.result.state == "skipped":
                alike.append(finding)
            else:
                self._line(finding)
        self._skips(alike)
        self._end(told)
        return told

    def _skips(self, alike: Sequence[Finding]) -> None:
        """What was skipped for one reason, in one line."""
        if len(alike) > 1:
            titles = ", ".join(finding.title for finding in alike)
            result = replace(alike[0].result, message=f"{alike[0].result.message}: {titles}")
            self._line(replace(alike[0], result=result), title="Others")
        elif alike:
            self._line(alike[0])

    def _line(self, finding: Finding, title: str = "") -> None:
        if finding.check.group != self._group:
            self._group = finding.check.group
            self._write(f"\n==> {self._group}")
        result = finding.result
        message = result.message
        if result.state in {"skipped", "info"}:
            message = message[:1].lower() + message[1:]
        first, *rest = self._folded(message, indent=INDENT)
        title = title or finding.title
        lines = [f"{title:<{TITLE_WIDTH}} {first}", *(" " * (INDENT - 6) + line for line in rest)]
        if len(title) > TITLE_WIDTH:
            lines = [title, *(" " * (INDENT - 6) + line for line in (first, *rest))]
        sign = self._painted(self._signs[result.state], result.state)
        for index, line in enumerate(lines):
            text = self._painted(line, "skipped") if result.state == "skipped" else line
            self._write(f"    {sign if index == 0 else ' '} {text}")
        if result.remedy:
            arrow = "→" if self._signs is SIGNS else "->"
            for index, line in enumerate(self._folded(result.remedy, indent=INDENT + 2)):
                self._write(f"{' ' * INDENT}{arrow if index == 0 else ' ' * len(arrow)} {line}")

    def _end(self, told: Sequence[Finding]) -> None:
        failures = [one for one in told if one.result.state == "failed"]
        warnings = [one for one in told if one.result.state == "warning"]
        self._write("")
        if not failures and not warnings:
            self._write(self._painted("Everything is fine.", "ok"))
            return
        counted = [_count(failures, "thing is wrong", "things are wrong")] if failures else []
        counted += [_count(warnings, "warning", "warnings")] if warnings else []
        first = (failures or warnings)[0]
        more = " Begin with the first: what stands above is often the cause of what stands below."
        end = f"{', '.join(counted)}.{more if len(failures) > 1 else ''}"
        for line in self._folded(end, indent=0):
            self._write(self._painted(line, first.result.state))

    def _folded(self, text: str, indent: int) -> list[str]:
        lines = text.splitlines() or [""]
        if not self._wraps:
            return lines
        width = max(30, self._width - indent)
        return [
            piece
            for line in lines
            for piece in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)
            or [""]
        ]

    def _painted(self, text: str, state: State) -> str:
        return f"\x1b[{COLOURS[state]}m{text}\x1b[0m" if self._colour else text

    def _write(self, text: str) -> None:
        if self._signs is PLAIN_SIGNS:
            text = text.translate(PLAIN_LETTERS)
        encoding = self._out.encoding or "utf-8"
        print(text.encode(encoding, "replace").decode(encoding), file=self._out, flush=True)


def document(findings: Sequence[Finding]) -> str:
    """The report for programs."""
    checks = [finding.document() for finding in findings]
    return json.dumps({"status": worst(findings), "checks": checks}, indent=2)


def _belongs_to(finding: Finding, first: Finding) -> bool:
    """Whether both were skipped for the same reason."""
    same_group = finding.check.group == first.check.group
    return same_group and finding.result.message == first.result.message


def _count(found: Sequence[Finding], one: str, many: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else many}"


def _prints(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _understands_colour() -> bool:
    """Whether the console draws colours; Windows' own has to be told to."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - of Windows only

        kernel = ctypes.windll.kernel32
        # ENABLE_VIRTUAL_TERMINAL_PROCESSING beside what is on by default; 0 means refused.
        return bool(kernel.SetConsoleMode(kernel.GetStdHandle(-11), 7))
    return True
