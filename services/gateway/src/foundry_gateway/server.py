"""Run the application in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from foundry_gateway.app import FAREWELL_SECONDS, create_app
from foundry_gateway.version import __version__

if TYPE_CHECKING:
    from foundry_gateway.settings import Settings

_log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let running answers finish for a moment."""
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[return-value]


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
            loop.add_signal_handler(number, stop.set)
    # handler_cancellation: a client that leaves cancels its handler, and that the upstream request.
    runner = web.AppRunner(
        create_app(settings),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=FAREWELL_SECONDS,  # the application has drained by then
    )
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port, backlog=512).start()
    _log.info(
        "foundry_gateway %s on http://%s:%d, Foundry Local at %s",
        __version__,
        settings.host,
        settings.port,
        ", ".join(settings.foundry_urls),
    )
    try:
        await stop.wait()
    finally:
        _log.info("stopping")
        await runner.cleanup()
