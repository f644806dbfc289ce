"""What the generations of Foundry Local's REST server have in common, as one small interface."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import quote

Fetch = Callable[[str, float | None], Awaitable[tuple[int, bytes]]]
"""``await fetch(path, seconds)`` GETs a path: status and body. ``None``: the usual patience."""

_OK = 200


class DialectError(Exception):
    """The runtime answered a question about its models with something unexpected.

    Args:
        status: HTTP status.
        message: The runtime's own words.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the runtime offers, loaded or not."""

    variants: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Alias by variant, as far as the runtime tells."""
    cached: frozenset[str] | None = None
    """Variants on disk; None where the runtime does not tell."""
    contexts: Mapping[str, int] = field(default_factory=dict)
    """Context length in tokens by variant, as far as the runtime tells."""


class Dialect(ABC):
    """One generation of the REST server. Instances hold no state."""

    name: ClassVar[str]
    status_path: ClassVar[str]
    refuses_streams_in_silence: ClassVar[bool] = False
    """Whether a refused streamed request breaks off without saying why."""

    dies_of_wrong_embeddings: ClassVar[bool] = False
    """Whether embeddings of a model for chats end the runtime's process."""

    @abstractmethod
    def recognises(self, status: Mapping[str, object]) -> bool:
        """Say whether an answer from ``status_path`` is this generation's."""

    @abstractmethod
    async def loaded(self, fetch: Fetch) -> tuple[str, ...]:
        """Return the variants that answer now. Cheap; asked often.

        Raises:
            DialectError: The runtime gave no usable answer.
        """

    @abstractmethod
    async def catalog(self, fetch: Fetch) -> Catalog:
        """Return everything on offer. May take seconds; never awaited by a chat.

        Raises:
            DialectError: The runtime gave no usable answer.
        """

    @abstractmethod
    def load_names(self, alias: str, variant: str | None) -> tuple[str, ...]:
        """Return the names under which to ask for a load, best first."""

    @abstractmethod
    def load_path(self, name: str) -> str:
        """Return the path whose GET loads a model."""


async def fetch_json(fetch: Fetch, path: str) -> object:
    """GET a path and return its JSON.

    Raises:
        DialectError: Not a 200, or not JSON.
    """
    status, body = await fetch(path, None)
    if status != _OK:
        raise DialectError(status, error_message(body))
    try:
        return json.loads(body)
    except ValueError:
        raise DialectError(status, f"{path} did not answer with JSON") from None


async def fetch_names(fetch: Fetch, path: str) -> tuple[str, ...]:
    """GET a path that answers with a JSON array of names."""
    answer = await fetch_json(fetch, path)
    if not isinstance(answer, list):
        raise DialectError(_OK, f"{path} did not answer with an array")
    return tuple(name for name in answer if isinstance(name, str))


async def fetch_openai_models(fetch: Fetch) -> list[Mapping[str, object]]:
    """GET ``/v1/models`` and return its entries."""
    answer = await fetch_json(fetch, "/v1/models")
    entries = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        raise DialectError(_OK, "/v1/models did not answer with a list of models")
    return [
        entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    ]


def error_message(body: bytes) -> str:
    """Return the words of an error answer, whatever its shape, on one line and bounded."""
    text = body.decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        error = answer.get("error", answer.get("message", answer.get("detail")))
        if isinstance(error, dict):
            error = error.get("message")
        if isinstance(error, str) and error:
            text = error
    return " ".join(text.split())[:1000]


def path_segment(name: str) -> str:
    """Quote a name for use in a path; a colon may stay."""
    return quote(name, safe=":")
