"""Open WebUI's application, as it is met in this stack: what it offers works.

Open WebUI reads its banners from a setting, once, and shows every model it is told of. Which
model answers, and whether Foundry Local is in reach, changes while it runs. So the replies to
these two requests are completed here:

- `GET /api/v1/configs/banners`: says in front when the demo model answers, or none can.
- `GET /api/models`: leaves out what cannot answer a chat. When nothing can, the list stays whole:
  a chat then shows the gateway's message, which says what to do, instead of a page without models.

What needs the internet, or speech recognition, is answered with what helps instead (`ABSENT`), and
`page.css` takes its buttons away. The browser's Python gets its files (`python_files`). Files that
nothing here can read are refused, before they are kept where it can be told (`documents.py`).

In front of everything stands a bound on request bodies, which Open WebUI would read and parse
before it looks at who sent them.
"""

import hashlib
import hmac
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

import aiohttp
import documents
from fastapi import HTTPException, UploadFile
from open_webui.main import app as open_webui  # type: ignore[import-not-found,unused-ignore]
from open_webui.models.config import Config  # type: ignore[import-not-found,unused-ignore]
from open_webui.retrieval.loaders.main import (  # type: ignore[import-not-found,unused-ignore]
    Loader,
)
from open_webui.routers import files  # type: ignore[import-not-found,unused-ignore]
from open_webui.socket.main import sio  # type: ignore[import-not-found,unused-ignore]

from foundry_common.asgi_bodies import BoundedBodies, Limits
from foundry_common.bodies import tree_bytes
from foundry_common.callers import same_origin

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Completion = Callable[[Any], Awaitable[Any]]

log = logging.getLogger(__name__)
GATEWAY = os.environ.get("GATEWAY_URL", "http://gateway:8000").rstrip("/")
EMBEDDING_MODEL = os.environ.get("EMBEDDING_MODEL")
TIMEOUT = aiohttp.ClientTimeout(total=2)
"""The page waits for its banners, so a slow gateway counts as one that does not answer."""
HTTP_OK = 200
BAD_REQUEST = 400
MEBIBYTE = 1024 * 1024
LIMITS = Limits(
    # A chat with pictures is saved as a whole, the pictures as text in it.
    body=16 * MEBIBYTE,
    objects=64 * MEBIBYTE,
    # Open WebUI and its database copy what they are given about three times over.
    budget=160 * MEBIBYTE,
    # A document waits in /tmp, a tmpfs of 256 MB that counts as memory, and is read from there.
    upload=64 * MEBIBYTE,
    uploads=128 * MEBIBYTE,
    seconds=120.0,
)
"""What may be sent at once, within the container's 2 GB: before anybody knows who sends it."""

MESSAGE_BYTES = 2_000_000
"""One message of a socket. Chats do not travel this way."""
MOST_OBJECTS = 32 * MEBIBYTE
MOST_ATTACHMENTS = 4
ATTACHMENTS = re.compile(r"[56](\d+)-")


async def completed(scope: Message, receive: Receive, send: Send) -> None:
    """Open WebUI, completed."""
    if scope["type"] != "http":
        await open_webui(scope, receive, send)
        return
    method, path = scope["method"], scope["path"]
    if method == "GET" and path in COMPLETIONS:
        await _completed(COMPLETIONS[path], scope, receive, send)
    elif method in ("GET", "HEAD") and path in PAGE_FILES:
        await _answer(send, HTTP_OK, *PAGE_FILES[path])
    elif method == "GET" and path.startswith(f"{PYTHON_FILES}/"):
        await python_files(scope, receive, send)
    elif method == "POST" and path.rstrip("/") in ABSENT:
        said = json.dumps({"detail": ABSENT[path.rstrip("/")]}).encode()
        await _answer(send, BAD_REQUEST, "application/json", said)
    else:
        await open_webui(scope, receive, send)


async def _answer(send: Send, status: int, kind: str, body: bytes) -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-cache"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _completed(complete: Completion, scope: Message, receive: Receive, send: Send) -> None:
    """Pass on Open WebUI's reply, its JSON completed when it is one; an error stays as it is."""
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
    if start["status"] == HTTP_OK:
        body = json.dumps(await complete(json.loads(body))).encode()
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
    await send(start)
    await send({"type": "http.response.body", "body": body})


