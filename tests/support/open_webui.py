"""Open WebUI for tests: the real release, its real settings, in front of the real gateway.

Between Open WebUI and the gateway sits a ``Recorder``, which passes everything on and keeps what
was asked: that is where requests are counted and weighed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from lib import environment
from support.foundry import ROOT, Foundry
from support.processes import free_port_pair, running

SOURCE = ROOT / "openwebui"
HOST_DEMO_MODEL = ROOT / "services" / "foundry-local" / "src" / "foundry_host" / "demo_model"
VENV = ROOT / ".venv-open-webui"
GATEWAY_KEY = "gateway-key-for-tests-0123456789"
ADMIN_EMAIL = "ada@example.com"
ADMIN_PASSWORD = "correct horse battery"
START_TIMEOUT = 120.0
NOT_PASSED_ON = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}


# ---- The recorder ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One request that Open WebUI made."""

    path: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass
class Recorder:
    """A pass-through to the gateway on its own thread; remembers every POST.

    Args:
        target: The gateway's URL.
        embeds: Answer ``/v1/embeddings`` here. Foundry Local has no embedding model small enough
            for a test, so for that one route words are counted instead.
        answers: Answer chats with this, for a request too large for the demo model's context.
    """

    target: str
    embeds: bool = False
    answers: str | None = None
    port: int = field(default_factory=free_port_pair)
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    """Requests for embeddings that it answered at the same time."""
    _embedding: int = 0

    @property
    def url(self) -> str:
        """Where Open WebUI finds it."""
        return f"http://127.0.0.1:{self.port}"

    def to(self, path: str) -> list[Asked]:
        """What was asked of one route, in order."""
        return [asked for asked in self.asked if asked.path == path]

    @property
    def chats(self) -> list[Asked]:
        """The model requests."""
        return self.to("/v1/chat/completions")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.method == "POST":
            self.asked.append(Asked(request.path, body, dict(request.headers)))
        if self.embeds and request.path == "/v1/embeddings":
            self._embedding += 1
            self.most_at_once = max(self.most_at_once, self._embedding)
            await asyncio.sleep(0.02)  # so that the next one comes while this one is answered
            self._embedding -= 1
            return web.json_response(_embeddings(json.loads(body)))
        if self.answers is not None and request.path == "/v1/chat/completions":
            return await _said(request, json.loads(body), self.answers)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in NOT_PASSED_ON}
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=False) as session,
                session.request(
                    request.method, self.target + request.path_qs, data=body, headers=headers
                ) as reply,
            ):
                kept = {k: v for k, v in reply.headers.items() if k.lower() not in NOT_PASSED_ON}
                response = web.StreamResponse(status=reply.status, headers=kept)
                await response.prepare(request)
                async for chunk in reply.content.iter_any():
                    await response.write(chunk)
                return response
        except aiohttp.ClientError:
            return web.Response(status=502)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Recorder]:
        """Answer until the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(), loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    async def _start(self) -> web.AppRunner:
        application = web.Application(client_max_size=64 * 1024**2)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        return runner


async def _said(request: web.Request, body: Mapping[str, Any], text: str) -> web.StreamResponse:
    """A chat completion of one chunk, streamed or whole as asked."""
    name = {"id": "chatcmpl-1", "created": 0, "model": body["model"]}
    choice = {"index": 0, "finish_reason": "stop"}
    if not body.get("stream"):
        message = {"role": "assistant", "content": text}
        choices = [{**choice, "message": message}]
        return web.json_response({**name, "object": "chat.completion", "choices": choices})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    choices = [{**choice, "delta": {"role": "assistant", "content": text}}]
    chunk = {**name, "object": "chat.completion.chunk", "choices": choices}
    await response.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
    return response


def _embeddings(request: Mapping[str, Any]) -> dict[str, Any]:
    """Texts that share words get vectors that point the same way."""
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    return {
        "object": "list",
        "model": request["model"],
        "data": [
            {"object": "embedding", "index": index, "embedding": _words(text)}
            for index, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }


def _words(text: str) -> list[float]:
    vector = [0.01] * 64
    for word in text.lower().replace(".", " ").replace("?", " ").split():
        vector[hashlib.sha256(word.encode()).digest()[0] % 64] += 1.0
    return vector


# ---- The gateway ----------------------------------------------------------------------------


@contextlib.contextmanager
def gateway_to(foundry_url: str, log: Path, **settings: str) -> Iterator[str]:
    """Run the gateway against a Foundry Local; yields its URL."""
    port = free_port_pair()
    env = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        "FOUNDRY_URL": foundry_url,
        "GATEWAY_PORT": str(port),
        "GATEWAY_API_KEY": GATEWAY_KEY,
        **settings,
    }
    with running([sys.executable, "-m", "foundry_gateway"], env, log) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/health", process, log)
        yield url


# ---- Open WebUI -----------------------------------------------------------------------------


def settings_file() -> dict[str, str]:
    """What ``openwebui/settings.env`` says, read as Compose reads it."""
    settings = {}
    for line in (SOURCE / "settings.env").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            [settings[name]] = shlex.split(value)
            if value.startswith('"'):
                settings[name] = settings[name].replace("\\n", "\n")
    return settings


@dataclass
class OpenWebUI:
    """A running Open WebUI."""

    url: str
    log: Path
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def signed_in(self, token: str | None) -> AsyncIterator[aiohttp.ClientSession]:
        """A client of its API."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession(self.url, headers=headers) as session:
            yield session

    async def get(self, path: str, token: str | None = None) -> Any:
        """GET; an error status is an ``aiohttp.ClientResponseError``."""
        async with self.signed_in(token) as session, session.get(path) as reply:
            reply.raise_for_status()
            return await reply.json()

    async def post(self, path: str, body: Any, token: str | None = None) -> tuple[int, Any]:
        """POST; returns the status and the decoded reply."""
        async with self.signed_in(token) as session, session.post(path, json=body) as reply:
            text = await reply.text()
            return reply.status, json.loads(text) if text.startswith(("{", "[")) else text

    async def sign_in(self, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> str:
        """Sign in, once for each account: it takes fifteen in three minutes; returns the token."""
        if (email, password) not in self._tokens:
            account = {"email": email, "password": password}
            status, reply = await self.post("/api/v1/auths/signin", account)
            assert status == 200, reply
            self._tokens[email, password] = str(reply["token"])
        return self._tokens[email, password]

    async def sign_up(self, name: str) -> tuple[int, Any]:
        """Ask for an account, as the sign-up page does."""
        body = {"name": name, "email": f"{name}@example.com", "password": ADMIN_PASSWORD}
        return await self.post("/api/v1/auths/signup", body)

    async def ask(
        self, token: str, text: str, *, model: str = "foundry-demo", **more: Any
    ) -> tuple[int, str]:
        """Ask a model through Open WebUI; returns the status and the answer or the error."""
        body = {
            "model": model,
            "stream": False,
            "messages": [{"role": "user", "content": text}],
            **more,
        }
        status, reply = await self.post("/api/chat/completions", body, token)
        if status == 200 and "choices" in reply:
            return status, str(reply["choices"][0]["message"]["content"])
        return status, json.dumps(reply)


@contextlib.contextmanager
def open_webui(
    gateway_url: str,
    directory: Path,
    *,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    **installation: str,
) -> Iterator[OpenWebUI]:
    """Run Open WebUI as the container does: the settings file, then ``start.py``.

    Args:
        gateway_url: Where it finds the models.
        directory: Holds its data; the same one again is a restart.
        port: To come back where it was; a free one by default.
        settings: Instead of the settings file.
        installation: What Compose would pass on, such as ``EMBEDDING_MODEL``.
    """
    port = port or free_port_pair()
    (directory / "data").mkdir(parents=True, exist_ok=True)
    env = {
        "PATH": os.environ["PATH"],
        **(settings_file() if settings is None else settings),
        "DATA_DIR": str(directory / "data"),
        "STATIC_DIR": str(directory / "static"),
        "HOME": str(directory),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "OPEN_WEBUI_PORT": str(port),
        "GATEWAY_URL": gateway_url,
        "GATEWAY_API_KEY": GATEWAY_KEY,
        "WEBUI_SECRET_KEY": "secret-key-for-tests-0123456789ab",
        **installation,
    }
    log = directory / "log"
    with running([str(python()), str(SOURCE / "start.py")], env, log) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/ready", process, log)
        yield OpenWebUI(url, log)


def new_password(ui: OpenWebUI, email: str) -> subprocess.CompletedProcess[str]:
    """Run ``new_password.py`` beside a running Open WebUI, as in its container."""
    command = [str(python()), str(SOURCE / "new_password.py"), email]
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(ui.log.parent / "data")}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)


