"""Nothing in a request names a file, an address or an id outside the request itself.

Foundry Local opens what ``input_image.image_url`` names, a file of its own machine, and nobody
knows what a later version opens. So this lists what may stand where, not what may not: known kinds
of messages, items, content parts and tools; media as data alone; and elsewhere nothing that looks
like the name of something outside.

Text is free, and so are the names of properties in a schema: a question may be about
``/etc/passwd``, and a tool may take a ``path``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from foundry_gateway.errors import InvalidRequestError
from foundry_gateway.media import says_anything
from foundry_gateway.parts import (
    LEAVE_OUT,
    MEDIA_PARTS,
    TEXT_PARTS,
    Contents,
    numbered,
    others,
    refusal,
    shown,
    unknown,
    unknown_type,
)

if TYPE_CHECKING:
    from foundry_gateway.operations import Operation

_MESSAGE: Final = frozenset(
    ("role", "name", "refusal", "tool_call_id", "reasoning_content", "reasoning", "thinking")
)
_PLAIN: Final = frozenset(("role", "content"))
_CALL: Final = frozenset(("id", "call_id", "type", "index", "name", "arguments", "input"))
_ITEMS: Final[dict[str, frozenset[str]]] = {
    "message": frozenset(("name", "refusal")),
    "function_call": _CALL | {"namespace"},
    "function_call_output": frozenset(("call_id", "name")),
    "custom_tool_call": _CALL | {"namespace"},
    "custom_tool_call_output": frozenset(("call_id", "name")),
    "reasoning": frozenset(("encrypted_content",)),
}
"""Fields of text by the item's type."""
_ITEM_CONTENTS: Final = frozenset(("content", "output", "summary"))
_ITEM: Final = frozenset(("id", "type", "status", "role", "phase"))
_TOOL: Final = frozenset(("type", "name", "description", "definition", "syntax"))
_INSIDE_TOOLS: Final = frozenset(("function", "custom", "format", "grammar"))
_SCHEMAS: Final = frozenset(
    ("parameters", "schema", "json_schema", "input_schema", "output_schema")
)
_SCHEMA_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")

_ELSEWHERE: Final = {
    "previous_response_id": "Send the earlier turns in `input`: the gateway keeps no answers.",
    "conversation": "Send the earlier turns in `input`: the gateway keeps no conversations.",
    "conversation_id": "Send the earlier turns in `input`.",
    "thread_id": "Send the earlier turns in `input`.",
    "prompt": "Send the text itself, in `input` or `instructions`.",
    "prompt_id": "Send the text itself.",
    "assistant_id": LEAVE_OUT,
    "connector_id": LEAVE_OUT,
    "container": LEAVE_OUT,
    "file_ids": LEAVE_OUT,
    "vector_store_ids": LEAVE_OUT,
}
"""Fields that name what is kept elsewhere, and what to do instead."""
_FREE: Final = frozenset(
    (
        "model",
        "metadata",
        "stop",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "logit_bias",
        "include",
        "modalities",
        "instructions",
        "stream_options",
        "store",
        "system",
    )
)
"""Fields of text or labels, which nobody opens."""


def check(operation: Operation, body: dict[str, Any]) -> list[str]:
    """Look through a body; returns the media that it carries.

    Args:
        operation: What the body asks for.
        body: The request, parsed.

    Raises:
        InvalidRequestError: It names something outside itself; the error says where.
    """
    contents = Contents()
    for name, value in body.items():
        if isinstance(value, int | float):  # switches too: they name nothing
            continue
        if name in _ELSEWHERE:
            if says_anything(value):
                raise refusal(name, _ELSEWHERE[name])
        elif name in ("messages", "input"):
            look = _look_at_message if operation.required == "messages" else _look_at_item
            for at, one in numbered(name, value):
                look(contents, at, one)
        elif name in ("tools", "functions"):
            for at, tool in numbered(name, value):
                _look_at_tool(at, tool)
        elif name not in _FREE:
            _look_at_option(contents, name, value)
    return contents.media


