"""The parts of a message: text is free, pictures, sounds and files come as data alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from foundry_gateway.errors import InvalidRequestError
from foundry_gateway.media import (
    is_address,
    is_file_label,
    is_medium,
    is_reference_name,
    says_anything,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

INLINE: Final = "Send pictures, sounds and files within the request, as base64 in data: URLs."
LEAVE_OUT: Final = "Leave it out; whatever the model is to see belongs into the request."
_SEE_TYPES: Final = "Use text, image, audio and file parts as OpenAI's API defines them."
_LONGEST_SHOWN: Final = 60

TEXT_FIELDS: Final = frozenset(
    ("text", "refusal", "thinking", "reasoning", "signature", "encrypted_content")
)
TEXT_PARTS: Final = frozenset(
    (
        "text",
        "input_text",
        "output_text",
        "summary_text",
        "reasoning_text",
        "refusal",
        "thinking",
        "reasoning",
    )
)
MEDIA_PARTS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "image_url": ("image", frozenset(("image_url",))),
    "input_image": ("image", frozenset(("image_url", "image_data", "data"))),
    "input_audio": ("audio", frozenset(("input_audio", "data", "audio_url"))),
    "audio_url": ("audio", frozenset(("audio_url",))),
    "input_file": ("file", frozenset(("file_data",))),
    "file": ("file", frozenset(("file", "file_data"))),
}
"""Kind of the medium and the fields that carry it, by the part's type."""
_MEDIA_INSIDE: Final = frozenset(("url", "data", "file_data"))
"""Fields that carry the medium where it is an object of its own."""
_BESIDE: Final = frozenset(
    (
        "type",
        "detail",
        "format",
        "media_type",
        "mime_type",
        "cache_control",
        "phase",
        "id",
        "annotations",
        "logprobs",
        "index",
        "status",
    )
)
"""Fields beside text and media; what they hold is looked at all the same."""


class Contents:
    """Looks through contents, and collects the media in them.

    Every method raises ``InvalidRequestError`` where something outside the request is named.
    """

    def __init__(self) -> None:
        self.media: list[str] = []

    def look_at(self, at: str, content: Any) -> None:
        """Look at a content: a text, a part, or several of both."""
        if isinstance(content, dict):
            self.part(at, content)
        for where, one in numbered(at, content):
            if not isinstance(one, str):
                self.look_at(where, one)

    def part(self, at: str, part: dict[str, Any]) -> None:
        """Look at one part."""
        kind = part.get("type")
        if kind is None and part.keys() <= TEXT_FIELDS | _BESIDE:
            kind = "text"
        if not isinstance(kind, str) or kind not in TEXT_PARTS | MEDIA_PARTS.keys():
            raise unknown_type(at)
        medium, carriers = MEDIA_PARTS.get(kind, ("", frozenset[str]()))
        for name, value in part.items():
            where = f"{at}.{shown(name)}"
            if name in carriers:
                self._medium(where, medium, value)
            elif name in TEXT_FIELDS and not medium:
                self.look_at(where, value)
            else:
                self._beside(where, name, medium, value)

    def _medium(self, at: str, kind: str, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, dict):
            for name, inner in value.items():
                where = f"{at}.{shown(name)}"
                if name in _MEDIA_INSIDE:
                    self._medium(where, kind, inner)
                else:
                    self._beside(where, name, kind, inner)
        elif isinstance(value, str) and is_medium(kind, value):
            self.media.append(value)
        else:
            raise refusal(at, INLINE)

    def _beside(self, at: str, name: str, medium: str, value: Any) -> None:
        if name == "filename" and medium == "file":
            if value is not None and not is_file_label(value):
                raise refusal(at, "Give the file's bare name, such as report.pdf.")
        elif name in _BESIDE:
            unknown(at, "", value)
        elif says_anything(value):
            raise refusal(at, INLINE if medium else LEAVE_OUT)


def unknown(at: str, name: str, value: Any, *, suspect: bool = False) -> None:
    """Look at a field that nobody here knows: it may say what it wants, but name nothing.

    Args:
        at: Where it stands.
        name: Its name, empty where that says nothing.
        value: What it holds.
        suspect: Whether a name around it says that something is named in it.

    Raises:
        InvalidRequestError: It names something.
    """
    suspect = suspect or is_reference_name(name)
    if isinstance(value, str):
        if value and (suspect or is_address(value)):
            raise refusal(at, LEAVE_OUT)
    elif isinstance(value, dict):
        for key, inner in value.items():
            unknown(f"{at}.{shown(key)}", key, inner, suspect=suspect)
    else:
        for where, inner in numbered(at, value):
            unknown(where, "", inner, suspect=suspect)


def others(at: str, data: dict[str, Any], known: frozenset[str]) -> None:
    """Look at the fields of an object that nobody here knows.

    Raises:
        InvalidRequestError: One names something.
    """
    for name, value in data.items():
        if name not in known:
            unknown(f"{at}.{shown(name)}", name, value)
        elif isinstance(value, dict | list):
            unknown(f"{at}.{shown(name)}", "", value)


def numbered(at: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entries of an array with their places; nothing for what is no array."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            if isinstance(one, str | dict | list):
                yield f"{at}[{index}]", one


def shown(name: str) -> str:
    """Return a field's name as errors show it: short, on one line."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_SHOWN])
    return clean or "?"


def refusal(at: str, remedy: str) -> InvalidRequestError:
    """Return the error for a field that names something outside the request."""
    return InvalidRequestError(f"'{at}' names something outside the request.", remedy, param=at)


def unknown_type(at: str) -> InvalidRequestError:
    """Return the error for a part or an item of a kind that is not known here."""
    return InvalidRequestError(
        f"'{at}.type' is no kind of content that is taken here.", _SEE_TYPES, param=f"{at}.type"
    )
