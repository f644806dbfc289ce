"""Run the application in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from foundry_gateway.app import FAREWELL_SECONDS, create_app
from foundry_gateway.door import Doorkeeper
from foundry_gateway.version import __version__

if TYPE_CHECKING:
    from foundry_gateway.settings import Settings

_BACKLOG = 512
_RECEIVE_BUFFER = 65_536
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
    assert runner.server is not None  # noqa: S101 - set up just now
    listener = await listen(Doorkeeper(runner.server), settings.host, settings.port)
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
        listener.close()
        await runner.cleanup()


async def listen(keeper: Doorkeeper, host: str, port: int) -> asyncio.Server:
    """Take connections on an address.

    Args:
        keeper: Makes what handles each connection.
        host: Address or name.
        port: Port, 0 for any.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        keeper, host, port, backlog=_BACKLOG, reuse_address=os.name == "posix", start_serving=False
    )
    for listening in server.sockets:
        # What the system receives for a connection that is not read counts for the container too;
        # accepted connections inherit this.
        with contextlib.suppress(OSError):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    await server.start_serving()
    return server
