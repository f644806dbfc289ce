"""How much of a conversation fits into the model's context.

There is no tokenizer here: models change, and shipping theirs would not be private to one of
them. Token counts are estimated on the high side instead, and the gateway's
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
_LETTERS = re.compile(r"[A-Za-z]+")


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


def estimate_tokens(text: str) -> int:
    """Return how many tokens ``text`` has at most, roughly.

    Letters come three to a token (English has four to five), digits and signs one each (Qwen
    splits numbers into digits), anything outside ASCII one and a half; single spaces ride along
    with the word that follows.
    """
    words = _LETTERS.findall(text)
    letters = sum(map(len, words))
    spaces = text.count(" ")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    signs = len(text) - letters - spaces - foreign
    return math.ceil(letters / 3 + len(words) / 3 + signs + foreign * 1.5)


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
) -> Prompt:
    """Put together the messages for ``question``: as many of the latest turns as fit.

    Args:
        turns: the conversation so far, oldest first.
        question: always sent, however long; the gateway says so when it alone is too much.
        system_prompt: sent first, unless blank.
        context_length: of the model, in tokens; ``None`` when unknown.
        max_tokens: what the person allows for the answer; ``None`` for the model's own limit.
        keep_at_most: a cap on the number of turns, for a retry after the estimate was too low.
    """
    context = context_length or UNKNOWN_CONTEXT
    system: list[ChatMessage] = []
    if system_prompt.strip():
        system = [ChatMessage(role="system", content=system_prompt.strip())]
    left = context - answer_budget(context, max_tokens)
    left -= sum(_cost(message["content"]) for message in system) + _cost(question)

    kept: list[ChatMessage] = []
    count = 0
    limit = len(turns) if keep_at_most is None else min(keep_at_most, len(turns))
    for turn in reversed(turns[len(turns) - limit :]):
        left -= _cost(turn.question) + _cost(turn.answer)
        if left < 0:
            break
        kept[:0] = [
            ChatMessage(role="user", content=turn.question),
            ChatMessage(role="assistant", content=turn.answer),
        ]
        count += 1
    messages = [*system, *kept, ChatMessage(role="user", content=question)]
    return Prompt(messages=messages, dropped=len(turns) - count)


def _cost(text: str) -> int:
    return estimate_tokens(text) + _MESSAGE_OVERHEAD
