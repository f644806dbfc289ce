"""Answers the runtime's catalog queries from entries at hand.

A query is a list of filters, ``{"field", "operator", "values"}``. The runtime does not filter the
answer again, so those that choose between models are honoured here; the others (``type``,
``archived``, ``deploymentOptions``) hold for every entry that this package keeps.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Entry = dict[str, Any]

_LATEST_ONLY = "labels"


def matching(entries: Iterable[Entry], query: bytes) -> list[Entry]:
    """The ``entries`` that ``query`` asks for; all of them when it cannot be understood."""
    filters = _filters(query)
    kept = [entry for entry in entries if all(_accepts(item, entry) for item in filters)]
    if any(item.get("field") == _LATEST_ONLY for item in filters):
        latest = {name(entry): entry for entry in sorted(kept, key=_version)}
        kept = [entry for entry in kept if latest[name(entry)] is entry]
    return kept


def is_broad(query: bytes) -> bool:
    """Whether the query asks for the whole list, not for certain models."""
    fields = {str(item.get("field")).rpartition("/")[2] for item in _filters(query)}
    return not fields & {"name", "alias"}


def name(entry: Entry) -> str:
    """The model's name, without its version."""
    return str(_at(entry, "properties", "name"))


def variant(entry: Entry) -> str:
    """The id, ``name:version``."""
    return str(_at(entry, "properties", "id") or f"{name(entry)}:{_version(entry)}")


def size_bytes(entry: Entry) -> int | None:
    """The size of the model's files."""
    size = _at(entry, "properties", "variantInfo", "variantMetadata", "fileSizeBytes")
    return size if isinstance(size, int) and size > 0 else None


def _filters(query: bytes) -> list[dict[str, Any]]:
    try:
        decoded = json.loads(query or b"{}")
    except ValueError:
        return []
    filters = decoded.get("filters") if isinstance(decoded, dict) else None
    if not isinstance(filters, list):
        return []
    return [item for item in filters if isinstance(item, dict)]


def _accepts(item: dict[str, Any], entry: Entry) -> bool:
    field = str(item.get("field"))
    wanted = {str(value).casefold() for value in item.get("values") or ()}
    match field.rpartition("/")[2]:
        case "name":
            return name(entry).casefold() in wanted
        case "alias":
            return str(_at(entry, "annotations", "tags", "alias")).casefold() in wanted
        case "device" | "executionProvider" as key:
            value = _at(entry, "properties", "variantInfo", "variantMetadata", key)
            return value is None or str(value).casefold() in wanted
        case _:
            return True


def _version(entry: Entry) -> int:
    try:
        return int(_at(entry, "properties", "version"))
    except (TypeError, ValueError):
        return 0


def _at(value: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
