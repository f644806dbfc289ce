"""Answering one question: prompt, stream, status, and what to do when it goes wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundry_chat import errors, history, sse, wording
from foundry_chat.errors import ChatError
from foundry_chat.models import AUTOMATIC

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from foundry_chat.gateway_client import GatewayClient
    from foundry_chat.history import Prompt, Turn
    from foundry_chat.metrics import Metrics
    from foundry_chat.models import Model, ModelFeed
    from foundry_chat.panel import Options
    from foundry_chat.writer import Writer

_logger = logging.getLogger(__name__)

_SHOW_STATUS_AFTER = 0.7
_STATUS_INTERVAL = 1.0
# Emitting costs Chainlit about 0.4 ms, whether one token or twenty. Each chat waits a moment
# between emissions, longer the more chats there are, so that the sum stays affordable.
_PACE = 0.02
_PACE_PER_ANSWER = 0.004
_TRIMMED = "Earlier messages no longer fit the model's context and are left out."
_STOPPED = "Stopped."


@dataclass
class Progress:
    """What is known about an answer while it is being written. Times are monotonic seconds."""

    started: float
    first: float | None = None
    last: float | None = None
    chunks: int = 0
    tokens: int | None = None
    prompt_tokens: int = 0
    waiting_for: str | None = None
    model: Model | None = None

    def facts(self) -> str:
        """Return the line under the answer."""
        if self.model is None or self.first is None or self.last is None:
            return ""
        return wording.facts(
            self.model.short_name,
            self.first - self.started,
            self.tokens or self.chunks,
            self.last - self.first,
        )


@dataclass(frozen=True)
class Question:
    """A person's question and the conversation before it."""

    text: str
    turns: Sequence[Turn]
    # Whether this chat has already been told that its beginning no longer fits.
    trimming_told: bool


@dataclass(frozen=True)
class Outcome:
    """How an answer ended."""

    writer: Writer
    model: Model | None
    trimmed: bool


class Answerer:
    """Answers questions; one for all chats."""

    def __init__(self, gateway: GatewayClient, feed: ModelFeed, metrics: Metrics) -> None:
        self._gateway = gateway
        self._feed = feed
        self._metrics = metrics
        self._scale = history.TokenScale()
        self._active = 0

    async def answer(self, question: Question, options: Options, writer: Writer) -> Outcome:
        """Stream the answer into the current chat. Errors are shown, not raised.

        Raises:
            asyncio.CancelledError: the person pressed Stop; what was written is kept.
        """
        progress = Progress(started=time.monotonic())
        outcome = "failed"
        trimmed = False
        self._active += 1
        self._metrics.active.set(self._active)
        try:
            prompt = await self._attempts(question, options, writer, progress)
            trimmed = prompt.dropped > 0
            notes = [_TRIMMED] if trimmed and not question.trimming_told else []
            await writer.finish(facts=progress.facts(), notes=notes)
            outcome = "answered"
        except asyncio.CancelledError:
            outcome = "stopped"
            await writer.finish(facts=progress.facts(), notes=[_STOPPED])
            raise
        except ChatError as error:
            self._metrics.errors.labels(error.code).inc()
            await writer.fail(error, facts=progress.facts())
        except Exception as error:
            _logger.exception("An answer failed")
            translated = errors.from_exception(error)
            self._metrics.errors.labels(translated.code).inc()
            await writer.fail(translated, facts=progress.facts())
        finally:
            self._active -= 1
            self._metrics.active.set(self._active)
            self._metrics.messages.labels(outcome).inc()
        return Outcome(writer=writer, model=progress.model, trimmed=trimmed)

    async def _attempts(
        self, question: Question, options: Options, writer: Writer, progress: Progress
    ) -> Prompt:
        """Ask until it works or trying differently would not help; return the prompt that did."""
        keep: int | None = None
        refreshed = False
        while True:
            progress.model = await self._choose(options)
            prompt = history.build_prompt(
                question.turns,
                question.text,
                system_prompt=options.system_prompt,
                context_length=progress.model.context_length,
                max_tokens=options.sampling.max_tokens,
                keep_at_most=keep,
                scale=self._scale.of(progress.model.alias),
            )
            try:
                async with self._status(writer, progress):
                    await self._stream(prompt, options, writer, progress)
            except ChatError as error:
                kept = len(question.turns) - prompt.dropped
                if writer.text_sent:
                    raise
                if error.code == errors.CONTEXT_LENGTH_EXCEEDED and kept:
                    keep = kept // 2
                elif options.model == AUTOMATIC and not refreshed and await self._moved(progress):
                    refreshed = True
                else:
                    raise
            else:
                self._scale.learn(progress.model.alias, prompt.estimate, progress.prompt_tokens)
                return prompt

    async def _choose(self, options: Options) -> Model:
        snapshot = self._feed.latest
        if not snapshot.models:
            snapshot = await self._feed.refresh()
        return snapshot.resolve(options.model)

    async def _moved(self, progress: Progress) -> bool:
        """Whether "Automatic" means another model by now, after the one asked has failed."""
        default = (await self._feed.refresh()).default
        return (
            default is not None
            and progress.model is not None
            and (default.alias != progress.model.alias)
        )

    async def _stream(
        self, prompt: Prompt, options: Options, writer: Writer, progress: Progress
    ) -> None:
        model = progress.model
        assert model is not None  # noqa: S101 - chosen by the caller, for the type checker
        async with self._gateway.answer(model.alias, prompt.messages, options.sampling) as batches:
            async for events in batches:
                for event in events:
                    await self._handle(event, writer, progress)
                if progress.first is not None:
                    await asyncio.sleep(_PACE + _PACE_PER_ANSWER * self._active)

    async def _handle(self, event: sse.Event, writer: Writer, progress: Progress) -> None:
        match event:
            case sse.Text(text, chunks):
                progress.last = time.monotonic()
                progress.chunks += chunks
                first = progress.first is None
                if first:
                    progress.first = progress.last
                await writer.write(text)
                if first and progress.model is not None:
                    self._metrics.first_token.labels(progress.model.alias).observe(
                        time.monotonic() - progress.started
                    )
            case sse.Waiting(reason):
                progress.waiting_for = reason
            case sse.Usage(prompt_tokens, completion_tokens):
                progress.prompt_tokens = prompt_tokens
                progress.tokens = completion_tokens
            case sse.Failed(error):
                raise error
            case sse.Finished():
                pass

    @asynccontextmanager
    async def _status(self, writer: Writer, progress: Progress) -> AsyncIterator[None]:
        """Tell the person what is being waited for, until the first words come."""

        async def tell() -> None:
            await asyncio.sleep(_SHOW_STATUS_AFTER)
            while progress.first is None and progress.model is not None:
                waited = time.monotonic() - progress.started
                await writer.status(
                    wording.waiting(progress.waiting_for, progress.model.short_name, waited)
                )
                await asyncio.sleep(_STATUS_INTERVAL)

        task = asyncio.create_task(tell())
        try:
            yield
        finally:
            task.cancel()
