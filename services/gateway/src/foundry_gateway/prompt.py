"""Read a request's JSON, check what can be checked early, and write it as the runtime wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from foundry_gateway import document, limits, references
from foundry_gateway.document import SEE_API, token_count
from foundry_gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from foundry_gateway.document import Document
    from foundry_gateway.operations import Operation

Piece = bytes | memoryview

_MODEL_NAME_LENGTH = 200
_TOKENS_PER_MEDIUM = 1_024
_LEAST_TEMPERATURE, _MOST_TEMPERATURE = 1e-30, 2
"""Below 0, and where it divides by next to nothing, 1.x ends with an assertion of its own."""
_LONG = 16_384
"""Tokens from which it is worth while to look twice."""
_ALLOWANCE: Final = limits.parse_allowance(limits.MIB * 16)
_encode = msgspec.json.Encoder().encode


class Prompt:
    """One request's body. The text in it is never logged.

    Args:
        operation: Which route it came in on.
        body: The body, read.

    Raises:
        InvalidRequestError: It is not what the operation takes.
    """

    def __init__(self, operation: Operation, body: Document) -> None:
        self._operation = operation
        data = body.tree
        _check(operation, data)
        media = references.check(operation, data)
        self.tokens = body.tokens + sum(_TOKENS_PER_MEDIUM - token_count(one) for one in media)
        """How long it is, at least about, labels that no model reads included."""
        self.question_tokens = self.tokens
        """The same without those labels."""
        if self.tokens > _LONG:
            all_of_it = document.tokens_in(data[operation.required])
            self.question_tokens = all_of_it - sum(map(token_count, media))
        self._fields: dict[str, bytes | msgspec.Raw] = dict(body.fields)
        metadata = data.get("metadata")
        self._named = tuple(metadata) if isinstance(metadata, dict) else ()
        self.model: str | None = data.get("model")
        self.stream: bool = operation.streams and data.get("stream", False)
        options = data.get("stream_options", {})
        self._fields.pop("stream_options", None)
        self.wants_usage: bool = bool(options.get("include_usage"))
        if operation.asks_usage and self.stream:
            self._fields["stream_options"] = _encode({**options, "include_usage": True})
        if operation.keeps_answers or "store" in self._fields:
            # Whoever reaches the runtime could list what it keeps, prompts included.
            self._fields["store"] = b"false"
        self._settle_limit()

    @classmethod
    def read(
        cls, operation: Operation, body: bytes | bytearray, allowance: int = _ALLOWANCE
    ) -> Prompt:
        """Read a request's body.

        Args:
            operation: Which route it came in on.
            body: JSON.
            allowance: Bytes that it may become while it is looked at.

        Raises:
            InvalidRequestError: It is not what the operation takes.
        """
        if document.NUL_ESCAPE in body:
            body = document.without_nul(body, allowance)
        return cls(operation, document.read(body, allowance))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of what the body holds; the runtime takes settings from ``metadata`` too."""
        return (*self._fields, *self._named)

    def limit_output(self, tokens: int) -> None:
        """Ask for at most this many tokens."""
        for field in self._operation.limit_fields:
            self._fields[field] = _encode(tokens)

    def encode(self, variant: str) -> list[Piece]:
        """Return the body for the runtime, in pieces."""
        self._fields["model"] = _encode(variant)
        return _join(self._fields)

    def encode_whole(self) -> list[Piece]:
        """Return the latest body again, asking for an answer in one piece."""
        kept = {name: raw for name, raw in self._fields.items() if name != "stream_options"}
        return _join({**kept, "stream": b"false"})

    def forget(self) -> None:
        """Drop the body: it has been sent, and is not sent again."""
        self._fields.clear()

    def _settle_limit(self) -> None:
        names = self._operation.limit_fields
        given = [self._fields[name] for name in names if name in self._fields]
        if given:
            for name in names:
                self._fields[name] = given[0]


