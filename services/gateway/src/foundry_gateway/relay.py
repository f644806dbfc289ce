"""Carry one request to Foundry Local and its answer back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from foundry_gateway import faults, remedies
from foundry_gateway.dialects import error_message
from foundry_gateway.downstream import Downstream
from foundry_gateway.errors import (
    ContextLengthExceeded,
    GatewayError,
    InvalidRequest,
    UpstreamError,
)
from foundry_gateway.loading import not_cached, not_found
from foundry_gateway.models import default_alias
from foundry_gateway.record import Record
from foundry_gateway.sse import DONE, EventScanner, read_usage
from foundry_gateway.transport import AnswerTimeout, Response, TransportError

if TYPE_CHECKING:
    from foundry_gateway.admission import Admission, Ticket
    from foundry_gateway.fleet import Fleet
    from foundry_gateway.loading import Loader
    from foundry_gateway.metrics import Metrics
    from foundry_gateway.operations import Operation
    from foundry_gateway.prompt import Prompt
    from foundry_gateway.settings import Settings
    from foundry_gateway.upstream import Upstream

_BAD_REQUEST = 400
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


@dataclass(slots=True)
class _Answer:
    """An upstream answer that has begun well."""

    response: Response
    scanner: EventScanner | None
    first: bytes
    """Bytes to forward that were received while making sure of that."""


@dataclass(slots=True)
class _Fault:
    """An upstream answer that has not."""

    status: int
    message: str


class Relay:
    """One request on its way. Used once.

    Args:
        services: The gateway's parts.
        request: The client's request.
        operation: What it asks for.
        prompt: Its body.
    """

    def __init__(
        self, services: Services, request: web.Request, operation: Operation, prompt: Prompt
    ) -> None:
        self._services = services
        self._operation = operation
        self._prompt = prompt
        self._down = Downstream(
            request, stream=prompt.stream, keepalive_interval=services.settings.keepalive_interval
        )
        self._record = Record(services.metrics, operation.name, request.headers)

    @property
    def error(self) -> GatewayError | None:
        """What the client was told, if it was an error."""
        return self._record.error

    async def run(self) -> web.StreamResponse:
        """Answer the client, whatever happens."""
        try:
            async with self._services.admission.slot(self._wait_in_queue):
                answer = await self._obtain()
                try:
                    return await self._forward(answer)
                finally:
                    answer.response.close()
        except GatewayError as error:
            self._record.error = error
            return await self._down.fail(error)
        except (asyncio.CancelledError, ConnectionResetError):
            self._record.cancelled = True
            raise
        finally:
            self._record.close()

    async def _wait_in_queue(self, turn: asyncio.Future[None], ticket: Ticket) -> None:
        await self._down.wait(turn, lambda: f"queued {ticket.position}")

    async def _obtain(self) -> _Answer:
        """Get an answer that has begun, mending on the way what can be mended.

        Whatever the cached state got wrong (a restart, another dialect, an unloaded model) is
        looked up again and tried once more; a request that does not fit the context is fitted.
        """
        mended = fitted = False
        while True:
            upstream, variant = await self._resolve()
            try:
                found = await self._down.wait(
                    self._ask(upstream, variant), lambda: "waiting for the first token"
                )
            except TransportError as error:
                upstream.mark_down(error)
                if mended or isinstance(error, AnswerTimeout):
                    raise upstream.explain(error) from None
                mended = True
                await upstream.refresh()
                continue
            if isinstance(found, _Answer):
                return found
            overflow = faults.overflow(found.message)
            if overflow is not None:
                upstream.contexts[variant] = overflow.context
                if overflow.left < 1 or fitted:
                    raise _too_long(overflow)
                self._prompt.limit_output(overflow.left)
                fitted = True
            elif not mended and (
                found.status == _NOT_FOUND or faults.is_not_loaded(found.message)
            ):
                mended = True
                upstream.loaded = tuple(name for name in upstream.loaded if name != variant)
                if found.status == _NOT_FOUND:
                    await upstream.refresh()
            else:
                raise self._translate(upstream, found)

    async def _resolve(self) -> tuple[Upstream, str]:
        """Return the upstream to ask and the loaded variant to ask for."""
        services = self._services
        upstream = await services.fleet.pick()
        wanted = self._prompt.model or default_alias(upstream, services.settings)
        target = upstream.find(wanted)
        if target.loaded and target.variant:
            variant = target.variant
        else:
            variant = await self._down.wait(
                services.loader.ensure(upstream, target), lambda: f"loading {target.alias}"
            )
        self._record.model = target.alias
        return upstream, variant

    async def _ask(self, upstream: Upstream, variant: str) -> _Answer | _Fault:
        """Send the request and wait until the answer shows whether it is one."""
        settings = self._services.settings
        response = await upstream.post(
            self._operation.path, self._prompt.encode(variant), settings.first_token_timeout
        )
        try:
            if response.status >= _BAD_REQUEST:
                return _Fault(response.status, error_message(await response.read()))
            if "text/event-stream" not in response.headers.get("content-type", ""):
                return _Answer(response, None, b"")
            # The runtime reports what is wrong with a streamed request in its first event.
            scanner = EventScanner(
                hide_usage=self._operation.asks_usage and not self._prompt.wants_usage,
                finish_marks=self._operation.finish_marks,
            )
            first = b""
            while not first and scanner.error is None:
                data = await response.read_some()
                if not data:
                    break
                first = scanner.feed(data)
        except BaseException:
            response.close()
            raise
        if scanner.error is not None and not first:
            response.close()
            return _Fault(_BAD_REQUEST, error_message(scanner.error))
        return _Answer(response, scanner, first)

    async def _forward(self, answer: _Answer) -> web.StreamResponse:
        if answer.scanner is not None and self._prompt.stream:
            return await self._forward_stream(answer, answer.scanner)
        try:
            body = answer.first + await answer.response.read()
        except TransportError as error:
            raise _broken(error) from None
        self._record.received(1)
        self._record.usage = read_usage(body)
        return web.Response(body=body, content_type="application/json")

    async def _forward_stream(self, answer: _Answer, scanner: EventScanner) -> web.StreamResponse:
        response, record, write = answer.response, self._record, self._down.write
        response.set_timeout(self._services.settings.idle_timeout)
        data = answer.first
        seen = 0
        try:
            while True:
                if data:
                    record.received(scanner.chunks - seen)
                    seen = scanner.chunks
                    await write(data)
                if scanner.error is not None:
                    break
                received = await response.read_some()
                if not received:
                    break
                data = scanner.feed(received)
        except TransportError as error:
            if not scanner.finished:
                raise _broken(error) from None
        finally:
            record.usage = scanner.usage
        if scanner.error is not None:
            raise UpstreamError(
                f"Foundry Local broke off: {error_message(scanner.error)}", remedies.RESTART
            )
        if not scanner.finished:
            raise UpstreamError(
                "Foundry Local ended the answer before it was complete.", remedies.RESTART
            )
        if not scanner.done and self._operation.asks_usage:
            await write(DONE)
        return await self._down.finish()

    def _translate(self, upstream: Upstream, fault: _Fault) -> GatewayError:
        alias = self._record.model
        if faults.is_not_cached(fault.message):
            return not_cached(upstream, alias)
        if faults.is_not_found(fault.message) and "model" in fault.message.lower():
            return not_found(upstream, alias)
        if fault.status >= _SERVER_ERROR:
            return UpstreamError(f"Foundry Local failed: {fault.message}", remedies.RESTART)
        return InvalidRequest(
            f"Foundry Local refused the request: {fault.message}",
            "Change or remove what it names.",
        )


def _too_long(overflow: faults.Overflow) -> ContextLengthExceeded:
    return ContextLengthExceeded(
        f"The prompt has {overflow.prompt} tokens, but the model's context holds "
        f"{overflow.context}.",
        "Shorten the conversation, or use a model with a longer context.",
        param="messages",
    )


def _broken(error: TransportError) -> UpstreamError:
    return UpstreamError(f"Foundry Local broke off: {error}.", remedies.RESTART)
