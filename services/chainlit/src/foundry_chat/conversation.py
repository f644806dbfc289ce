"""What one chat remembers, kept in its Chainlit session.

The messages themselves are Chainlit's (``chat_context``): it already follows edits and removals,
and a data layer can fill it when a conversation is resumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import chainlit as cl
from chainlit.user_session import user_sessions

from foundry_chat.history import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chainlit.session import WebsocketSession

    from foundry_chat.answer import Outcome
    from foundry_chat.panel import Options
    from foundry_chat.writer import Writer

_OPTIONS = "foundry_options"
_OUTCOME = "foundry_outcome"
_WRITER = "foundry_writer"
_TRIMMED = "foundry_trimmed"
_STOP_MESSAGE = "Task manually stopped."


def options(default: Options) -> Options:
    """Return the settings of the current chat."""
    chosen: Options = cl.user_session.get(_OPTIONS, default)
    return chosen


def set_options(chosen: Options) -> None:
    """Keep the settings for the current chat."""
    cl.user_session.set(_OPTIONS, chosen)


def options_of(session: WebsocketSession, default: Options) -> Options:
    """Return the settings of any chat."""
    chosen: Options = _memory(session).get(_OPTIONS, default)
    return chosen


def outcome_of(session: WebsocketSession) -> Outcome | None:
    """Return how the latest answer of any chat ended."""
    return _memory(session).get(_OUTCOME)


def begin(writer: Writer) -> None:
    """Keep the answer that is about to be written into the current chat."""
    cl.user_session.set(_WRITER, writer)


def writer_of(session: WebsocketSession) -> Writer | None:
    """Return the latest answer of any chat, however far it is and however it ended."""
    return _memory(session).get(_WRITER)


def take_last_answer() -> Writer | None:
    """Return the latest answer of the current chat, which a new one is about to follow."""
    outcome: Outcome | None = cl.user_session.get(_OUTCOME)
    cl.user_session.set(_OUTCOME, None)
    return None if outcome is None else outcome.writer


def remember(outcome: Outcome) -> None:
    """Keep the latest answer, and whether the person knows that the history was trimmed."""
    cl.user_session.set(_OUTCOME, outcome)
    if outcome.trimmed:
        cl.user_session.set(_TRIMMED, True)  # noqa: FBT003 - Chainlit's signature


def trimming_told() -> bool:
    """Whether the person has been told that the beginning of this chat no longer fits."""
    return bool(cl.user_session.get(_TRIMMED, False))


def turns_before(question_id: str) -> list[Turn]:
    """Return the answered questions of the current chat before ``question_id``."""
    return pair(cl.chat_context.get(), question_id)


def pair(messages: Iterable[Any], question_id: str) -> list[Turn]:
    """Pair questions with their answers, up to the message ``question_id``.

    A question without an answer (it failed, or was stopped before the first word) is left out:
    models are trained on strictly alternating roles.
    """
    turns: list[Turn] = []
    asked: str | None = None
    for message in messages:
        if message.id == question_id:
            break
        if message.type == "user_message":
            asked = message.content
        elif (
            message.type == "assistant_message"
            and not message.is_error
            and asked is not None
            and message.content
        ):
            turns.append(Turn(question=asked, answer=message.content))
            asked = None
    return turns


async def rewind(question_id: str) -> cl.Message | None:
    """Remove everything after a question and return it; ``None`` when it is gone itself."""
    question: cl.Message | None = None
    for message in cl.chat_context.get():
        if question is not None:
            await message.remove()
        elif message.id == question_id:
            question = message
    return question


async def remove_stop_message() -> None:
    """Remove the message that Chainlit adds when somebody presses Stop."""
    for message in reversed(cl.chat_context.get()):
        if message.content == _STOP_MESSAGE and message.type == "assistant_message":
            await message.remove()
            return


def _memory(session: WebsocketSession) -> dict[str, Any]:
    return user_sessions.get(session.id) or {}
