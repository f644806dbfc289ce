"""Read a request's JSON, check what can be checked early, and write it as the runtime wants it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from foundry_gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundry_gateway.operations import Operation

A = TypeVar("A")
R = TypeVar("R")

_LARGE_BYTES = 262_144
_MODEL_NAME_LENGTH = 200
_SEE_API = "See the OpenAI API reference for the request's shape."


class Prompt:
    """One request's body. The text in it is never logged.

    Args:
        operation: Which route it came in on.
        data: The JSON object.
        size: How many bytes it was.

    Raises:
        InvalidRequestError: It is not what the operation takes.
    """

    def __init__(self, operation: Operation, data: dict[str, Any], size: int) -> None:
        self._operation = operation
        self._size = size
        _check(operation, data)
        # OpenAI's API takes null for "not given"; the runtime's parser does not.
        self._data: dict[str, Any] = {k: v for k, v in data.items() if v is not None}
        self.model: str | None = self._data.get("model")
        self.stream: bool = operation.streams and self._data.get("stream", False)
        options = self._data.pop("stream_options", {})
        self.wants_usage: bool = bool(options.get("include_usage"))
        if operation.asks_usage and self.stream:
            self._data["stream_options"] = {**options, "include_usage": True}
        self._settle_limit()

    @classmethod
    async def read(cls, operation: Operation, body: bytes) -> Prompt:
        """Read a request's body.

        Raises:
            InvalidRequestError: It is not what the operation takes.
        """
        return cls(operation, await _aside(len(body), _parse, body), len(body))

    def limit_output(self, tokens: int) -> None:
        """Ask for at most this many tokens."""
        for field in self._operation.limit_fields:
            self._data[field] = tokens

    async def encode(self, variant: str) -> bytes:
        """Return the body for the runtime."""
        self._data["model"] = variant
        return await self._dump(self._data)

    async def encode_whole(self) -> bytes:
        """Return the latest body again, asking for an answer in one piece."""
        kept = {k: v for k, v in self._data.items() if k != "stream_options"}
        return await self._dump({**kept, "stream": False})

    async def _dump(self, data: dict[str, Any]) -> bytes:
        return await _aside(self._size, _dump, data)

    def _settle_limit(self) -> None:
        given = [self._data[field] for field in self._operation.limit_fields if field in self._data]
        if given:
            self.limit_output(given[0])


async def _aside(size: int, function: Callable[[A], R], argument: A) -> R:
    """Call a function, in a thread when it would hold up everybody else's streams."""
    if size < _LARGE_BYTES:
        return function(argument)
    return await asyncio.to_thread(function, argument)


def _dump(data: dict[str, Any]) -> bytes:
    body = json.dumps(data, separators=(",", ":"))
    if "\\u0000" in body:  # the runtime would end the whole prompt there, without a word
        body = json.dumps(_without_nul(data), separators=(",", ":"))
    return body.encode("ascii")


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


def _parse(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidRequestError("The request body is not JSON.", _SEE_API) from None
    if not isinstance(data, dict):
        raise InvalidRequestError("The request body is not a JSON object.", _SEE_API)
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _check(operation: Operation, data: dict[str, Any]) -> None:
    _expect(data, "model", str, "a string")
    model = data.get("model")
    if model is not None and (len(model) > _MODEL_NAME_LENGTH or not model.isprintable()):
        raise InvalidRequestError("'model' is no model's name.", _SEE_API, param="model")
    _expect(data, "stream", bool, "true or false")
    _expect(data, "stream_options", dict, "an object")
    for field in operation.limit_fields:
        value = data.get(field)
        if value is not None and (type(value) is not int or value < 1):
            raise InvalidRequestError(
                f"{field!r} must be a whole number of at least 1.", _SEE_API, param=field
            )
    if data.get("n") not in (None, 1):
        raise InvalidRequestError("Foundry Local gives one choice.", "Leave 'n' out.", param="n")
    field = operation.required
    if data.get(field) is None:
        raise InvalidRequestError(f"{field!r} is missing.", _SEE_API, param=field)
    if field == "messages":
        _check_messages(data[field])
    elif not isinstance(data[field], str | list) or not data[field]:
        raise InvalidRequestError(
            f"{field!r} must be a non-empty string or array.", _SEE_API, param=field
        )


def _expect(data: dict[str, Any], field: str, kind: type, expected: str) -> None:
    value = data.get(field)
    if value is not None and not isinstance(value, kind):
        raise InvalidRequestError(f"{field!r} must be {expected}.", _SEE_API, param=field)


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise InvalidRequestError(
            "'messages' must be a non-empty array.", _SEE_API, param="messages"
        )
    for index, message in enumerate(messages):
        param = f"messages[{index}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidRequestError(
                f"'{param}' must be an object with a 'role'.", _SEE_API, param=param
            )
        if not isinstance(message.get("content"), str | list | None):
            raise InvalidRequestError(
                f"'{param}.content' must be a string or an array of parts.", _SEE_API, param=param
            )
