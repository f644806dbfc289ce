"""Carry one request to Foundry Local and its answer back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundry_common.bodies import BudgetUsedUpError
from foundry_gateway import exchange, faults, verdicts
from foundry_gateway.dialects import error_message
from foundry_gateway.downstream import Downstream
from foundry_gateway.errors import (
    GatewayError,
    ModelNotCachedError,
    ModelNotFoundError,
)
from foundry_gateway.exchange import Answer, Fault
from foundry_gateway.models import default_alias
from foundry_gateway.passage import Passage
from foundry_gateway.record import Record
from foundry_gateway.sse import DONE, read_usage
from foundry_gateway.transport_errors import (
    AnswerTimeoutError,
    AnswerTooLargeError,
    TransportError,
)

if TYPE_CHECKING:
    from aiohttp import web

    from foundry_common.bodies import Budget, Hold
    from foundry_gateway.admission import Admission, Ticket
    from foundry_gateway.fleet import Fleet
    from foundry_gateway.intake import Intake
    from foundry_gateway.inventory import Target
    from foundry_gateway.loading import Loader
    from foundry_gateway.metrics import Metrics
    from foundry_gateway.operations import Operation
    from foundry_gateway.parsing import Parsing
    from foundry_gateway.prompt import Prompt
    from foundry_gateway.settings import Settings
    from foundry_gateway.sse import EventScanner
    from foundry_gateway.upstream import Upstream

_RETRY_AFTER = 5
_NOT_FOUND = 404
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Services:
    """What every request needs; one per gateway."""

    settings: Settings
    fleet: Fleet
    loader: Loader
    admission: Admission
    metrics: Metrics
    intake: Intake
    parsing: Parsing
    bodies: Budget
    answers: Budget


class Relay:
    """One request on its way. Used once.

    Args:
        services: The gateway's parts.
        request: The client's request.
        operation: What it asks for.
        prompt: Its body.
        hold: The body's share of the budget.
    """

    def __init__(
        self,
        services: Services,
        request: web.Request,
        operation: Operation,
        prompt: Prompt,
        hold: Hold,
    ) -> None:
        self._services = services
        self._operation = operation
        self._prompt = prompt
        self._hold = hold
        self._down = Downstream(
            request,
            stream=prompt.stream,
            keepalive_interval=services.settings.keepalive_interval,
            patience=services.settings.idle_timeout,
        )
        self._record = Record(services.metrics, operation.name, request.headers)
        self._task: asyncio.Task[object] | None = None
        self._interruption: GatewayError | None = None

    @property
    def error(self) -> GatewayError | None:
        """What the client was told, if it was an error."""
        return self._record.error

    def interrupt(self, error: GatewayError) -> None:
        """End the request now, telling the client why."""
        if self._task is not None and self._interruption is None:
            self._interruption = error
            self._task.cancel()

    async def run(self) -> web.StreamResponse:
        """Answer the client, whatever happens."""
        self._task = asyncio.current_task()
        try:
            return await self._run()
        except GatewayError as error:
            error.forget_origin()
            self._record.error = error
        except asyncio.CancelledError:
            if self._interruption is None or self._task is None:
                self._record.cancelled = True
                raise
            self._task.uncancel()
            self._record.error = self._interruption
        except ConnectionError:
            self._record.cancelled = True
            raise
        finally:
            self._task = None
            self._record.close()
        return await self._down.fail(self._record.error)

    async def _run(self) -> web.StreamResponse:
        arrived = time.perf_counter()
        admission = self._services.admission
        with self._services.answers.hold(0) as room:
            spares = self._operation.spares
            async with admission.slot(self._wait_in_queue, self._prompt.tokens, spares=spares):
                self._services.metrics.queue_wait.observe(time.perf_counter() - arrived)
                answer = await self._obtain(room)
                # It has been sent, and after an answer has begun nothing is sent again.
                self._prompt.forget()
                self._hold.release()
                try:
                    if answer.scanner is not None:
                        return await self._forward_stream(answer, answer.scanner)
                finally:
                    answer.response.close()
            self._record.usage = read_usage(answer.first)
            return await self._down.send_whole(answer.first)

    async def _wait_in_queue(self, ticket: Ticket) -> None:
        with self._down.reassuring(lambda: f"queued {ticket.position}", self.interrupt):
            await ticket.ready

    async def _obtain(self, room: Hold) -> Answer:
        """Get an answer that has begun, mending on the way what can be mended.

        Whatever the cached state got wrong (a restart, another dialect, an unloaded model) is
        looked up again and tried once more; a request that does not fit the context is fitted.
        """
        mended = fitted = False
        while True:
            upstream = await self._services.fleet.pick()
            try:
                target, variant = await self._resolve(upstream)
                self._check_length(upstream.inventory.context_length(target.alias, variant))
                self._check_embeddings(upstream, target.alias, variant)
                found = await self._ask(upstream, variant, room)
            except TransportError as error:
                if isinstance(error, AnswerTimeoutError):
                    raise upstream.explain(error) from None
                upstream.mark_down(error)
                if mended:
                    raise upstream.explain(error) from None
                mended = True
                await upstream.refresh()
                continue
            if isinstance(found, Answer):
                return found
            overflow = faults.overflow(found.message)
            if overflow is not None:
                upstream.inventory.contexts[variant] = overflow.context
                if overflow.left < 1 or fitted:
                    raise verdicts.too_long(overflow, self._shorter(), self._operation.required)
                self._prompt.limit_output(overflow.left)
                fitted = True
            elif not mended and _is_stale(found):
                mended = True
                upstream.inventory.note_unloaded(variant)
                await upstream.refresh()
            else:
                raise verdicts.translate(upstream, target, found, self._prompt.fields)

    def _check_length(self, context: int | None) -> None:
        # A batch of texts to embed is longer than each of them.
        if context is not None and self._operation.limit_fields:
            tokens = self._prompt.question_tokens
            field = self._operation.required
            error = verdicts.far_too_long(tokens, context, self._shorter(), field)
            if error is not None:
                raise error

    def _shorter(self) -> str:
        if not self._operation.limit_fields:
            return verdicts.SPLIT
        model = self._services.settings.embedding_model
        return verdicts.shorter(self._record.client, searches_documents=model is not None)

    def _check_embeddings(self, upstream: Upstream, alias: str, variant: str) -> None:
        dialect = upstream.dialect
        if self._operation.name != "embeddings" or dialect is None:
            return
        named = alias == self._services.settings.embedding_model
        if dialect.dies_of_wrong_embeddings and not named and "embed" not in variant.lower():
            raise verdicts.no_embeddings(alias)

    async def _resolve(self, upstream: Upstream) -> tuple[Target, str]:
        """Return what is wanted of an upstream, and the loaded variant to ask for."""
        settings = self._services.settings
        wanted = self._prompt.model or default_alias(upstream, settings)
        try:
            return await self._load(upstream, wanted)
        except (ModelNotFoundError, ModelNotCachedError):
            # The configured model turned out to be missing: the demo model may stand in now.
            stand_in = default_alias(upstream, settings)
            if self._prompt.model is not None or stand_in == wanted:
                raise
            return await self._load(upstream, stand_in)

    async def _load(self, upstream: Upstream, wanted: str) -> tuple[Target, str]:
        target = upstream.inventory.find(wanted)
        if target.loaded and target.variant:
            variant = target.variant
        else:
            with self._down.reassuring(lambda: f"loading {target.alias}", self.interrupt):
                variant = await self._services.loader.ensure(upstream, target)
        # The alias as it is known here, not as the caller spelt it: labels have to be few.
        self._record.model = upstream.inventory.alias_of(variant)
        return target, variant

    async def _ask(self, upstream: Upstream, variant: str, room: Hold) -> Answer | Fault:
        def describe() -> str:
            if upstream.hung and upstream.error is not None:
                raise upstream.error
            return "waiting for the first token"

        body = self._prompt.encode(variant)
        timeout = self._services.settings.first_token_timeout
        with self._down.reassuring(describe, self.interrupt):
            try:
                return await exchange.ask(
                    upstream, self._operation, self._prompt, body, patience=timeout, hold=room
                )
            except BudgetUsedUpError:
                raise verdicts.no_room() from None
            except AnswerTooLargeError:
                streams = self._operation.streams
                raise verdicts.answer_too_large(may_stream=streams) from None

    async def _forward_stream(self, answer: Answer, scanner: EventScanner) -> web.StreamResponse:
        answer.response.allow_silence(self._services.settings.idle_timeout)
        passage = Passage(answer.response, scanner, self._down, self._record)
        try:
            await passage.run(answer.first)
        except TransportError:
            if not scanner.finished:
                raise verdicts.broke_off(answer.upstream, "the connection ended") from None
        finally:
            self._record.usage = scanner.usage
        if scanner.error is not None:
            raise verdicts.broke_off(answer.upstream, error_message(scanner.error))
        if not scanner.finished:
            why = "the answer ended before it was complete"
            raise verdicts.broke_off(answer.upstream, why)
        if not scanner.done and self._operation.ends_with_done:
            await self._down.write(DONE)
        return await self._down.finish()


def _is_stale(fault: Fault) -> bool:
    """Say whether the fault may come from what was cached: the model, or the route itself."""
    return (
        fault.status == _NOT_FOUND
        or faults.is_not_loaded(fault.message)
        or faults.is_not_found(fault.message)
    )