# ---- Models ---------------------------------------------------------------------------------


async def _models(reply: Any) -> Any:
    return {**reply, "data": can_chat(reply["data"], EMBEDDING_MODEL)}


def can_chat(models: list[dict[str, Any]], embedding_model: str | None) -> list[dict[str, Any]]:
    """The models to offer, in order: those that can answer, or all when none can.

    Models that a person made in the workspace know no state, and stay.
    """
    chat = [model for model in models if model["id"] != embedding_model]
    missing = [model for model in chat if model.get("foundry", {}).get("state") == "missing"]
    from_gateway = [model for model in chat if "foundry" in model]
    if len(missing) == len(from_gateway):
        return chat
    return [model for model in chat if model not in missing]


# ---- Banners --------------------------------------------------------------------------------


async def _banners(reply: Any) -> Any:
    return [*notices(await _status()), *reply]


async def _status() -> Mapping[str, Any] | None:
    """The gateway's own account of itself, or None when it does not answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.get(f"{GATEWAY}/status") as reply,
        ):
            return dict(await reply.json())
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


def notices(status: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The banners for a gateway in this state: none when a real model can answer."""
    if status is None:
        return [
            _banner(
                "gateway",
                "error",
                "The gateway does not answer, so no model does. "
                "Start it: `docker compose up -d gateway`.",
            )
        ]
    if not status.get("ready"):
        return [_banner("not-ready", "warning", _trouble(status))]
    if _demo_answers(status):
        text = (
            "The built-in demo model is answering: it shows that everything works, and knows "
            "little. Start Foundry Local on this machine for real answers."
        )
        return [_banner("demo", "info", " ".join([text, *_downloads(status)]))]
    return []


def _trouble(status: Mapping[str, Any]) -> str:
    """What the gateway says is wrong: with Foundry Local itself, or else with its last request."""
    errors = [upstream.get("error") for upstream in status.get("upstreams", [])]
    if status.get("status") != "down":
        errors = []
    for error in (*errors, status.get("last_error")):
        if error:
            message, remedy = str(error["message"]), str(error.get("remedy") or "")
            return message if remedy in message else f"{message} {remedy}"
    return "No model can answer yet: " + (" ".join(_downloads(status)) or "none is loaded.")


def _demo_answers(status: Mapping[str, Any]) -> bool:
    """Whether the model a new chat starts with is the demo."""
    return any(
        model["foundry"]["demo"] and model["foundry"]["default"]
        for model in status.get("models", [])
    )


def _downloads(status: Mapping[str, Any]) -> list[str]:
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


COMPLETIONS: Mapping[str, Completion] = {
    "/api/models": _models,
    "/api/v1/configs/banners": _banners,
}


# ---- What is not here -----------------------------------------------------------------------

_NO_WEB = (
    "Open WebUI has no way out of this machine, so no page of the web can be read here. Save the "
    "page as a file, and attach that."
)
_NO_CODE = "Open WebUI has no way out of this machine, so nothing is fetched here. Paste the code."
ABSENT = {
    **dict.fromkeys(
        (
            "/api/v1/retrieval/process/web",
            "/api/v1/retrieval/process/web/search",
            "/api/v1/retrieval/process/url",
            "/api/v1/retrieval/process/youtube",
        ),
        _NO_WEB,
    ),
    "/api/v1/functions/load/url": _NO_CODE,
    "/api/v1/tools/load/url": _NO_CODE,
    "/api/v1/audio/transcriptions": "There is no speech recognition here. Type, or paste the text.",
}
"""What is said to whoever asks for something that needs what is not there."""


# ---- The page -------------------------------------------------------------------------------

PYTHON_FILES = (
    "/sandbox/"
    + (
        hmac.new(os.environ["WEBUI_SECRET_KEY"].encode(), b"sandbox", hashlib.sha256).hexdigest()[
            :32
        ]
    )
)
"""Where the frame in which the browser runs Python finds its files; only our pages know the name.

A page of another site could read what a frame without an origin reads, so it is not told.
"""
HERE = Path(__file__).resolve().parent


def _text(name: str) -> bytes:
    text = (HERE / name).read_text(encoding="utf-8")
    return text.replace("__PYTHON_FILES__", PYTHON_FILES).encode()