def _look_at_option(contents: Contents, name: str, value: Any) -> None:
    if name in ("response_format", "text") and isinstance(value, dict):
        _look_at_description(name, value)
    elif name == "prediction" and isinstance(value, dict):
        contents.look_at("prediction.content", value.get("content"))
        others(name, {**value, "content": None}, frozenset(("type",)))
    else:
        # `audio` says which voice the answer is to have.
        unknown(shown(name), "" if name == "audio" else name, value)


def _look_at_message(contents: Contents, at: str, message: Any) -> None:
    if not isinstance(message, dict):
        return
    if message.keys() == _PLAIN and all(isinstance(one, str) for one in message.values()):
        return
    contents.look_at(f"{at}.content", message.get("content"))
    for where, call in numbered(f"{at}.tool_calls", message.get("tool_calls")):
        _look_at_call(where, call)
    _look_at_call(f"{at}.function_call", message.get("function_call"))
    if says_anything(message.get("audio")):
        raise refusal(f"{at}.audio", "It names an answer that is kept elsewhere: send its text.")
    rest = {
        name: value
        for name, value in message.items()
        if name not in ("content", "tool_calls", "function_call", "audio")
    }
    others(at, rest, _MESSAGE)


def _look_at_call(at: str, call: Any) -> None:
    if isinstance(call, dict):
        for name in ("function", "custom"):
            if isinstance(call.get(name), dict):
                others(f"{at}.{name}", call[name], _CALL)
        rest = {name: value for name, value in call.items() if name not in ("function", "custom")}
        others(at, rest, _CALL)


def _look_at_item(contents: Contents, at: str, item: Any) -> None:
    if not isinstance(item, dict):
        contents.look_at(at, item)
        return
    kind = item.get("type")
    if kind is None and "role" not in item and "id" in item:
        raise refusal(f"{at}.id", "It names an item that is kept elsewhere: send the item itself.")
    if kind is None and "role" not in item:
        contents.part(at, item)
        return
    kind = "message" if kind is None else kind
    if not isinstance(kind, str) or kind not in _ITEMS:
        if isinstance(kind, str) and kind in TEXT_PARTS | MEDIA_PARTS.keys():
            contents.part(at, item)
            return
        raise unknown_type(at)
    for name in _ITEM_CONTENTS & item.keys():
        contents.look_at(f"{at}.{name}", item[name])
    rest = {name: value for name, value in item.items() if name not in _ITEM_CONTENTS}
    others(at, rest, _ITEM | _ITEMS[kind])


def _look_at_tool(at: str, tool: Any) -> None:
    if not isinstance(tool, dict):
        unknown(at, "", tool)
        return
    if tool.get("type", "function") not in ("function", "custom"):
        raise InvalidRequestError(
            f"'{at}.type' is no kind of tool that runs here.",
            "Describe a function, and run it yourself.",
            param=f"{at}.type",
        )
    _look_at_description(at, tool)


def _look_at_description(at: str, description: dict[str, Any]) -> None:
    """Look at a tool, a format, or what either has inside."""
    rest = {}
    for name, value in description.items():
        if name in _SCHEMAS:
            _look_at_schema(f"{at}.{name}", value)
        elif name in _INSIDE_TOOLS and isinstance(value, dict):
            _look_at_description(f"{at}.{name}", value)
        else:
            rest[name] = value
    others(at, rest, _TOOL)


def _look_at_schema(at: str, schema: Any) -> None:
    """A schema's names and texts are free; its references stay within it."""
    if isinstance(schema, dict):
        for name in _SCHEMA_REFERENCES:
            target = schema.get(name)
            if isinstance(target, str) and not target.startswith("#"):
                raise refusal(
                    f"{at}.{name}", "Refer to definitions of the same schema: `#/$defs/…`."
                )
        for name, inner in schema.items():
            if isinstance(inner, dict | list):
                _look_at_schema(f"{at}.{shown(name)}", inner)
    else:
        for where, inner in numbered(at, schema):
            _look_at_schema(where, inner)