def start_refused(**installation: str) -> subprocess.CompletedProcess[str]:
    """Run ``start.py`` with settings that it must not accept."""
    command = [sys.executable, str(SOURCE / "start.py")]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(environment.COMMON), **installation}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)


def python() -> Path:
    """Open WebUI's own environment: its packages and ours exclude each other."""
    return environment.ensure(VENV, SOURCE / "requirements.lock", sources=(environment.COMMON,))


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    tail = log.read_text(encoding="utf-8", errors="replace")[-4000:]
    raise AssertionError(f"{url} did not answer (exit code {process.poll()}):\n{tail}")


# ---- Fixtures -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def recorder(foundry_v2: Foundry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """The gateway on the real Foundry Local with the demo model, seen through a recorder."""
    log = tmp_path_factory.mktemp("gateway") / "log"
    with (
        gateway_to(foundry_v2.url, log, EMBEDDED_URL=foundry_v2.url) as gateway,
        Recorder(gateway).serving() as recorder,
    ):
        yield recorder


@pytest.fixture(scope="session")
def chat_ui(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenWebUI]:
    """Open WebUI with an administrator, for tests that leave its settings alone."""
    with open_webui(
        recorder.url,
        tmp_path_factory.mktemp("open-webui"),
        WEBUI_ADMIN_EMAIL=ADMIN_EMAIL,
        WEBUI_ADMIN_PASSWORD=ADMIN_PASSWORD,
    ) as ui:
        yield ui


def names(models: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Ids and shown names of a model list."""
    return [(model["id"], model["name"]) for model in models]
