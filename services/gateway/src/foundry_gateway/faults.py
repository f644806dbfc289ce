"""Read the runtime's own error messages: the only way in which it says what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OVERFLOWS = (
    re.compile(
        r"requires \d+ total tokens \((\d+) input \+ \d+ output\).*?context length of (\d+)"
    ),
    # ONNX Runtime GenAI's own words, which 1.x passes on when the prompt alone does not fit.
    re.compile(r"input_ids size \((\d+)\).*?exceeds max length \((\d+)\)"),
)


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
    """Return a message with one full stop at its end."""
    return f"{message.rstrip('. ')}."


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
