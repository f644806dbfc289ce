"""A request's JSON: validated whole, kept as the bytes that came.

Bodies may be large, so the tree that they are parsed into lives only as long as it is looked at,
and the top-level fields pass on byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from foundry_common.bodies import census
from foundry_gateway import limits
from foundry_gateway.errors import InvalidRequestError

SEE_API = "See the OpenAI API reference for the request's shape."
NUL_ESCAPE = rb"\u0000"
_ESCAPED_BACKSLASH = rb"\\"
_MARK = b"\0"  # never in JSON
# At least as many as there are members: an escaped quotation mark may look like a name's end.
_MEMBERS = re.compile(rb'"[ \t\r\n]*:').findall
_decode_tree = msgspec.json.Decoder().decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# How many tokens a text has: about four ASCII letters a token, and about one a letter elsewhere.
_LETTERS_PER_TOKEN = 4
_BYTES_BEYOND_ASCII_PER_TOKEN = 2
_COUNTED_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Document:
    """One body."""

    fields: dict[str, msgspec.Raw]
    """The top-level fields as they came; those that are null mean "not given" and are left out."""
    tree: dict[str, Any]
    """The same, parsed."""
    tokens: int
    """How many tokens all of it has, at least about."""


def read(body: bytes | bytearray, allowance: int) -> Document:
    """Parse a body.

    Args:
        body: JSON, without NUL escapes: see ``without_nul``.
        allowance: Bytes that it may become.

    Raises:
        InvalidRequestError: It is not JSON, or too much of it.
    """
    small = len(body) <= limits.LARGE_PARSE
    counted = None if small else census(body)
    if counted is not None and counted.tree_bytes > allowance:
        raise InvalidRequestError(
            "The request body has too many values.",
            "Send fewer at a time: split long lists over several requests.",
            status=413,
        )
    tree, fields = _decode(body)
    members, tokens = _survey(tree)
    # A name that stands twice in an object has two colons, but is one member.
    if members != (len(_MEMBERS(body)) if small else -1):
        counted = counted or census(body)
        if members != counted.colons:
            raise InvalidRequestError("The request body names a field twice.", SEE_API)
    # OpenAI's API takes null for "not given"; the runtime's parser does not.
    kept = {name: raw for name, raw in fields.items() if tree[name] is not None}
    return Document(kept, {name: tree[name] for name in kept}, tokens)


def tokens_in(value: Any) -> int:
    """Return how many tokens one field of a body has, at least about."""
    return _survey({"": value})[1]


def without_nul(body: bytes | bytearray, allowance: int) -> bytes:
    """Return a body without NUL characters: the runtime would end the prompt at one, silently.

    Raises:
        InvalidRequestError: It is not JSON; what is not might become so.
    """
    read(body, allowance)
    marked = bytes(body.replace(_ESCAPED_BACKSLASH, _MARK)).replace(NUL_ESCAPE, b"")
    return marked.replace(_MARK, _ESCAPED_BACKSLASH)


def _decode(body: bytes | bytearray) -> tuple[dict[str, Any], dict[str, msgspec.Raw]]:
    try:
        tree = _decode_tree(body)
        if not isinstance(tree, dict):
            raise InvalidRequestError("The request body is not a JSON object.", SEE_API)
        return tree, _decode_fields(body)
    except UnicodeDecodeError:
        raise InvalidRequestError("The request body is not UTF-8.", SEE_API) from None
    except RecursionError:
        raise _too_deep() from None
    except msgspec.ValidationError:
        raise InvalidRequestError(
            "The request body has a number that is too large.", SEE_API
        ) from None
    except msgspec.DecodeError:
        raise InvalidRequestError("The request body is not JSON.", SEE_API) from None


def _survey(tree: dict[str, Any]) -> tuple[int, int]:
    """Look at every value once; returns how many members and tokens there are."""
    members = 0
    tokens = 0
    level: list[Any] = [tree]
    for _ in range(limits.MAX_DEPTH):
        deeper: list[Any] = []
        for container in level:
            values = container
            if type(container) is dict:
                members += len(container)
                tokens += sum(map(token_count, container))
                values = container.values()
            for value in values:
                kind = type(value)
                if kind is str:
                    tokens += token_count(value)
                elif kind is dict or kind is list:
                    deeper.append(value)
                else:
                    tokens += 1
        if not deeper:
            break
        level = deeper
    else:
        raise _too_deep()
    return members, tokens


def token_count(text: str) -> int:
    """Return how many tokens a text has, at least about."""
    if text.isascii():
        return len(text) // _LETTERS_PER_TOKEN + 1
    beyond = sum(
        len(text[start : start + _COUNTED_AT_ONCE].encode())
        for start in range(0, len(text), _COUNTED_AT_ONCE)
    ) - len(text)
    return len(text) // _LETTERS_PER_TOKEN + beyond // _BYTES_BEYOND_ASCII_PER_TOKEN + 1


def _too_deep() -> InvalidRequestError:
    return InvalidRequestError(
        f"The request body is nested more than {limits.MAX_DEPTH} levels deep.", SEE_API
    )
