"""Serves the real files of the status page, with canned answers in place of the prober's.

The prober cannot be made to be in every state on demand; this can. The files, their paths and the
Content-Security-Policy are those of the prober, which has a test of its own with the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from foundry_healthcheck import runbook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

PAGE = Path(__file__).resolve().parents[2] / "services/healthcheck/src/foundry_healthcheck/page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REFUSED_REMEDY = (
    "If Foundry Local is stopped, start it with `foundry server start` (CLI 0.10 and later) or "
    "`foundry service start` (CLI up to 0.8), or run `python3 scripts/foundry_host.py` (Windows: "
    "`py scripts\\foundry_host.py`). If it runs, `foundry server status` or `foundry service "
    "status` shows the address it really uses: put that address into FOUNDRY_URL in .env, then "
    "`docker compose up -d`. On Linux a container reaches the host only on the Docker bridge "
    "address: `scripts/foundry_host.py` listens there too."
)
TITLES = {
    "chat": "An answer from the model",
    "foundry": "Foundry Local",
    "gateway": "Gateway",
    "chainlit": "Chat app",
    "chainlit-socket": "Chat app, live line",
    "open-webui": "Open WebUI",
    "webgpu": "WebGPU page",
    "prometheus": "Prometheus",
    "grafana": "Grafana",
}
MODULES = {
    "chat": "chat",
    "foundry": "foundry",
    "chainlit-socket": "websocket",
    "prometheus": "prometheus",
}
USUAL = {"chat": 0.31, "foundry": 0.006, "open-webui": 0.019, "prometheus": 0.034}
MODEL = {
    "model": "phi-4-mini",
    "time_to_first_chunk_seconds": 0.104,
    "chunks_per_second": 62.4,
    "tokens": 16,
}


def moment(seconds_ago: float = 0.0) -> str:
    """A time in the past, as the prober writes it."""
    then = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def history(name: str, outcomes: str = "u" * 100) -> list[dict[str, Any]]:
    """One probe a letter, newest last: (u)p, (d)own, (s)kipped."""
    interval = 60 if name == "chat" else 10
    usual = USUAL.get(name, 0.004)
    probes = []
    chance = random.Random(name)  # the same in every run
    for index, letter in enumerate(outcomes):
        duration = usual * chance.lognormvariate(0, 0.16) * (2.2 if chance.random() < 0.03 else 1)
        probes.append(
            {
                "at": moment((len(outcomes) - 1 - index) * interval + 2),
                "outcome": {"u": "up", "d": "down", "s": "skipped"}[letter],
                "duration_seconds": duration,
                "reason": {"u": None, "d": "refused", "s": "users_first"}[letter],
                "value": (duration * 0.34 if name == "chat" else duration)
                if letter == "u"
                else None,
            }
        )
    return probes


def part(name: str, outcomes: str = "u" * 100, **changes: Any) -> dict[str, Any]:
    """One part as `/api/status` describes it; up unless ``changes`` say otherwise."""
    past = history(name, outcomes)
    facts: dict[str, Any] = {}
    if name == "chat":
        facts |= MODEL
    if name == "foundry":
        facts |= {"dialect": "v2", "models_loaded": 1, "url": "http://host.docker.internal:51211"}
    return {
        "name": name,
        "title": TITLES[name],
        "module": MODULES.get(name, "http"),
        "target": f"http://{name.removesuffix('-socket')}:8080",
        "state": "up",
        "since": moment(11_000),
        "last_run": past[-1]["at"] if past else None,
        "last_success": moment(2),
        "duration_seconds": past[-1]["duration_seconds"] if past else None,
        "reason": None,
        "message": None,
        "remedy": None,
        "facts": facts,
        "history": past,
    } | changes


def down(name: str, reason: str, message: str, remedy: str, *, probes: int = 7) -> dict[str, Any]:
    """A part that has failed for some probes."""
    outcomes = "u" * (100 - probes) + "d" * probes
    interval = 60 if name == "chat" else 10
    return part(
        name,
        outcomes,
        state="down",
        since=moment(probes * interval),
        last_success=moment((probes + 1) * interval),
        reason=reason,
        message=message,
        remedy=remedy,
        facts={},
    )


def status(
    parts: Sequence[dict[str, Any]] | None = None,
    state: str = "up",
    summary: str = "Every part answers, and so does the model.",
    **changes: Any,
) -> dict[str, Any]:
    """A whole answer of `/api/status`."""
    return {
        "status": state,
        "summary": summary,
        "version": "0.1.0",
        "now": moment(),
        "started": moment(11_400),
        "parts": [part(name) for name in TITLES] if parts is None else list(parts),
        "containers": {"enabled": False, "items": [], "error": None},
    } | changes


def container(service: str, **changes: Any) -> dict[str, Any]:
    """One container as `/api/status` describes it; well unless ``changes`` say otherwise."""
    return {
        "service": service,
        "running": True,
        "state": "running",
        "restarts": 0,
        "memory_bytes": 47_000_000,
        "memory_limit_bytes": 268_435_456,
        "cpu_seconds": 12.5,
        "health": "healthy",
        "exit_code": None,
    } | changes


@dataclass
class CannedProbe:
    """What the page talks to."""

    url: str
    answer: dict[str, Any] | web.Response | None = field(default_factory=status)
    """None: it hangs. ``now`` is set when it is sent."""
    asked: int = 0
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, _: web.Request) -> web.StreamResponse:
        """Answer `/api/status`."""
        async with self.heard:
            self.asked += 1
            self.heard.notify_all()
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, dict):
            return web.json_response({**self.answer, "now": moment()})
        assert isinstance(self.answer, web.Response)
        return web.Response(status=self.answer.status, text=self.answer.text)

    async def wait_until_asked(self, times: int, seconds: float = 60.0) -> None:
        """Wait until the page has asked that often."""
        async with asyncio.timeout(seconds), self.heard:
            await self.heard.wait_for(lambda: self.asked >= times)


@contextlib.asynccontextmanager
async def canned_probe(
    answer: dict[str, Any] | None = None, port: int = 0
) -> AsyncIterator[CannedProbe]:
    """Serve the page and ``answer`` on a free port of this machine, or on ``port``."""
    probe = CannedProbe("")
    if answer is not None:
        probe.answer = answer

    @web.middleware
    async def with_policy(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    async def index(_: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    async def alerts(_: web.Request) -> web.Response:
        return web.Response(text=runbook.page(), content_type="text/html")

    app = web.Application(middlewares=[with_policy])
    app.router.add_get("/", index)
    app.router.add_get("/alerts", alerts)
    app.router.add_get("/api/status", probe.handle)
    app.router.add_static("/static/", PAGE)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
    try:
        await site.start()
        address = runner.addresses[0]
        probe.url = f"http://127.0.0.1:{address[1]}"
        yield probe
    finally:
        await runner.cleanup()
