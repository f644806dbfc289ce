"""The directory that Chainlit runs in, laid out afresh at every start.

Chainlit wants its configuration, its public files and a scratch directory under one writable
root. A container's root is read-only, so the root is a directory in a tmpfs, filled from the
files that ship with this package (``site/``).
"""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundry_chat.settings import Settings

SITE = Path(__file__).parent / "site"
# Chainlit's page names two foreign hosts for fonts and one for formulas. Nothing here needs them.
_FOREIGN_LINK = re.compile(r"<link\b[^>]*https?://[^>]*>\s*")

# Where the edge puts the menu of the stack, and what stands where Chainlit's page cannot.
_BEGIN = r"""\g<0>
    <!-- menu -->
    <noscript><p class="needs-script">The chat needs JavaScript. Allow it for this address, and
    reload the page.</p></noscript>"""
_BODY = re.compile(r"<body\b[^>]*>")


class PageError(RuntimeError):
    """Chainlit's own page is not where or what this version of the app expects."""


def lay_out(settings: Settings) -> Path:
    """Fill the app root and return it. Running it again replaces what is there."""
    root = settings.app_root
    root.mkdir(parents=True, exist_ok=True)
    for name in (".chainlit", "public", "page", "sources"):
        _remove(root / name)
    shutil.copytree(SITE / "translations", root / ".chainlit" / "translations")
    shutil.copyfile(SITE / "config.toml", root / ".chainlit" / "config.toml")
    # Under the name of the page's language, too: Chainlit warns at every visit otherwise.
    for name in ("chainlit.md", "chainlit_en-US.md"):
        shutil.copyfile(SITE / "chainlit.md", root / name)
    _lay_out_page(root / "page")
    if settings.development:
        (root / "public").symlink_to(SITE / "public", target_is_directory=True)
        # Chainlit watches its root and nothing else; the watcher follows links.
        (root / "sources").symlink_to(SITE.parents[1], target_is_directory=True)
    else:
        shutil.copytree(SITE / "public", root / "public")
    return root


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _lay_out_page(page: Path) -> None:
    """Make a copy of Chainlit's page, our ``custom_build``.

    No foreign links, room for the menu, and a word where no script runs.
    """
    page.mkdir()
    built = _chainlit_page()
    index = (built / "index.html").read_text(encoding="utf-8")
    own, links = _FOREIGN_LINK.subn("", index)
    own, bodies = _BODY.subn(_BEGIN, own)
    if not links or bodies != 1 or re.search(r"(?:href|src)=\"https?://", own):
        raise PageError(
            f"The page at {built} does not look like that of Chainlit 2.12: "
            f"{links} foreign links and {bodies} bodies found. "
            "Pin chainlit==2.12.0, or adapt app_root.py."
        )
    (page / "index.html").write_text(own, encoding="utf-8")
    for path in built.iterdir():
        if path.name != "index.html":
            (page / path.name).symlink_to(path, target_is_directory=path.is_dir())


def _chainlit_page() -> Path:
    """Find the page without importing Chainlit, which would settle its root for good."""
    spec = find_spec("chainlit")
    if spec is None or spec.origin is None:
        raise PageError("Chainlit is not installed.")
    return Path(spec.origin).parent / "frontend" / "dist"
