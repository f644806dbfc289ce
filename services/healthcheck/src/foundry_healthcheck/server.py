"""Run the application until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import disable_created_metrics

from foundry_common.serving import Runner
from foundry_healthcheck.app import SECURITY_HEADERS, Door, create_app
from foundry_healthcheck.version import __version__

if TYPE_CHECKING:
    from foundry_healthcheck.settings import Settings

_log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
            loop.add_signal_handler(number, stop.set)
    runner = Runner(
        create_app(settings),
        Door(settings),
        headers=SECURITY_HEADERS,
        handler_cancellation=True,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port).start()
    _log.info(
        "foundry_healthcheck %s on http://%s:%d, Foundry Local at %s, gateway at %s",
        __version__,
        settings.host,
        settings.port,
        ", ".join(settings.upstreams),
        settings.gateway_url,
    )
    try:
        await stop.wait()
    finally:
        _log.info("stopping")
        await runner.cleanup()
