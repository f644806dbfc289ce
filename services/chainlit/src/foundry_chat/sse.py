"""Server-sent events of a chat completion, straight from bytes.

The OpenAI client builds a pydantic model per token; at the 4,500 tokens/s that one machine can
produce for many chats at once, that alone fills a core. Only three fields matter here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from foundry_chat import errors


@dataclass(frozen=True)
class Text:
    """A piece of the answer. ``chunks`` counts the events it came in (about one per token)."""

    text: str
    chunks: int


@dataclass(frozen=True)
class Waiting:
    """A keep-alive comment of the gateway: ``loading phi-4-mini`` or ``queued 3``."""

    reason: str


@dataclass(frozen=True)
class Finished:
    """The model is done."""

    reason: str


@dataclass(frozen=True)
class Usage:
    """Token counts, as the runtime reports them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Failed:
    """The gateway reports that the answer broke off; what was written before it stands."""

    error: errors.ChatError


Event = Text | Waiting | Finished | Usage | Failed


class Decoder:
    """Turns bytes, however they are cut, into events; text that arrives together comes as one."""

    def __init__(self) -> None:
        self._rest = b""
        self.done = False
        self.model: str | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events completed by ``data``: the text first, then what came with it."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        events: list[Event] = []
        pieces: list[str] = []
        for raw in lines:
            line = raw.rstrip(b"\r")
            if line.startswith(b"data:"):
                payload = line[5:].strip()
                if payload == b"[DONE]":
                    self.done = True
                elif payload:
                    self._chunk(json.loads(payload), pieces, events)
            elif line.startswith(b":"):
                events.append(Waiting(line[1:].strip().decode("utf-8", "replace")))
        if pieces:
            events.insert(0, Text("".join(pieces), len(pieces)))
        return events

    def _chunk(self, chunk: dict[str, Any], pieces: list[str], events: list[Event]) -> None:
        if isinstance(error := chunk.get("error"), dict):
            events.append(Failed(errors.from_body(error)))
            return
        if self.model is None and chunk.get("model"):
            self.model = str(chunk["model"])
        for choice in chunk.get("choices") or ():
            if content := (choice.get("delta") or {}).get("content"):
                pieces.append(content)
            if reason := choice.get("finish_reason"):
                self.done = True
                events.append(Finished(str(reason)))
        if usage := chunk.get("usage"):
            events.append(
                Usage(
                    int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
                )
            )
