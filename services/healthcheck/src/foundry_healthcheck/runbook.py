"""The runbook of the alerts, docs/alerts.md, as a page: the few forms of Markdown that it uses.

The file is ours, and part of the image; what it holds is escaped all the same.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

BAKED = Path(__file__).parent / "page" / "alerts.md"
"""Where the image has it."""
_HEAD = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Alerts \u00b7 Foundry Chat</title>
  <link rel="icon" type="image/svg+xml" href="/static/icon.svg">
  <link rel="stylesheet" href="/static/status.css">
</head>
<body class="runbook">
<header class="top"><p class="brand"><img src="/static/icon.svg" alt="" width="28" height="28"> \
Foundry Chat <span>alerts</span></p><nav aria-label="Pages"><a href="/">Status</a></nav></header>
<main><article>
"""
_FOOT = "</article></main>\n</body>\n</html>\n"
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|\*(?P<em>[^*]+)\*"
    r"|\[(?P<text>[^\]]+)\]\((?P<to>[^)\s]+)\)|<(?P<url>https?://[^>\s]+)>"
)


def page() -> str:
    """Return the page; raises OSError where the runbook is missing."""
    in_checkout = (folder / "docs" / "alerts.md" for folder in Path(__file__).parents)
    path = next((each for each in (BAKED, *in_checkout) if each.is_file()), BAKED)
    return render(path.read_text(encoding="utf-8"))


def render(markdown: str) -> str:
    """Return a runbook as HTML.

    Args:
        markdown: Headings, paragraphs, tables, and in them code, emphasis and links.
    """
    blocks = [block for block in re.split(r"\n\s*\n", markdown) if block.strip()]
    return _HEAD + "\n".join(map(_block, blocks)) + "\n" + _FOOT


def anchor(title: str) -> str:
    """Return the anchor of a heading, as it is made of Markdown everywhere."""
    return re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")


def _block(block: str) -> str:
    lines = block.strip().splitlines()
    heading = re.fullmatch(r"(#{1,4}) (.+)", lines[0]) if len(lines) == 1 else None
    if heading:
        level = len(heading[1])
        return f'<h{level} id="{anchor(heading[2])}">{_inline(heading[2])}</h{level}>'
    if all(line.startswith("|") for line in lines):
        return _table(lines)
    return f"<p>{_inline(' '.join(lines))}</p>"


def _table(lines: list[str]) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    body = [row for row in rows[1:] if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in rows[0])
    cells = ["".join(f"<td>{_inline(cell)}</td>" for cell in row) for row in body]
    told = "".join(f"<tr>{row}</tr>" for row in cells)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{told}</tbody></table>"
    return f'<div class="table">{table}</div>'


def _inline(text: str) -> str:
    pieces, at = [], 0
    for found in _INLINE.finditer(text):
        pieces += [escape(text[at : found.start()]), _marked(found)]
        at = found.end()
    return "".join((*pieces, escape(text[at:])))


def _marked(found: re.Match[str]) -> str:
    if found["code"]:
        return f"<code>{escape(found['code'])}</code>"
    if found["strong"]:
        return f"<strong>{_inline(found['strong'])}</strong>"
    if found["em"]:
        return f"<em>{_inline(found['em'])}</em>"
    if found["url"]:
        return f'<a href="{escape(found["url"])}">{escape(found["url"])}</a>'
    shown = _inline(found["text"])
    # A link into the repository leads nowhere from here.
    to = found["to"]
    return f'<a href="{escape(to)}">{shown}</a>' if to.startswith(("#", "http")) else shown
