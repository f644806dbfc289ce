"""The web application: routes, the API key, and errors in one shape."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foundry_gateway.admission import Admission
from foundry_gateway.downstream import error_response
from foundry_gateway.errors import (
    GatewayError,
    InvalidApiKeyError,
    InvalidRequestError,
    UpstreamError,
)
from foundry_gateway.fleet import Fleet
from foundry_gateway.loading import Loader, not_found
from foundry_gateway.metrics import Metrics
from foundry_gateway.models import find_model, list_models
from foundry_gateway.operations import OPERATIONS, Operation
from foundry_gateway.prompt import Prompt
from foundry_gateway.relay import Relay, Services
from foundry_gateway.status import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from foundry_gateway.settings import Settings

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FAREWELL_SECONDS = 1.0
CLIENT_CLOSED_REQUEST = 499
_log = logging.getLogger(__name__)
_NOT_FOUND = 404
_METHOD_NOT_ALLOWED = 405
_TOO_LARGE = 413


def create_app(settings: Settings) -> web.Application:
    """Return the gateway as an aiohttp application.

    Run it with ``handler_cancellation=True``, so that a client that leaves ends its request.

    Args:
        settings: Everything configurable.
    """
    fleet = Fleet(settings)
    admission = Admission(settings.max_concurrency, settings.max_queue, settings.queue_timeout)
    metrics = Metrics()
    metrics.watch(admission, fleet)
    loader = Loader(settings.load_timeout, metrics)
    gateway = Gateway(Services(settings, fleet, loader, admission, metrics))
    app = web.Application(middlewares=[gateway.guard], client_max_size=settings.max_body_bytes)
    app.router.add_get("/v1/models", gateway.models)
    app.router.add_get("/v1/models/{model:.+}", gateway.model)
    for operation in OPERATIONS:
        app.router.add_post(operation.path, gateway.relay(operation))
    app.router.add_get("/health", gateway.health)
    app.router.add_get("/ready", gateway.ready)
    app.router.add_get("/status", gateway.status)
    app.router.add_get("/metrics", gateway.metrics)
    app.on_shutdown.append(gateway.drain)
    app.cleanup_ctx.append(gateway.lifespan)
    return app


class Gateway:
    """The handlers, and what they share.

    Args:
        services: The gateway's parts.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._status = Status(services.settings, services.fleet, services.admission)
        services.metrics.ready.set_function(lambda: float(self._status.obstacle() is None))
        self._relays: set[Relay] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        key = services.settings.api_key
        self._key_digest = _digest(key) if key else None

    async def lifespan(self, app: web.Application) -> AsyncIterator[None]:
        """Look at Foundry Local for as long as the application runs."""
        del app
        self._services.fleet.start()
        yield
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
        """Check the key and give every error the same shape."""
        try:
            if request.path.startswith("/v1/"):
                self._check_key(request)
            return await handler(request)
        except web.HTTPException as error:
            if request.method == "OPTIONS" and "Allow" in error.headers:
                return web.Response(status=204, headers={"Allow": error.headers["Allow"]})
            refusal: GatewayError = _refusal(request, error)
            allow = error.headers.get("Allow")
        except GatewayError as error:
            refusal, allow = error, None
        except ConnectionError:
            return web.Response(status=CLIENT_CLOSED_REQUEST)  # nobody is left to read it
        except Exception:  # noqa: BLE001 - logged, and the client gets the usual shape
            _log.exception("unexpected failure")
            refusal, allow = UpstreamError("The gateway failed.", "See its log.", status=500), None
        self._services.metrics.reject(refusal.code, request.headers)
        response = error_response(refusal)
        if allow is not None:
            response.headers["Allow"] = allow
        return response

    def relay(self, operation: Operation) -> Handler:
        """Return the handler of one forwarded operation."""

        async def handle(request: web.Request) -> web.StreamResponse:
            prompt = await Prompt.read(operation, await request.read())
            relay = Relay(self._services, request, operation, prompt)
            self._relays.add(relay)
            self._idle.clear()
            try:
                response = await relay.run()
            finally:
                self._relays.discard(relay)
                if not self._relays:
                    self._idle.set()
            if relay.error is not None:
                self._status.note(relay.error)
            return response

        return handle

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

    def _check_key(self, request: web.Request) -> None:
        if self._key_digest is None:
            return
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        # Digests, so that neither content nor length shows in the time that it takes.
        matches = hmac.compare_digest(_digest(key.strip()), self._key_digest)
        if scheme.lower() != "bearer" or not matches:
            raise InvalidApiKeyError(
                "The API key is missing or wrong.",
                "Send `Authorization: Bearer <key>`; `docker compose exec gateway "
                "python -m foundry_gateway api-key` prints the key.",
            )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _refusal(request: web.Request, error: web.HTTPException) -> InvalidRequestError:
    if error.status == _TOO_LARGE:
        return InvalidRequestError(
            "The request body is too large.",
            "Send less, or raise GATEWAY_MAX_BODY_BYTES.",
            status=_TOO_LARGE,
        )
    if error.status == _METHOD_NOT_ALLOWED:
        return InvalidRequestError(
            f"{request.method} is not allowed on {request.path[:100]}.",
            "Use POST to ask, GET to look.",
            status=_METHOD_NOT_ALLOWED,
        )
    return InvalidRequestError(
        f"The gateway has no route {request.path[:100]}.",
        "It serves /v1/models, /v1/chat/completions, /v1/responses, /v1/embeddings, /status, "
        "/ready, /health and /metrics; Foundry Local's own administration stays on its host.",
        status=_NOT_FOUND if error.status < 500 else error.status,  # noqa: PLR2004
    )
