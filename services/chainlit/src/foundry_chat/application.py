"""The app: Chainlit's events on one side, the parts of this package on the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import chainlit as cl
from chainlit.chat_context import chat_contexts
from chainlit.session import ws_sessions_id

from foundry_chat import conversation, panel, server, sockets, starters, upkeep
from foundry_chat.answer import Answerer, Question
from foundry_chat.gateway_client import GatewayClient
from foundry_chat.metrics import Metrics
from foundry_chat.models import ModelFeed
from foundry_chat.panel import Options
from foundry_chat.writer import RETRY, Writer, current_session, emit

if TYPE_CHECKING:
    from chainlit.session import WebsocketSession
    from chainlit.types import Starter
    from chainlit.user import User

    from foundry_chat.models import Snapshot
    from foundry_chat.settings import Settings

# The page cannot be used while a chat starts; the panel follows when the gateway answers later.
_START_PATIENCE = 1.0


class Application:
    """Everything that lives as long as the process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gateway = GatewayClient(settings)
        self._feed = ModelFeed(self._gateway.models, settings.models_interval)
        self._metrics = Metrics(
            open_chats=sockets.connected, remembered_chats=lambda: len(chat_contexts)
        )
        self._answerer = Answerer(self._gateway, self._feed, self._metrics)
        self._upkeep = upkeep.Upkeep(settings.abandon_after)

    def register(self) -> None:
        """Hand the handlers to Chainlit and add the routes."""
        cl.on_chat_start(self.on_chat_start)
        cl.on_message(self.on_message)
        cl.on_stop(self.on_stop)
        cl.on_chat_end(self.on_chat_end)
        cl.on_settings_update(self.on_settings_update)
        cl.action_callback(RETRY)(self.on_retry)
        cl.set_starters(self.set_starters)
        cl.on_app_shutdown(self.on_app_shutdown)
        server.install(self._feed, self._metrics)
        sockets.install(self._upkeep.forget_closed, self.on_return)

    async def on_chat_start(self) -> None:
        """Show the settings panel, fed by the gateway's models."""
        self._metrics.chats.inc()
        upkeep.sweep()
        self._watch()
        snapshot = self._feed.latest
        if not snapshot.models:
            snapshot = await self._feed.refresh(within=_START_PATIENCE)
        await panel.show(conversation.options(self._default_options()), snapshot)

    async def on_message(self, message: cl.Message) -> None:
        """Answer a new or an edited question."""
        # Chainlit runs an edited message outside the task that Stop would cancel.
        current_session().current_task = asyncio.current_task()
        self._watch()
        await self._answer(message)

    async def on_retry(self, action: cl.Action) -> None:
        """Ask the question again whose answer failed."""
        session = current_session()
        if session.current_task is not None and not session.current_task.done():
            return
        # In a task of its own, which Stop can cancel; this one belongs to an HTTP request.
        session.current_task = asyncio.create_task(
            self._retry(str(action.payload.get("question_id")))
        )

    async def _retry(self, question_id: str) -> None:
        emitter = cl.context.emitter
        await emitter.task_start()
        try:
            if question := await conversation.rewind(question_id):
                # Named as Chainlit names its own runs: the page shows its loader and buttons by it.
                async with cl.Step(name="on_message", type="run", parent_id=question.id):
                    await self._answer(question)
        except asyncio.CancelledError:
            pass
        finally:
            await emitter.task_end()

    async def on_stop(self) -> None:
        """Take back Chainlit's own message about the stop; the answer says it itself."""
        await conversation.remove_stop_message()

    async def on_chat_end(self) -> None:
        """Give up on an answer that nobody comes back for."""
        self._upkeep.left(current_session())

    async def on_return(self, session: WebsocketSession) -> None:
        """Show a browser whose line was cut what it may have missed."""
        if writer := conversation.writer_of(session):
            await writer.deliver()

    async def on_settings_update(self, values: dict[str, Any]) -> None:
        """Take over the settings, and say which cannot be used."""
        options, complaints = panel.read(values)
        conversation.set_options(options)
        for complaint in complaints:
            await cl.context.emitter.send_toast(complaint, "warning")
        if complaints:
            await panel.show(options, self._feed.latest)

    async def set_starters(self, user: User | None, language: str | None) -> list[Starter]:
        """Offer a few first questions."""
        del user, language
        return starters.starters()

    async def on_app_shutdown(self) -> None:
        """Close the connections to the gateway."""
        await self._gateway.close()

    async def _answer(self, message: cl.Message) -> None:
        if before := conversation.take_last_answer():
            await before.retire()
        question = Question(
            text=message.content,
            turns=conversation.turns_before(message.id),
            trimming_told=conversation.trimming_told(),
        )
        writer = Writer(message.id)
        conversation.begin(writer)
        outcome = await self._answerer.answer(
            question, conversation.options(self._default_options()), writer
        )
        conversation.remember(outcome)
        await upkeep.show_downloads(outcome.writer, outcome.model, self._feed.latest)

    def _default_options(self) -> Options:
        return Options(system_prompt=self._settings.system_prompt)

    def _watch(self) -> None:
        self._feed.watch(self._on_models, wanted=lambda: sockets.connected() > 0)

    async def _on_models(self, before: Snapshot, after: Snapshot) -> None:
        """Bring every open chat up to date with the models."""
        for session in list(ws_sessions_id.values()):
            if not before.same_choices(after):
                options = conversation.options_of(session, self._default_options())
                widgets = panel.widgets(options, after)
                await emit(session, "chat_settings", [widget.to_dict() for widget in widgets])
            if outcome := conversation.outcome_of(session):
                await upkeep.show_downloads(outcome.writer, outcome.model, after)
