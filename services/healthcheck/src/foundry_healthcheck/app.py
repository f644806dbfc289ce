"""The web application: status page, status as JSON, metrics, and probes on demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foundry_common import values
from foundry_common.callers import Callers, Refusal
from foundry_common.serving import body_refusal, error_response
from foundry_healthcheck import runbook
from foundry_healthcheck.alerts import RUNBOOK
from foundry_healthcheck.modules import MODULES
from foundry_healthcheck.prober import BusyError, Prober
from foundry_healthcheck.status import describe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundry_healthcheck.probing import Outcome, Run
    from foundry_healthcheck.settings import Settings

PAGE = Path(__file__).parent / "page"
STATIC = {
    "status.css": "text/css",
    "status.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PROBE = "/probe"
SCRAPE_TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds"
SCRAPE_OFFSET = 0.5
"""Seconds kept back of a scrape's timeout, for the answer's way home."""
LEAST_TIMEOUT = 0.1
LONGEST_BODY = 1024
"""Bytes; no route reads any, but programs send empty ones along."""
RETRY_AFTER_SECONDS = 2
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def create_app(settings: Settings) -> web.Application:
    """Return the prober as an aiohttp application.

    Args:
        settings: Everything configurable.
    """
    healthcheck = Healthcheck(settings)
    app = web.Application(client_max_size=1024)
    app.router.add_get("/", healthcheck.page)
    app.router.add_get(RUNBOOK, healthcheck.alerts)
    app.router.add_get("/static/{name}", healthcheck.static)
    app.router.add_get("/api/status", healthcheck.status)
    app.router.add_get("/metrics", healthcheck.metrics)
    app.router.add_get(PROBE, healthcheck.probe)
    app.router.add_get("/health", healthcheck.health)
    app.on_response_prepare.append(_add_headers)
    app.cleanup_ctx.append(healthcheck.lifespan)
    return app


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    del request
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


class Door:
    """Judges requests before anything else happens with them.

    Args:
        settings: By which names it may be called.
    """

    def __init__(self, settings: Settings) -> None:
        self._callers = Callers(settings.allowed_hosts, settings.host)

    def __call__(self, request: web.BaseRequest) -> Refusal | None:
        """Why a request is not let in; None lets it in."""
        fields = request.headers
        mode = fields.get("Sec-Fetch-Mode", "")
        if request.path.rstrip("/") == PROBE:
            # Also a frame or a link of another site's page would make the model work.
            mode = "no-cors"
        return self._callers.refusal(
            fields.getall("Host", []),
            fields.getall("Origin", []),
            (fields.get("Sec-Fetch-Site", ""), mode),
        ) or body_refusal(request, LONGEST_BODY)


class Healthcheck:
    """The handlers, and the prober behind them.

    Args:
        settings: Everything configurable.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prober = Prober(settings)
        self._runbook = runbook.page()

    async def lifespan(self, app: web.Application) -> AsyncIterator[None]:
        """Probe for as long as the application runs."""
        del app
        await self._prober.start()
        yield
        await self._prober.close()

    async def page(self, request: web.Request) -> web.Response:
        """``GET /``."""
        del request
        return _file("index.html", "text/html")

    async def alerts(self, request: web.Request) -> web.Response:
        """``GET /alerts``: what each alert means, where an alert's link leads."""
        del request
        return web.Response(text=self._runbook, content_type="text/html")

    async def static(self, request: web.Request) -> web.Response:
        """``GET /static/{name}``: the page's few files and no others."""
        name = request.match_info["name"]
        if name not in STATIC:
            raise web.HTTPNotFound
        return _file(name, STATIC[name])

    async def status(self, request: web.Request) -> web.Response:
        """``GET /api/status``."""
        del request
        return web.json_response(describe(self._prober))

    async def health(self, request: web.Request) -> web.Response:
        """``GET /health``: this process."""
        del request
        return web.json_response({"status": "ok"})

    async def metrics(self, request: web.Request) -> web.Response:
        """``GET /metrics``."""
        del request
        body = generate_latest(self._prober.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def probe(self, request: web.Request) -> web.Response:
        """``GET /probe?target=&module=&debug=true``, in the manner of blackbox_exporter."""
        module = request.query.get("module", "http")
        target = request.query.get("target", "")
        if module not in MODULES:
            return _refuse("module", f"module: expected one of {', '.join(MODULES)}.")
        part = self._prober.allowed(module, target)
        if part is None:
            known = [
                url
                for state in self._prober.states.values()
                if state.part.module == module
                for url in state.part.target.split(",")
            ]
            return _refuse(
                "target",
                f"target: only configured addresses are probed; for {module} that is "
                f"{' or '.join(known) or 'none'}.",
            )
        try:
            timeout = _timeout(request, part.timeout)
        except ValueError:
            return _refuse("timeout", f"{SCRAPE_TIMEOUT}: expected a number of seconds.")
        try:
            run, outcome = await self._prober.demand(part, target, timeout)
        except BusyError:
            busy = Refusal(
                429,
                "overloaded",
                f"As many probes of module {module} as may run or wait are under way.",
                f"Ask again in {RETRY_AFTER_SECONDS} s.",
            )
            return error_response(busy, {"Retry-After": str(RETRY_AFTER_SECONDS)})
        body = generate_latest(run.registry)
        if request.query.get("debug", "").lower() in ("true", "1", "yes"):
            return web.Response(text=_debug(module, run, outcome, body.decode()))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _timeout(request: web.Request, usual: float) -> float:
    """Return the seconds for a probe: the scrape's, less the way home; never more than usual."""
    given = request.headers.get(SCRAPE_TIMEOUT)
    if given is None:
        return usual
    seconds = values.seconds(given)
    return min(usual, max(seconds - SCRAPE_OFFSET, LEAST_TIMEOUT))


def _debug(module: str, run: Run, outcome: Outcome, metrics: str) -> str:
    facts = "\n".join(f"{name}: {value}" for name, value in run.facts.items())
    sections = (
        (f"Log of module {module}, at most {run.timeout:g} s", "\n".join(run.log)),
        ("Outcome", f"{outcome.state} {outcome.reason or ''}\n{outcome.message or ''}".strip()),
        ("Remedy", outcome.remedy or "none needed"),
        ("Facts", facts),
        ("Metrics that would have been returned", metrics),
    )
    return "\n".join(f"{title}:\n{text}\n" for title, text in sections)


def _file(name: str, content_type: str) -> web.Response:
    try:
        text = (PAGE / name).read_text(encoding="utf-8")
    except OSError:
        raise web.HTTPNotFound from None
    return web.Response(text=text, content_type=content_type, charset="utf-8")


def _refuse(what: str, problem: str) -> web.Response:
    return error_response(
        Refusal(400, f"invalid_{what}", problem, "See /api/status for the parts.")
    )
