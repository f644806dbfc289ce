"""One answer as the browser sees it: the streamed message, and a note under it.

The note is a Chainlit custom element (``AnswerNote.jsx``). It shows the state while a person
waits, the facts of a finished answer, and what went wrong. The message itself holds nothing but
the model's words, so copying it and sending it back as history stay clean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import chainlit as cl
from chainlit.config import config
from chainlit.message import MessageBase
from chainlit.server import sio
from chainlit.session import WebsocketSession

if TYPE_CHECKING:
    from foundry_chat.errors import ChatError

RETRY = "try_again"
_NOTE = "AnswerNote"


def current_session() -> WebsocketSession:
    """Return the session of the chat being served."""
    session = cl.context.session
    if not isinstance(session, WebsocketSession):
        raise TypeError("answers are written to browsers, not over plain HTTP")
    return session


def is_connected(session: WebsocketSession) -> bool:
    """Whether a browser is listening to this session now."""
    return bool(sio.manager.is_connected(session.socket_id, "/"))


async def emit(session: WebsocketSession, event: str, data: Any) -> None:
    """Send an event to the browser of any session, whoever's task this is."""
    # Chainlit declares this callable as if it returned nothing.
    sending: Any = session.emit(event, data)
    await sending


class AnswerMessage(MessageBase):
    """A message of the model, with buttons. Chainlit's own sleeps a millisecond to be made."""

    def __init__(self) -> None:
        self.content = ""
        self.author = config.ui.name
        self.actions: list[cl.Action] = []
        super().__post_init__()

    async def send_with_actions(self) -> None:
        """Send the message, or send it again, and the buttons that are not there yet."""
        await MessageBase.send(self)
        for action in self.actions:
            if action.forId is None:
                await action.send(for_id=self.id)

    async def remove_actions(self) -> None:
        """Take the buttons away."""
        actions, self.actions = self.actions, []
        for action in actions:
            await action.remove()


class Writer:
    """Writes one answer into the current chat."""

    def __init__(self, question_id: str) -> None:
        self.text_sent = False
        self._question_id = question_id
        self._session = current_session()
        self._socket_id = self._session.socket_id
        self._message = AnswerMessage()
        self._shown = False
        self._ended = False
        self._noted = False
        # An address spares Chainlit from writing a file per element; the browser reads the props.
        self._note = cl.CustomElement(
            name=_NOTE, props={}, url=f"/public/elements/{_NOTE}.jsx", display="inline"
        )

    @property
    def text(self) -> str:
        """What has been written so far."""
        return self._message.content

    async def status(self, text: str) -> None:
        """Show why nothing has been written yet."""
        if self.text_sent:
            return
        if not self._shown:
            await self._settle()
        await self._show_note(status=text)

    async def write(self, text: str) -> None:
        """Append to the answer."""
        first, self.text_sent = not self.text_sent, True
        await self._catch_up()
        await self._message.stream_token(text)
        self._shown = True
        if not self._noted and (not first or self._note.for_id):
            # Replaces the status; and the page fetches the note's code now, not at the end, when
            # it would push the facts below the fold. Not with the very first words, though: other
            # chats wait for theirs.
            self._noted = True
            await self._show_note()

    async def finish(self, *, facts: str = "", notes: list[str] | None = None) -> None:
        """End the answer with the facts about it."""
        # Before the message, whose arrival makes the page scroll to its end.
        await self._show_note(facts=facts, notes=notes or [])
        await self._settle()
        self._ended = True

    async def fail(self, error: ChatError, *, facts: str = "") -> None:
        """End the answer with what went wrong and a button that asks again."""
        retry = cl.Action(
            name=RETRY,
            payload={"question_id": self._question_id},
            label="Try again",
            tooltip="Ask the same question again",
            icon="rotate-cw",
        )
        if self.text_sent:
            note: dict[str, Any] = {"problem": error.message, "remedy": error.remedy}
        else:
            self._message.content = error.as_markdown()
            self._message.is_error = True
            note = {}
        self._message.actions = [retry]
        if note or self._note.for_id:
            await self._show_note(facts=facts, **note)
        await self._settle()
        self._ended = True

    async def show_download(self, line: str | None, percent: float | None = None) -> None:
        """Show, refresh or remove the line about a model on its way. Works from any task."""
        props = {key: value for key, value in self._note.props.items() if key != "download"}
        if line:
            props["download"] = {"text": line, "percent": percent}
        if props != self._note.props and self._note.for_id:
            self._note.props = props
            await emit(self._session, "element", self._note.to_dict())

    async def retire(self) -> None:
        """A new question follows: take back what only makes sense under the latest answer.

        Asking an old question again would remove everything after it.
        """
        await self.show_download(None)
        await self._message.remove_actions()

    async def deliver(self) -> None:
        """Send all there is of the answer to a browser that has come back.

        Whatever was sent before may be lost: a line is dead for a while before anybody notices.
        What the browser has already, it replaces.
        """
        session = self._session
        self._socket_id = session.socket_id
        if not self._ended:
            await emit(session, "task_start", {})
        if self._shown:
            await emit(session, "new_message", self._message.to_dict())
        if self._note.for_id:
            await emit(session, "element", self._note.to_dict())
        for action in self._message.actions:
            if action.forId is not None:
                # Only buttons are not replaced by the page, but shown twice.
                await emit(session, "remove_action", action.to_dict())
                await emit(session, "action", action.to_dict())

    async def _show_note(self, **props: Any) -> None:
        props = {key: value for key, value in props.items() if value}
        if self._note.for_id and props == self._note.props:
            return
        self._note.props = props
        await self._note.send(for_id=self._message.id)

    async def _settle(self) -> None:
        # send() and not update(): a browser that missed the beginning gets the message anyway.
        await self._message.send_with_actions()
        self._shown = True

    async def _catch_up(self) -> None:
        """After a reconnect, send what the browser missed and show the answer as running."""
        if self._socket_id == self._session.socket_id or not self._shown:
            return
        self._socket_id = self._session.socket_id
        await cl.context.emitter.task_start()
        await cl.context.emitter.send_step(self._message.to_dict())
