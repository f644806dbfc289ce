"""What a browser's socket may say, and how many may be open.

Chainlit takes the chat's id from the browser and makes a folder's name of it, which it removes with
the chat: `../..` would remove more. A message may hold a megabyte, and of attachments, which no
part of this app uses, any number.
"""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

from chainlit.chat_context import chat_contexts
from chainlit.server import sio
from chainlit.session import WebsocketSession, ws_sessions_id
from socketio.exceptions import (  # type: ignore[import-untyped]
    ConnectionRefusedError as SocketRefusedError,
)

from foundry_common.bodies import tree_bytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CONNECTIONS: Final = 64
"""Browsers connected at once."""
MESSAGE_BYTES: Final = 1_000_000
"""One message of a browser; engine.io's own limit."""
_OBJECT_BYTES: Final = 5 * MESSAGE_BYTES
CHATS_BYTES: Final = 256 * 1024 * 1024
"""All messages of all chats."""
_BINARY: Final = ("5", "6")


def install(
    make_room: Callable[[], Awaitable[None]],
    welcome: Callable[[WebsocketSession], Awaitable[None]],
) -> None:
    """Put the checks in front of Chainlit's own handlers, and a welcome behind.

    Args:
        make_room: Forgets closed chats.
        welcome: Called when a browser has connected, for the first time or again.
    """
    if getattr(sio, "foundry_checks", False):
        return
    sio.foundry_checks = True
    connect = sio.handlers["/"]["connect"]
    connected_well = sio.handlers["/"]["connection_successful"]
    message = sio.eio.handlers["message"]

    async def checked_connect(sid: str, environ: dict[str, Any], auth: Any) -> Any:
        return await connect(sid, environ, admitted(auth))

    async def welcomed(sid: str) -> None:
        await connected_well(sid)
        if session := WebsocketSession.get(sid):
            await welcome(session)

    async def checked_message(eio_sid: str, data: Any) -> None:
        if not is_harmless(data):
            await sio.eio.disconnect(eio_sid)
            return
        if remembered_bytes() + len(data) > CHATS_BYTES:
            await make_room()
            if remembered_bytes() + len(data) > CHATS_BYTES:
                await sio.eio.disconnect(eio_sid)
                return
        await message(eio_sid, data)

    sio.handlers["/"]["connect"] = checked_connect
    sio.handlers["/"]["connection_successful"] = welcomed
    sio.eio.handlers["message"] = checked_message
    sio.eio.max_http_buffer_size = MESSAGE_BYTES


def admitted(auth: Any) -> dict[str, Any]:
    """What Chainlit may know of what a browser says when it connects: a chat's id, and no more.

    Raises:
        SocketRefusedError: the id is not one that the page makes, or there are too many chats.
    """
    said = auth.get("sessionId") if isinstance(auth, dict) else None
    try:
        session = str(uuid.UUID(said))
    except (ValueError, AttributeError, TypeError):
        raise SocketRefusedError("sessionId must be a UUID") from None
    if session != said:
        raise SocketRefusedError("sessionId must be a UUID")
    if len(sio.eio.sockets) > CONNECTIONS:
        raise SocketRefusedError("too many chats are connected")
    return {"sessionId": session, "clientType": "webapp"}


def is_harmless(data: Any) -> bool:
    """Whether a message is text, of bounded size also once it is parsed."""
    if not isinstance(data, str) or data.startswith(_BINARY) or len(data) > MESSAGE_BYTES:
        return False
    return tree_bytes(data.encode("utf-8", "surrogatepass")) <= _OBJECT_BYTES


def remembered_bytes() -> int:
    """What the messages of all chats take."""
    return sum(
        sys.getsizeof(message.content) for chat in chat_contexts.values() for message in chat
    )


def connected() -> int:
    """How many chats have a browser now."""
    return sum(
        bool(sio.manager.is_connected(session.socket_id, "/"))
        for session in ws_sessions_id.values()
    )
