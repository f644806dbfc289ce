"""Chainlit's live line: its Socket.IO handshake over a real WebSocket, as a browser does it.

A few frames are spoken by hand; a client library for them would weigh more than the prober.
Engine.IO: ``0`` open. Socket.IO inside: ``40`` connect, ``44`` refused, ``42`` event, ``41`` bye.
https://socket.io/docs/v4/engine-io-protocol/
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING

import aiohttp

from foundry_healthcheck.reasons import ProbeFailedError
from foundry_healthcheck.transport import classify, fetch, parse_object, words

if TYPE_CHECKING:
    from foundry_healthcheck.probing import Run

PATH = "/ws/socket.io/?EIO=4&transport=websocket"
_SHARE = 0.7
"""Of the time; the rest is for a look at the page, to tell a dead line from a dead app."""


async def probe(run: Run) -> None:
    """Open a session as a browser does, and give it up again.

    Raises:
        ProbeFailedError: The line does not open, or not as Socket.IO.
    """
    try:
        async with asyncio.timeout(run.left * _SHARE):
            await _open(run)
    except (aiohttp.ClientError, OSError) as error:
        raise await _explain(run, error) from None


async def _open(run: Run) -> None:
    """Open a session and close it."""
    waiting = aiohttp.ClientWSTimeout(ws_receive=None, ws_close=1.0)
    async with run.http.ws_connect(
        run.target + PATH,
        timeout=waiting,
    ) as socket:
        run.note("the WebSocket is open")
        await _expect(run, socket, "0")
        auth = {
            "sessionId": str(uuid.uuid4()),
            "clientType": "webapp",
            "userEnv": "{}",
            "chatProfile": "",
            "threadId": "",
        }
        await socket.send_str(f"40{json.dumps(auth)}")
        answer = await _expect(run, socket, "40", "44")
        run.facts["handshake_seconds"] = run.elapsed
        if answer.startswith("44"):
            # Who has to sign in is not let in, but that, too, was Chainlit's own word.
            run.facts["refusal"] = str(parse_object(answer[2:].encode()).get("message"))
            return
        # Otherwise Chainlit would keep every probe's session for an hour.
        await socket.send_str('42["clear_session"]')
        await socket.send_str("41")


async def _expect(run: Run, socket: aiohttp.ClientWebSocketResponse, *marks: str) -> str:
    while True:
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ProbeFailedError(
                "handshake_failed", "Chainlit's live line closes in the middle of the handshake."
            )
        text = str(message.data)
        run.note(f"received {text[:80]}")
        if text == "2":  # a ping
            await socket.send_str("3")
        elif text.startswith(marks):
            return text
        elif not text.startswith("42"):
            raise ProbeFailedError(
                "handshake_failed", "What answers on Chainlit's live line is not Socket.IO."
            )


async def _explain(run: Run, error: Exception) -> ProbeFailedError:
    """Tell a dead live line from a dead app."""
    reason = classify(error)
    run.note(f"{type(error).__name__}: {error}")
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return ProbeFailedError(
            "handshake_failed",
            f"Chainlit's live line does not open: it answers with status {error.status}.",
        )
    if reason in ("name_not_resolved", "refused", "unreachable", "tls_failed"):
        return ProbeFailedError(reason, f"It cannot be reached: {words(reason)}.")
    try:
        status, _ = await fetch(run, f"{run.target}/health")
    except ProbeFailedError as failure:
        return failure  # all of it is dead, not the line alone
    what = "nothing comes in time" if reason == "timed_out" else words(reason)
    return ProbeFailedError(
        "handshake_failed",
        f"Chainlit's live line does not open: {what}. Its page answers with status {status}.",
    )
