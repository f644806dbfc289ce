"""Routes and headers that Chainlit's own server lacks."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any

from chainlit.server import app, get_html_template, sio
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foundry_chat import __version__, doors, sockets
from foundry_common.asgi_bodies import BoundedBodies, Limits
from foundry_common.callers import same_origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from foundry_chat.metrics import Metrics
    from foundry_chat.models import ModelFeed

# A chat's largest message is a megabyte; over HTTP nothing is larger. Measured in memory, a parsed
# body is counted with what is made of it.
_LIMITS = Limits(
    body=1024 * 1024,
    objects=8 * 1024 * 1024,
    budget=64 * 1024 * 1024,
    seconds=30.0,
    connections=sockets.CONNECTIONS,
)
_OWN = {
    "/health": "GET",
    "/metrics": "GET",
    "/project/action": "POST",
    "/set-session-cookie": "POST",
}


def install(feed: ModelFeed, metrics: Metrics) -> None:
    """Add routes of our own, bounds on what is asked, security headers and the origin check."""

    async def health(request: Request) -> Response:
        """Answer 200 while this process works; the gateway's state is told, not judged.

        A chat app that restarts because the gateway is down helps nobody: it shows the person
        what is wrong, and goes on when the gateway is back.
        """
        del request
        snapshot = await feed.refresh()
        error = snapshot.error
        gateway: dict[str, Any] = {"reachable": error is None, "models": len(snapshot.models)}
        if error is not None:
            gateway["error"] = {
                "code": error.code,
                "message": error.message,
                "remedy": error.remedy,
            }
        return JSONResponse({"status": "ok", "version": __version__, "gateway": gateway})

    async def exposition(request: Request) -> Response:
        del request
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    # In front of Chainlit's own /health and of its page, which answers every other path. A
    # reload in development mode installs again; the routes of before must go.
    routes = app.router.routes
    routes[:] = [
        route
        for route in routes
        if not (type(route) is Route and getattr(route, "path", None) in _OWN)
    ]
    endpoints = (health, exposition, doors.action, doors.no_cookie)
    for (path, method), endpoint in zip(_OWN.items(), endpoints, strict=True):
        routes.insert(0, Route(path, endpoint, methods=[method]))
    # The last one added is asked first.
    if app.middleware_stack is None:
        app.add_middleware(BoundedBodies, limits=_LIMITS)
        app.add_middleware(doors.Doors)
        app.add_middleware(SecurityHeaders, policy=content_security_policy(get_html_template("")))
    # Socket.IO under Chainlit accepts any origin: any website could drive this chat.
    sio.eio.cors_allowed_origins = is_own_origin


def is_own_origin(origin: str | None, environ: Mapping[str, str]) -> bool:
    """Whether a page from the address that it talks to is asking.

    Schemes are not compared: TLS may end at the edge.
    """
    if not origin:
        return True
    hosts = (environ.get("HTTP_HOST"), environ.get("HTTP_X_FORWARDED_HOST"))
    return any(same_origin(origin, host) for host in hosts if host)


def content_security_policy(page: str) -> str:
    """Return the policy for Chainlit's page: nothing from, and nothing to, any other address.

    Its inline scripts are allowed by their hashes. ``unsafe-eval`` is for custom elements, which
    the page compiles in the browser.
    """
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
        for script in re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    ]
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'unsafe-eval' {' '.join(hashes)}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class SecurityHeaders:
    """Puts the policy and its companions on every HTTP response."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = [
            (b"content-security-policy", policy.encode("latin-1")),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers)
