"""Open WebUI's application with one addition: banners that say what is answering right now.

Open WebUI reads its banners from a setting, once. Whether the demo model answers, or Foundry
Local is out of reach, changes while it runs. So the reply to `GET /api/v1/configs/banners`, and
nothing else, is completed here with what the gateway's `/status` says at that moment.
"""

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
from open_webui.main import app as open_webui

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATH = "/api/v1/configs/banners"
GATEWAY = os.environ.get("GATEWAY_URL", "http://gateway:8000").rstrip("/")
TIMEOUT = aiohttp.ClientTimeout(total=2)
"""The page waits for its banners; a gateway that is slow to answer gets none."""


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == PATH:
        await _with_notices(scope, receive, send)
    else:
        await open_webui(scope, receive, send)


async def _with_notices(scope: Message, receive: Receive, send: Send) -> None:
    """Pass on Open WebUI's reply; when it is its list of banners, put the notices in front."""
    start: Message = {}
    body = b""

    async def collect(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
        else:
            body += message.get("body", b"")

    # A compressed reply could not be completed.
    plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    await open_webui({**scope, "headers": plain}, receive, collect)
    if start["status"] == 200:  # noqa: PLR2004 - only a person signed in gets the list
        body = json.dumps([*notices(await _status()), *json.loads(body)]).encode()
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def _status() -> dict[str, Any] | None:
    """The gateway's own account of itself, or None when it does not answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.get(f"{GATEWAY}/status") as reply,
        ):
            return dict(await reply.json())
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


def notices(status: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The banners for a gateway in this state: none when a real model can answer."""
    if status is None:
        return [
            _banner(
                "gateway",
                "error",
                "The gateway does not answer, so no model does. "
                "Look at `docker compose ps` and `docker compose logs gateway`.",
            )
        ]
    if not status.get("ready"):
        error = status.get("last_error") or {}
        said = error.get("message") or "No model can answer yet."
        return [_banner("not-ready", "warning", said)]
    if _demo_answers(status):
        text = (
            "The built-in demo model is answering: it shows that everything works, and knows "
            "little. Start Foundry Local on this machine for real answers."
        )
        return [_banner("demo", "info", " ".join([text, *_downloads(status)]))]
    return []


def _demo_answers(status: dict[str, Any]) -> bool:
    """Whether the model a new chat starts with is the demo."""
    for model in status.get("models", []):
        facts = model.get("foundry", {})
        if facts.get("default") or model.get("id") == status.get("default_model"):
            return bool(facts.get("demo"))
    return False


def _downloads(status: dict[str, Any]) -> list[str]:
    """One sentence per model that is on its way."""
    return [
        f"{download['alias']} is downloading: {download.get('percent') or 0:.0f} %."
        for download in status.get("downloads", [])
        if download.get("state") == "downloading"
    ]


def _banner(name: str, kind: str, text: str) -> dict[str, Any]:
    """A banner in Open WebUI's form."""
    return {
        "id": f"foundry-{name}",
        "type": kind,
        "title": "",
        "content": text,
        "dismissible": kind == "info",
        "timestamp": 0,
    }
