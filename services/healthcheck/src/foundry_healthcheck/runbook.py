"""The runbook of the alerts, docs/alerts.md, as a page."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markdown_it.token import Token

PAGE = Path(__file__).parent / "page"
BAKED = PAGE / "alerts.md"
"""Where the image has it."""
HERE = "<!-- runbook -->"
_OWN = "http://localhost:9180"
"""How the runbook writes the address of this prober, which serves it."""
_ELSEWHERE = "http://localhost"
"""How it writes those of the other pages, whose ports and names are settings."""


def page() -> str:
    """Return the page; raises OSError where the runbook is missing."""
    in_checkout = (folder / "docs" / "alerts.md" for folder in Path(__file__).parents)
    path = next((each for each in (BAKED, *in_checkout) if each.is_file()), BAKED)
    frame = (PAGE / "runbook.html").read_text(encoding="utf-8")
    return frame.replace(HERE, render(path.read_text(encoding="utf-8")))


def render(markdown: str) -> str:
    """Return Markdown as HTML, without what is HTML in it.

    Headings carry the anchors that links within the text lead to. A link to the status page
    becomes one on the same host. A link into the repository leads nowhere from a page, and one to
    another of the stack's pages may; both become their text, and the menu leads there.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            before.attrSet("id", anchor(token.content))
        elif token.type == "inline":
            token.children = list(_links_that_lead(token.children or ()))
    return str(parser.renderer.render(tokens, parser.options, {}))


def anchor(title: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")


def _links_that_lead(tokens: Iterable[Token]) -> Iterable[Token]:
    kept = True  # links do not nest
    for token in tokens:
        if token.type == "link_open":
            to = str(token.attrGet("href"))
            if to.startswith(_OWN):
                to = to.removeprefix(_OWN) or "/"
                token.attrSet("href", to)
                kept = to.startswith("/")
            else:
                leads = to.startswith(("#", "http:", "https:"))
                kept = leads and not to.startswith(_ELSEWHERE)
        if kept or token.type not in {"link_open", "link_close"}:
            yield token
