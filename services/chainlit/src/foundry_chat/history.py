"""How much of a conversation fits into the model's context.

There is no tokenizer here: models come and go, each with its own. Token counts are estimated on
the high side until the runtime has reported its own count once (``TokenScale``), and the gateway's
``context_length_exceeded`` corrects what is left of the error (see ``answer``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where the gateway does not know the model's context: what the smallest common models have.
UNKNOWN_CONTEXT = 4096
# Role markers and separators of a chat template, per message.
_MESSAGE_OVERHEAD = 8
_WORDS = re.compile(r"[A-Za-z]+")
# A space before a letter rides along with the word; before anything else it is a token.
_LONE_SPACES = re.compile(r" +(?![A-Za-z ])")


class ChatMessage(TypedDict):
    """One message in OpenAI form."""

    role: str
    content: str


@dataclass(frozen=True)
class Turn:
    """A question and the answer it got."""

    question: str
    answer: str


@dataclass(frozen=True)
class Prompt:
    """What is sent to the model, and how many of the oldest turns did not fit."""

    messages: list[ChatMessage]
    dropped: int
    # In tokens, before scaling.
    estimate: int


def estimate_tokens(text: str) -> int:
    """Return how many tokens ``text`` has at most, roughly.

    Counted for the worst vocabulary in use, that of the built-in demo: two letters to a token,
    digits and signs one each (Qwen splits numbers likewise), up to three for anything beyond ASCII.
    """
    words = _WORDS.findall(text)
    letters = sum(map(len, words))
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    signs = len(text) - letters - foreign - text.count(" ") + len(_LONE_SPACES.findall(text))
    return math.ceil(letters / 2 + len(words) * 0.4 + signs + foreign * 2.5)


class TokenScale:
    """How the estimate compares with what the runtime counted, per model."""

    _MARGIN = 1.1
    _LOWEST = 0.3

    def __init__(self) -> None:
        self._ratios: dict[str, float] = {}

    def of(self, model: str) -> float:
        """Return the factor for estimates: 1 until something is known."""
        return self._ratios.get(model, 1.0)

    def learn(self, model: str, estimate: int, counted: int) -> None:
        """Take in one count. Higher ones count at once, lower ones little by little."""
        if estimate <= 0 or counted <= 0:
            return
        seen = max(counted / estimate * self._MARGIN, self._LOWEST)
        before = self._ratios.get(model)
        self._ratios[model] = seen if before is None else max(seen, before * 0.9 + seen * 0.1)


def answer_budget(context: int, max_tokens: int | None) -> int:
    """Return how many tokens of the context to keep free for the answer."""
    if max_tokens:
        return min(max_tokens, context * 3 // 4)
    return min(1024, context // 4)


def build_prompt(
    turns: Sequence[Turn],
    question: str,
    *,
    system_prompt: str = "",
    context_length: int | None = None,
    max_tokens: int | None = None,
    keep_at_most: int | None = None,
    scale: float = 1.0,
) -> Prompt:
    """Put together the messages for ``question``: as many of the latest turns as fit.

    Args:
        turns: the conversation so far, oldest first.
        question: always sent, however long; the gateway says so when it alone is too much.
        system_prompt: sent first, unless blank.
        context_length: of the model, in tokens; ``None`` when unknown.
        max_tokens: what the person allows for the answer; ``None`` for the model's own limit.
        keep_at_most: a cap on the number of turns, for a retry after the estimate was too low.
        scale: tokens of this model per estimated token.
    """
    context = context_length or UNKNOWN_CONTEXT
    room = int((context - answer_budget(context, max_tokens)) / scale)
    system: list[ChatMessage] = []
    if system_prompt.strip():
        system = [ChatMessage(role="system", content=system_prompt.strip())]
    estimate = sum(_cost(message["content"]) for message in system) + _cost(question)

    kept: list[ChatMessage] = []
    count = 0
    limit = len(turns) if keep_at_most is None else min(keep_at_most, len(turns))
    for turn in reversed(turns[len(turns) - limit :]):
        cost = _cost(turn.question) + _cost(turn.answer)
        if estimate + cost > room:
            break
        estimate += cost
        kept[:0] = [
            ChatMessage(role="user", content=turn.question),
            ChatMessage(role="assistant", content=turn.answer),
        ]
        count += 1
    messages = [*system, *kept, ChatMessage(role="user", content=question)]
    return Prompt(messages=messages, dropped=len(turns) - count, estimate=estimate)


def _cost(text: str) -> int:
    return estimate_tokens(text) + _MESSAGE_OVERHEAD
