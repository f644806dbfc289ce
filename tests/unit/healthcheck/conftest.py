"""Running one probe inside the test, against whatever the test puts in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from foundry_healthcheck.modules import MODULES
from foundry_healthcheck.probing import Outcome, Run, Surroundings, perform
from foundry_healthcheck.settings import Settings
from foundry_healthcheck.transport import make_session

Probe = Callable[..., Awaitable[tuple[Run, Outcome]]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def probe() -> AsyncIterator[Probe]:
    """``await probe(module, target, timeout=…, settings=…)``: the run and what came of it."""
    async with make_session() as session:

        async def run_it(
            module: str,
            target: str,
            *,
            timeout: float = 5.0,
            settings: Settings | None = None,
            service: str = "gateway",
        ) -> tuple[Run, Outcome]:
            run = Run(target, timeout, Surroundings(settings or Settings(), session))
            return run, await perform(MODULES[module], run, service)

        yield run_it


Serving = Callable[..., "asynccontextmanager[str]"]


@pytest.fixture
def serving() -> Callable[..., object]:
    """``async with serving({path: handler}) as url``: a small real web server."""

    @asynccontextmanager
    async def serve(routes: dict[str, Handler]) -> AsyncIterator[str]:
        app = web.Application()
        for path, handler in routes.items():
            app.router.add_route("*", path, handler)
        async with TestServer(app, handler_cancellation=True) as server:
            yield str(server.make_url("")).rstrip("/")

    return serve
