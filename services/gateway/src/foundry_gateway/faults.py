"""Read the runtime's own error messages: the only way in which it says what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from foundry_common.runtime_words import plain

if TYPE_CHECKING:
    from collections.abc import Collection

_OVERFLOWS = (
    re.compile(
        r"requires \d+ total tokens \((\d+) input \+ \d+ output\).*?context length of (\d+)"
    ),
    # ONNX Runtime GenAI's own words, which 1.x passes on when the prompt alone does not fit.
    re.compile(r"input_ids size \((\d+)\).*?exceeds max length \((\d+)\)"),
    # 2.x of a text to embed.
    re.compile(r"max_length \((\d+)\) cannot be greater than model context_length \((\d+)\)"),
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What a caller got wrong, where the runtime calls it a failure of its own."""

    param: str | None
    """The field at fault, where it is known."""
    remedy: str


_CHANGE: Final = "Change or remove what it names."
_TOOLS: Final = "Leave 'tools' out, or choose a model that can call tools."
_MISTAKES: Final = (
    (r"tool markers", Mistake("tools", _TOOLS)),
    (
        r"invalid tool call|tool call.*(?:could not be parsed|is not valid)",
        Mistake(
            "tool_choice",
            "Leave 'tool_choice' out, allow more tokens, or choose a model that can call tools.",
        ),
    ),
    (r"tool list|[Pp]rovided tools?\b|tool definition", Mistake("tools", _CHANGE)),
    (
        r"\bgrammar\b|Parser Error|type in response format",
        Mistake("response_format", "Mend the schema or grammar: it cannot be used as it is."),
    ),
    (
        r"hidden_states|does not support embeddings?|not an embeddings? model",
        Mistake("model", "Use a model for embeddings, such as qwen3-embedding-0.6b."),
    ),
    (
        r"(?:IMAGE|AUDIO) input is not supported|content type not supported",
        Mistake(None, "Send text, or use another model."),
    ),
    # How C++ says that a text is no number; settings come as texts in this field alone.
    (r"\bsto(?:i|l|ul|f|d)\b", Mistake("metadata", "Leave 'metadata' out, or give numbers in it.")),
    (r"Invalid (?:OpenAI )?JSON|json\.exception|Unsupported parameter", Mistake(None, _CHANGE)),
)
_PATH: Final = re.compile(r"Path: \$\.([A-Za-z_][A-Za-z0-9_]*)")
_MACHINE: Final = re.compile(
    # Not std::allocator, which stands in signatures.
    r"out of memory|bad[ _]alloc|\ballocat(?:e|ion)|no space left"
    r"|\bCUDA|\bDML\b|\bdevice\b|\bdriver\b",
    re.IGNORECASE,
)


def mistake(message: str, fields: Collection[str] = ()) -> Mistake | None:
    """Return what the caller got wrong, if that is what the runtime failed on.

    Both generations call much a failure of theirs (500) that the request's own words made: a
    schema that is none, tools for a model without any. What speaks of the machine never is.

    Args:
        message: The runtime's words.
        fields: Names of what the caller sent: words about one of these, such as "top_p must be
            between 0.0 and 1.0", are about the request.
    """
    if is_of_the_machine(message):
        return None
    for pattern, found in _MISTAKES:
        if re.search(pattern, message):
            named = _PATH.search(message)
            return Mistake(named[1], found.remedy) if named else found
    words = set(re.findall(r"[a-z]+(?:_[a-z]+)+", message))
    named_field = next((name for name in fields if name in words), None)
    return Mistake(named_field, _CHANGE) if named_field else None


def is_of_the_machine(message: str) -> bool:
    """Say whether the runtime speaks of what it runs on: no request is to blame for that."""
    return _MACHINE.search(message) is not None


@dataclass(frozen=True, slots=True)
class Overflow:
    """Prompt and requested output do not fit the context. All in tokens."""

    prompt: int
    context: int

    @property
    def left(self) -> int:
        """What the prompt leaves for the answer."""
        return self.context - self.prompt


def overflow(message: str) -> Overflow | None:
    """Return the figures of a "does not fit the context" error, if it is one."""
    for pattern in _OVERFLOWS:
        if match := pattern.search(message):
            return Overflow(int(match[1]), int(match[2]))
    return None


def sentence(message: str) -> str:
    """Return the runtime's words as one sentence that a person can read."""
    said = plain(message) or "it does not say why"
    return said if said.endswith("…") else f"{said}."


def is_not_loaded(message: str) -> bool:
    """Say whether the runtime refused because the model is not loaded."""
    lower = message.lower()
    return "not loaded" in lower or "must be loaded" in lower


def is_not_cached(message: str) -> bool:
    """Say whether the runtime refused because the model is not on disk."""
    lower = message.lower()
    return "not cached" in lower or "must be downloaded" in lower or "not downloaded" in lower


def is_not_found(message: str) -> bool:
    """Say whether the runtime does not know the model."""
    lower = message.lower()
    return "not found" in lower or "no model matching" in lower or "unknown model" in lower