PAGE_FILES = {
    "/static/loader.js": ("text/javascript; charset=utf-8", _text("page.js")),
    "/static/custom.css": ("text/css; charset=utf-8", _text("page.css")),
}
"""Open WebUI's page loads these two, and has them empty for whoever runs it."""


READABLE = (
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"access-control-allow-origin", b"null"),
)


async def python_files(scope: Message, receive: Receive, send: Send) -> None:
    """Pyodide's files once more, for the frame without an origin; the edge lets these two pass."""
    path = "/pyodide" + scope["path"].removeprefix(PYTHON_FILES)

    async def readable(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == HTTP_OK:
            others = [one for one in message["headers"] if one[0] not in dict(READABLE)]
            message["headers"] = [*others, *READABLE]
        await send(message)

    # Not what it has kept: "not changed" has no such headers, and the frame keeps nothing anyway.
    headers = [one for one in scope["headers"] if not one[0].startswith(b"if-")]
    inside = {**scope, "path": path, "raw_path": path.encode(), "headers": headers}
    await open_webui(inside, receive, readable)


# ---- Documents ------------------------------------------------------------------------------

HAS_UNSTRUCTURED = find_spec("unstructured") is not None
_upload = files.upload_file_handler


async def upload_readable(request: Any, **given: Any) -> Any:
    """Open WebUI's own handler of uploads, for what can be read.

    Raises:
        HTTPException: It cannot be read; 400, and the words say what can.
    """
    file: UploadFile = given["file"]
    engine = await Config.get("rag.content_extraction_engine")
    if given.get("process", True) and not engine:
        head = await file.read(documents.HEAD_BYTES)
        await file.seek(0)
        name, kind = file.filename or "file", file.content_type or ""
        said = documents.refusal(name, kind, head, has_unstructured=HAS_UNSTRUCTURED)
        if said is not None:
            raise HTTPException(BAD_REQUEST, said)
    return await _upload(request, **given)


files.upload_file_handler = upload_readable
_load = Loader.load


def load_readable(loader: Any, filename: str, *where: Any) -> Any:
    """Open WebUI's own reader of kept files, whose failures are those of its packages.

    Raises:
        ValueError: It cannot be read, or holds no words; the message says what to do.
    """
    try:
        found = _load(loader, filename, *where)
    except HTTPException:
        raise
    except Exception as error:
        if loader.engine:  # an extractor that the administrator chose, and must hear of
            raise
        log.warning("%s could not be read: %s", PurePath(filename).suffix, type(error).__name__)
        raise ValueError(documents.unreadable(filename)) from error
    if not any(document.page_content.strip() for document in found):
        raise ValueError(documents.wordless(filename))
    return found


Loader.load = load_readable


# ---- Bounds ---------------------------------------------------------------------------------


def is_harmless(data: Any) -> bool:
    """Whether a message of a socket is bounded: parsed, and with the attachments it announces.

    Sockets are let in before they say who they are, and an event waits in memory for its last
    attachment.
    """
    if not isinstance(data, str):
        return True
    announced = ATTACHMENTS.match(data)
    if announced and (len(announced[1]) > 1 or int(announced[1]) > MOST_ATTACHMENTS):
        return False
    return tree_bytes(data.encode("utf-8", "surrogatepass")) <= MOST_OBJECTS


def bound_sockets() -> None:
    """Close sockets that send what the page does not."""
    sio.eio.max_http_buffer_size = MESSAGE_BYTES
    handle = sio.eio.handlers["message"]

    async def checked(eio_sid: str, data: Any) -> None:
        if is_harmless(data):
            await handle(eio_sid, data)
        else:
            await sio.eio.disconnect(eio_sid)

    sio.eio.handlers["message"] = checked


def is_own_origin(origin: str | None, environ: Mapping[str, str]) -> bool:
    """Whether the page that asks is from the very address it asks, whatever that is.

    A forwarded port has another number here than there, and a list cannot name it. Which names are
    ours the edge judges.
    """
    return origin is None or same_origin(origin, environ.get("HTTP_HOST", ""))


bound_sockets()
sio.eio.cors_allowed_origins = is_own_origin
app = BoundedBodies(completed, LIMITS)
"""The ASGI application."""
