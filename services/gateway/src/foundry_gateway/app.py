"""The web application: routes, the API key, and errors in one shape."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foundry_common.bodies import Budget
from foundry_common.callers import Callers
from foundry_gateway import limits
from foundry_gateway.admission import Admission
from foundry_gateway.conversation import log_failure
from foundry_gateway.downstream import error_response
from foundry_gateway.errors import (
    ForeignOriginError,
    GatewayError,
    InvalidApiKeyError,
    UnknownHostError,
    UpstreamError,
)
from foundry_gateway.fleet import Fleet
from foundry_gateway.intake import Intake, expect_json, refuse_encodings
from foundry_gateway.loading import Loader, not_found
from foundry_gateway.memory import keep_small
from foundry_gateway.metrics import CLIENTS, Metrics, client_label
from foundry_gateway.models import find_model, list_models
from foundry_gateway.operations import OPERATIONS, Operation
from foundry_gateway.parsing import Parsing
from foundry_gateway.refusals import WrongMethodError, check_expectation, no_route
from foundry_gateway.relay import Relay, Services
from foundry_gateway.status import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from foundry_common.bodies import Hold
    from foundry_gateway.settings import Settings

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FAREWELL_SECONDS = 1.0
CLIENT_CLOSED_REQUEST = 499
_SEND_KEY = (
    "Send `Authorization: Bearer <key>`; `docker compose exec gateway "
    "python -m foundry_gateway api-key` prints the key."
)
_SAME_KEY = (
    "The parts of the stack hold different keys: `docker compose up -d --force-recreate` makes all "
    "of them read it again."
)


def create_app(settings: Settings) -> web.Application:
    """Return the gateway as an aiohttp application.

    Run it with ``handler_cancellation=True``, so that a client that leaves ends its request, and
    behind ``door.Doorkeeper``, which bounds connections and heads.

    Args:
        settings: Everything configurable.
    """
    fleet = Fleet(settings)
    admission = Admission(
        settings.max_concurrency,
        settings.max_queue,
        settings.queue_timeout,
        settings.max_prompt_tokens,
    )
    bodies = Budget(limits.body_budget(settings.max_body_bytes))
    metrics = Metrics()
    metrics.watch(admission, fleet, bodies)
    services = Services(
        settings,
        fleet,
        Loader(settings.load_timeout, metrics),
        admission,
        metrics,
        Intake(settings.max_body_bytes, bodies),
        Parsing(settings.max_body_bytes),
        bodies,
        Budget(limits.ANSWERS),
    )
    gateway = Gateway(services)
    app = web.Application(middlewares=[gateway.guard], client_max_size=settings.max_body_bytes)
    for path, handlers in gateway.routes().items():
        for method, handler in handlers.items():
            app.router.add_route(method, path, handler, expect_handler=_expect_nothing)
    app.router.add_route("*", "/{path:.*}", gateway.nowhere, expect_handler=_expect_nothing)
    app.on_shutdown.append(gateway.drain)
    app.cleanup_ctx.append(gateway.lifespan)
    return app


async def _expect_nothing(request: web.Request) -> None:
    """Leave a body's sender waiting: whether it may send is judged later, see ``intake``."""


