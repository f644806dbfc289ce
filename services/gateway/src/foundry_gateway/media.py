"""What may stand for a picture, a sound or a file in a request, and what names one elsewhere."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

_SUBTYPE: Final = r"[a-z0-9][a-z0-9.+-]*(?:;[a-z0-9=._ -]+)*"
_KINDS: Final = {
    "image": r"image",
    "audio": r"audio",
    "file": r"(?:application|text|image|audio)",
}
# Lower case alone: what Foundry Local does not take for a data URL it takes for a path.
_DATA_URL: Final = {
    kind: re.compile(rf"data:{types}/{_SUBTYPE};base64,") for kind, types in _KINDS.items()
}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_BEGINNINGS: Final = {
    "image": (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*"),
    "audio": (b"RIFF", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"fLaC", b"OggS"),
    "file": (b"%PDF-", b"PK\x03\x04"),
}
"""How plain base64 begins: ``/etc/passwd1`` is base64 too, but of nothing known."""
_PEEK: Final = 16

_REFERENCE_ENDS: Final = (
    *("url", "urls", "uri", "uris", "path", "paths", "file", "files", "fileid", "fileids"),
    *("filename", "href", "src", "link", "folder", "directory", "image", "images", "picture"),
    *("audio", "sound", "video", "media", "attachment", "attachments", "connector", "container"),
    *("imageid", "audioid", "videoid", "responseid", "conversationid", "vectorstoreids"),
)
_SCHEME: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:(?:[^\s]|$)")
_PATH_START: Final = re.compile(r"\s*(?:[/\\~]|\.\.?[/\\]|%2[eEfF]|%5[cC])")
_MEDIA_TYPE: Final = re.compile(r"(?:application|audio|font|image|text|video)/[A-Za-z0-9.+-]+")
_LABEL: Final = re.compile(r"[^/\\:\x00-\x1f]{1,200}")


def is_medium(kind: str, text: str) -> bool:
    """Say whether a text is the medium itself: a data URL, or base64 that begins like one.

    Args:
        kind: ``image``, ``audio`` or ``file``.
        text: What stands in the field.
    """
    start = _DATA_URL[kind].match(text)
    if start is not None:
        return _BASE64.fullmatch(text, start.end()) is not None
    if len(text) < _PEEK or len(text) % 4 or not _BASE64.fullmatch(text):
        return False
    try:
        beginning = base64.b64decode(text[:_PEEK], validate=True)
    except binascii.Error:
        return False
    return beginning.startswith(_BEGINNINGS[kind])


def is_file_label(value: Any) -> bool:
    """Say whether a value is a file's bare name, which labels data that comes with it."""
    return isinstance(value, str) and bool(_LABEL.fullmatch(value)) and value.strip(". ") != ""


def is_reference_name(name: str) -> bool:
    """Say whether a field's name says that it names something: ``url``, ``filePath``, …."""
    letters = re.sub(r"[^a-z]", "", name.lower())
    return letters.endswith(_REFERENCE_ENDS) and not letters.endswith("profile")


def is_address(text: str) -> bool:
    """Say whether a text looks like a path or an address."""
    if any(_DATA_URL[kind].match(text) for kind in _DATA_URL):
        return False
    if _PATH_START.match(text) or _SCHEME.match(text):
        return True
    one_word = not re.search(r"\s", text)
    return (
        one_word
        and bool(re.search(r"[/\\]|%2[fF]|%5[cC]", text))
        and not _MEDIA_TYPE.fullmatch(text)
    )


def says_anything(value: Any) -> bool:
    """Say whether there is any text in a value, however deep."""
    if isinstance(value, str):
        return value != ""
    if isinstance(value, dict):
        return any(says_anything(inner) for inner in value.values())
    if isinstance(value, list):
        return any(says_anything(inner) for inner in value)
    return False
