"""What Chainlit's server offers here: the routes its page uses, and no others.

Chainlit brings sign-in, files, threads, MCP and an interactive documentation, whether they are
switched on or not; several read a body first, and some fail on one they do not expect.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from chainlit.server import call_action, sio
from chainlit.session import ws_sessions_id
from chainlit.types import CallActionRequest
from starlette.responses import JSONResponse

from foundry_chat.sockets import CONNECTIONS
from foundry_chat.writer import RETRY

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

_SOCKET = "/ws/socket.io"
_READ = {"GET", "HEAD"}
# The page is one page: whatever follows in its address, it shows the chat.
_EXACT: dict[str, set[str]] = {
    "/": _READ,
    "/health": _READ,
    "/metrics": _READ,
    "/favicon": _READ,
    "/logo": _READ,
    "/user": _READ,
    "/auth/config": _READ,
    "/project/settings": _READ,
    "/project/translations": _READ,
    "/project/action": {"POST"},
    "/set-session-cookie": {"POST"},
}
_BELOW: dict[str, set[str]] = {
    "/public/": _READ,
    "/assets/": _READ,
    "/avatars/": _READ,
    "/project/file/": _READ,
    f"{_SOCKET}/": {"GET", "POST"},
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Doors:
    """Lets through what the page uses; everything else is answered here, in JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = _refusal(scope)
        if refusal is not None and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not served here"})
        elif refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _refusal(scope: Scope) -> Response | None:
    if scope["type"] not in {"http", "websocket"}:
        return None
    path = scope["path"]
    methods = _EXACT.get(path) or next(
        (methods for start, methods in _BELOW.items() if path.startswith(start)), None
    )
    if methods is None or _CONTROL.search(path):
        return error(404, "not_found", "There is nothing here.", "The chat is at /.")
    if scope["type"] == "websocket":
        return None if path.startswith(f"{_SOCKET}/") else error(404, "not_found", "No.", "")
    if scope["method"] not in methods:
        return error(
            405,
            "method_not_allowed",
            f"{scope['method']} is not served here.",
            f"Use {' or '.join(sorted(methods))}.",
            allow=", ".join(sorted(methods)),
        )
    if (
        path.startswith(_SOCKET)
        and _is_new_connection(scope)
        and len(sio.eio.sockets) >= (CONNECTIONS)
    ):
        return error(
            429,
            "too_many_requests",
            "Too many chats are connected.",
            "Close one, or try again later.",
            retry_after="5",
        )
    return None


def _is_new_connection(scope: Scope) -> bool:
    return "sid" not in parse_qs(scope["query_string"].decode("latin-1"))


async def action(request: Request) -> Response:
    """Press a button of ours; Chainlit itself fails on any other and on a chat it does not know."""
    try:
        asked = await request.json()
        session, name = asked["sessionId"], asked["action"]["name"]
        pressed = {
            key: asked["action"].get(key)
            for key in ("name", "payload", "label", "tooltip", "id", "forId")
            if asked["action"].get(key) is not None
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return error(400, "invalid_request", "This is not a button of a chat.", "Reload the page.")
    if not isinstance(session, str) or session not in ws_sessions_id or name != RETRY:
        return error(
            404, "not_found", "There is no such chat, or no such button.", "Reload the page."
        )
    pressed["payload"] = pressed["payload"] if isinstance(pressed.get("payload"), dict) else {}
    done: Response = await call_action(CallActionRequest(action=pressed, sessionId=session), None)
    return done


async def no_cookie(request: Request) -> Response:
    """Answer the page's wish for a cookie that only a cluster of servers would need."""
    del request
    return JSONResponse({"message": "Not needed here."})


def error(status: int, code: str, problem: str, remedy: str, **headers: str) -> JSONResponse:
    """An error in the form that every service of this stack uses."""
    content: dict[str, Any] = {
        "message": f"{problem} {remedy}".strip(),
        "problem": problem,
        "type": "invalid_request_error",
        "param": None,
        "code": code,
        "cause": None,
        "remedy": remedy,
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"error": content}, status_code=status, headers=named)