class Gateway:
    """The handlers, and what they share.

    Args:
        services: The gateway's parts.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        settings = services.settings
        self._status = Status(settings, services.fleet, services.admission, services.bodies)
        self._callers = Callers(settings.allowed_hosts, settings.host)
        services.metrics.ready.set_function(lambda: float(self._status.obstacle() is None))
        self._relays: set[Relay] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        key = settings.api_key
        self._key_digest = _digest(key) if key else None
        self._methods = {path: ",".join(methods) for path, methods in self.routes().items()}

    async def lifespan(self, app: web.Application) -> AsyncIterator[None]:
        """Look at Foundry Local for as long as the application runs."""
        del app
        self._services.fleet.start()
        keeping_small = asyncio.create_task(keep_small())
        yield
        keeping_small.cancel()
        self._services.parsing.close()
        await self._services.loader.close()
        await self._services.fleet.close()

    async def drain(self, app: web.Application) -> None:
        """Let running answers finish for a moment, then end them with a word."""
        del app
        await self._idle_within(self._services.settings.shutdown_grace)
        for relay in tuple(self._relays):
            relay.interrupt(
                UpstreamError("The gateway is stopping.", "Try again in a moment.", status=503)
            )
        await self._idle_within(FAREWELL_SECONDS)

    async def _idle_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Judge who asks, from where and how, and give every error the same shape."""
        try:
            self._check_caller(request)
            refuse_encodings(request)
            if request.path.startswith("/v1/"):
                self._check_key(request)
            check_expectation(request)
            return await handler(request)
        except WrongMethodError as error:
            if request.method == "OPTIONS":
                return web.Response(status=204, headers={"Allow": error.allowed})
            refusal: GatewayError = error
        except GatewayError as error:
            refusal = error
        except web.HTTPException:
            refusal = no_route()
        except ConnectionError:
            return web.Response(status=CLIENT_CLOSED_REQUEST)  # nobody is left to read it
        except Exception as error:  # noqa: BLE001 - logged, and the client gets the usual shape
            log_failure(error)
            refusal = UpstreamError("The gateway failed.", "See its log.", status=500)
        refusal.forget_origin()
        self._services.metrics.reject(refusal.code, request.headers)
        return error_response(refusal)

    def routes(self) -> dict[str, dict[str, Handler]]:
        """Return the handlers by path and method."""
        return {
            "/v1/models": _looked_at(self.models),
            "/v1/models/{model:.+}": _looked_at(self.model),
            **{operation.path: {"POST": self.relay(operation)} for operation in OPERATIONS},
            "/health": _looked_at(self.health),
            "/ready": _looked_at(self.ready),
            "/status": _looked_at(self.status),
            "/metrics": _looked_at(self.metrics),
        }

    async def nowhere(self, request: web.Request) -> web.StreamResponse:
        """Whatever has no route, or not by this method."""
        path = request.path
        methods = self._methods.get(path)
        if methods is None and path.startswith("/v1/models/") and path != "/v1/models/":
            methods = "GET,HEAD"
        if methods is not None:
            raise WrongMethodError(request.method, path, methods)
        raise no_route()

    def relay(self, operation: Operation) -> Handler:
        """Return the handler of one forwarded operation."""

        async def handle(request: web.Request) -> web.StreamResponse:
            expect_json(request)
            with self._services.bodies.hold(0) as hold:
                return await self._relay(request, operation, hold)

        return handle

    async def _relay(
        self, request: web.Request, operation: Operation, hold: Hold
    ) -> web.StreamResponse:
        body = await self._services.intake.read(request, hold)
        prompt = await self._services.parsing.read(operation, body, hold)
        del body  # the prompt has it, until it has been sent
        relay = Relay(self._services, request, operation, prompt, hold)
        self._relays.add(relay)
        self._idle.clear()
        try:
            response = await relay.run()
        finally:
            prompt.forget()
            self._relays.discard(relay)
            if not self._relays:
                self._idle.set()
        if relay.error is not None:
            self._status.note(relay.error)
        return response

    async def models(self, request: web.Request) -> web.Response:
        """``GET /v1/models``; also while Foundry Local is down, so that a chat can say so."""
        del request
        upstream = await self._services.fleet.glance()
        data = list_models(upstream, self._services.settings)
        return web.json_response({"object": "list", "data": data})

    async def model(self, request: web.Request) -> web.Response:
        """``GET /v1/models/{id}``."""
        upstream = await self._services.fleet.pick()
        wanted = request.match_info["model"]
        entry = find_model(upstream, self._services.settings, wanted)
        if entry is None:
            raise not_found(upstream, wanted)
        return web.json_response(entry)

    async def health(self, request: web.Request) -> web.Response:
        """``GET /health``: this process."""
        del request
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """``GET /ready``: whether a chat can be answered now."""
        del request
        await self._services.fleet.glance()
        obstacle = self._status.obstacle()
        return error_response(obstacle) if obstacle else web.json_response({"ready": True})

    async def status(self, request: web.Request) -> web.Response:
        """``GET /status``."""
        del request
        await self._services.fleet.glance()
        return web.json_response(self._status.describe())

    async def metrics(self, request: web.Request) -> web.Response:
        """``GET /metrics``."""
        del request
        body = generate_latest(self._services.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _check_caller(self, request: web.Request) -> None:
        fields = request.headers
        hosts = fields.getall("Host", ())
        if len(hosts) == 1 and request.host != hosts[0]:
            # An address instead of a path (RFC 9112, 3.2.2): then its name counts as well.
            refusal = self._callers.refusal([request.host], ())
            hosts = hosts if refusal is None else ()
        fetch = (fields.get("Sec-Fetch-Site", ""), fields.get("Sec-Fetch-Mode", ""))
        refusal = self._callers.refusal(hosts, fields.getall("Origin", ()), fetch)
        if refusal is not None:
            known = (
                UnknownHostError if refusal.code == UnknownHostError.code else ForeignOriginError
            )
            raise known(refusal.problem, refusal.remedy)

    def _check_key(self, request: web.Request) -> None:
        if self._key_digest is None:
            return
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        # Digests, so that neither content nor length shows in the time that it takes.
        matches = hmac.compare_digest(_digest(key.strip()), self._key_digest)
        if scheme.lower() != "bearer" or not matches:
            # Who reads it on a page of the stack's has no key to send.
            fields = request.headers
            client = client_label(fields.get("X-Client"), fields.get("User-Agent"))
            remedy = _SAME_KEY if client in CLIENTS else _SEND_KEY
            raise InvalidApiKeyError("The API key is missing or wrong.", remedy)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _looked_at(handler: Handler) -> dict[str, Handler]:
    return {"GET": handler, "HEAD": handler}
