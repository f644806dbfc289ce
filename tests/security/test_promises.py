"""docs/security.md promises nothing that no test holds, and the README says nothing beyond it."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.stack import ROOT

DOCUMENT = ROOT / "docs" / "security.md"
README = ROOT / "README.md"
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


@dataclass(frozen=True)
class Promise:
    text: str
    tests: tuple[tuple[str, Path], ...]
    """The name of each test, and its file."""


def section(path: Path, title: str) -> str:
    _, _, rest = path.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    assert rest, f"{path.name} has no section {title}"
    return rest.partition("\n## ")[0]


def plain(text: str) -> str:
    """The words alone: no links, no emphasis, one line."""
    return " ".join(LINK.sub(r"\1", text).replace("**", "").split())


def promises() -> list[Promise]:
    found = []
    for line in section(DOCUMENT, "Promises").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|") or len(cells) != 2 or cells[0] in {"Promise", "---"}:
            continue
        tests = tuple(
            ("test_" + words.strip("`").replace(" ", "_"), (DOCUMENT.parent / target).resolve())
            for words, target in LINK.findall(cells[1])
        )
        found.append(Promise(plain(cells[0]), tests))
    return found


def readme_says() -> list[str]:
    points = section(README, "Privacy").split("\n- ")[1:]
    return [plain(point.partition("\n\n")[0]) for point in points]


def functions_in(path: Path) -> dict[str, ast.AST]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: node for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise.text[:60])
def test_a_promise_is_held_by_tests_that_exist(promise: Promise):
    assert promise.tests, "no test is named"
    for name, path in promise.tests:
        assert path.is_file(), path
        assert name in functions_in(path), f"{path.name} has no {name}"


def test_there_are_promises():
    assert len(promises()) >= 20


def test_the_readme_says_about_privacy_what_is_promised_word_for_word():
    promised = {promise.text for promise in promises()}
    said = readme_says()
    assert len(said) >= 6
    assert [sentence for sentence in said if sentence not in promised] == []


def test_the_document_fits_a_page():
    words = LINK.sub("", DOCUMENT.read_text(encoding="utf-8")).split()
    assert len(words) < 1700
