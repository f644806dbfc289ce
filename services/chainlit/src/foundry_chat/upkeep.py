"""What goes on beside the answers: downloads shown, memory bounded, abandoned answers ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from chainlit.chat_context import chat_contexts
from chainlit.session import WebsocketSession, ws_sessions_id
from chainlit.user_session import user_sessions

from foundry_chat import wording
from foundry_chat.writer import is_connected

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from foundry_chat.models import Model, Snapshot
    from foundry_chat.writer import Writer


KEPT_CLOSED = 32
"""Chats kept for a browser that may come back."""


async def show_downloads(writer: Writer, model: Model | None, snapshot: Snapshot) -> None:
    """Under an answer of the demo, say how far the real model is."""
    if model is None or not model.demo:
        return
    for coming in snapshot.downloading():
        if coming.download is not None:
            line = wording.download(
                coming.alias, coming.download.percent, coming.download.seconds_left
            )
            await writer.show_download(line, coming.download.percent)
            return
    default = snapshot.default
    if default is not None and not default.demo:
        await writer.show_download(f"{default.alias} is ready and gives the next answer.")
    else:
        await writer.show_download(None)


def sweep() -> None:
    """Forget what belongs to chats that are gone; Chainlit keeps their messages for ever.

    Called whenever a chat starts or is closed, which bounds the memory by the chats that are
    still open and those that are kept for a while.
    """
    for memory in (chat_contexts, user_sessions):
        for session_id in [key for key in memory if key not in ws_sessions_id]:
            memory.pop(session_id, None)


class Upkeep:
    """Background tasks, held so that they are not collected while they run."""

    def __init__(self, abandon_after: float) -> None:
        self._abandon_after = abandon_after
        self._tasks: set[asyncio.Task[None]] = set()
        # The chats whose browser has gone, the longest ago first.
        self._closed: dict[str, None] = {}

    def left(self, session: WebsocketSession) -> None:
        """End the answer of a browser that has gone: at once for a new chat, else after a while.

        The chat is kept for its return; of all such chats only the last few.
        """
        self._closed.pop(session.id, None)
        if not session.to_clear:
            self._closed[session.id] = None
            self._spawn(self.forget_closed(KEPT_CLOSED))
        task = session.current_task
        if task is None or task.done():
            return
        if session.to_clear:
            task.cancel()
        else:
            self._spawn(self._abandon(session, task))

    async def forget_closed(self, keep: int = 0) -> None:
        """Forget all but the last ``keep`` chats that wait for their browser to come back."""
        for session_id in list(self._closed):
            session = ws_sessions_id.get(session_id)
            if session is None or is_connected(session):
                del self._closed[session_id]
        for session_id in list(self._closed)[: max(0, len(self._closed) - keep)]:
            self._closed.pop(session_id, None)
            if session := ws_sessions_id.get(session_id):
                if session.current_task is not None:
                    session.current_task.cancel()
                await session.delete()
        sweep()

    async def _abandon(self, session: WebsocketSession, task: asyncio.Task[Any]) -> None:
        await asyncio.sleep(self._abandon_after)
        if not is_connected(session):
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
