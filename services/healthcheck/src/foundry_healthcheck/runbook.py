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


def page() -> str:
    """Return the page; raises OSError where the runbook is missing."""
    in_checkout = (folder / "docs" / "alerts.md" for folder in Path(__file__).parents)
    path = next((each for each in (BAKED, *in_checkout) if each.is_file()), BAKED)
    frame = (PAGE / "runbook.html").read_text(encoding="utf-8")
    return frame.replace(HERE, render(path.read_text(encoding="utf-8")))


def render(markdown: str) -> str:
    """Return Markdown as HTML, without what is HTML in it.

    Headings carry the anchors that links within the text lead to. A link into the repository
    leads nowhere from a page, and becomes its text.
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
            kept = str(token.attrGet("href")).startswith(("#", "http:", "https:"))
        if kept or token.type not in {"link_open", "link_close"}:
            yield token