def _join(fields: dict[str, bytes | msgspec.Raw]) -> list[Piece]:
    pieces: list[Piece] = []
    mark = b"{"
    for name, raw in fields.items():
        pieces += (b"%b%b:" % (mark, _encode(name)), memoryview(raw))
        mark = b","
    pieces.append(b"}")
    return pieces


def _check(operation: Operation, data: dict[str, Any]) -> None:
    _expect(data, "model", str, "a string")
    model = data.get("model")
    if model is not None and (len(model) > _MODEL_NAME_LENGTH or not model.isprintable()):
        raise InvalidRequestError("'model' is no model's name.", SEE_API, param="model")
    _expect(data, "stream", bool, "true or false")
    _expect(data, "stream_options", dict, "an object")
    for field in operation.limit_fields:
        value = data.get(field)
        if value is not None and (type(value) is not int or value < 1):
            raise InvalidRequestError(
                f"{field!r} must be a whole number of at least 1.", SEE_API, param=field
            )
    _check_temperature(data.get("temperature"))
    _check_tools(data)
    if data.get("n") not in (None, 1):
        raise InvalidRequestError("Foundry Local gives one choice.", "Leave 'n' out.", param="n")
    field = operation.required
    if data.get(field) is None:
        raise InvalidRequestError(f"{field!r} is missing.", SEE_API, param=field)
    if field == "messages":
        _check_messages(data[field])
    elif not isinstance(data[field], str | list) or not data[field]:
        raise InvalidRequestError(
            f"{field!r} must be a non-empty string or array.", SEE_API, param=field
        )
    elif operation.limit_fields:
        _check_items(data[field])


def _check_temperature(value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or value == 0:
        return
    if not _LEAST_TEMPERATURE <= value <= _MOST_TEMPERATURE:
        raise InvalidRequestError(
            f"'temperature' must be 0, or from {_LEAST_TEMPERATURE:g} to {_MOST_TEMPERATURE}.",
            SEE_API,
            param="temperature",
        )


def _check_tools(data: dict[str, Any]) -> None:
    """Refuse what 1.x stumbles over: nothing in a tool's place, and a choice of no kind."""
    for field in ("tools", "functions"):
        tools = data.get(field)
        for index, tool in enumerate(tools if isinstance(tools, list) else ()):
            if not isinstance(tool, dict):
                param = f"{field}[{index}]"
                raise InvalidRequestError(f"'{param}' must be an object.", SEE_API, param=param)
    choice = data.get("tool_choice")
    if isinstance(choice, dict) and not isinstance(choice.get("type"), str):
        raise InvalidRequestError(
            "'tool_choice' must say its 'type'.", SEE_API, param="tool_choice"
        )


def _check_items(items: str | list[Any]) -> None:
    """Refuse a message without content: the runtime fails on it, in a stream behind a 200."""
    for index, item in enumerate(items if isinstance(items, list) else ()):
        is_message = isinstance(item, dict) and item.get("type", "message") == "message"
        if is_message and item.get("content") in (None, "", []):
            raise InvalidRequestError(
                f"'input[{index}].content' is missing.", SEE_API, param=f"input[{index}].content"
            )


def _expect(data: dict[str, Any], field: str, kind: type, expected: str) -> None:
    value = data.get(field)
    if value is not None and not isinstance(value, kind):
        raise InvalidRequestError(f"{field!r} must be {expected}.", SEE_API, param=field)


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise InvalidRequestError(
            "'messages' must be a non-empty array.", SEE_API, param="messages"
        )
    for index, message in enumerate(messages):
        param = f"messages[{index}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidRequestError(
                f"'{param}' must be an object with a 'role'.", SEE_API, param=param
            )
        if not isinstance(message.get("content"), str | list | None):
            raise InvalidRequestError(
                f"'{param}.content' must be a string or an array of parts.", SEE_API, param=param
            )
