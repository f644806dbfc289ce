"""The handshake of a Chainlit page's socket: WebSocket, Engine.IO 4, Socket.IO 5, in that order.

Enough of RFC 6455 for a few short frames. Sources: https://socket.io/docs/v4/engine-io-protocol/
and https://socket.io/docs/v4/socket-io-protocol/.
"""

import base64
import json
import os
import socket
import struct
import time
import uuid
from urllib.parse import urlsplit

SECONDS = 5.0
PATH = "/ws/socket.io/?EIO=4&transport=websocket"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
LONG, LONGER = 126, 127


class HandshakeError(Exception):
    """The socket is not usable.

    Attributes:
        step: how far it came: `connect`, `upgrade`, `engine.io` or `socket.io`.
    """

    def __init__(self, step: str, problem: str) -> None:
        super().__init__(problem)
        self.step = step


def shake_hands(url: str, seconds: float = SECONDS) -> None:
    """Open the socket as the chat's page does, and close it again.

    Args:
        url: where the page is served.
        seconds: how long all of it may take.

    Raises:
        HandshakeError: it is not usable.
    """
    parts = urlsplit(url)
    step = "connect"
    deadline = time.monotonic() + seconds
    try:
        with socket.create_connection((parts.hostname, parts.port), seconds) as line:
            wire = _Wire(line, deadline)
            step = "upgrade"
            wire.upgrade(parts.netloc)
            step = "engine.io"
            opened = wire.text()
            if not opened.startswith("0"):
                raise HandshakeError(step, f"expected the opening packet, got {opened[:60]!r}")
            step = "socket.io"
            wire.send(TEXT, b"40" + json.dumps(_who()).encode())
            answer = wire.text()
            while answer == "2":  # Engine.IO's own ping
                wire.send(TEXT, b"3")
                answer = wire.text()
            if not answer.startswith("40"):
                raise HandshakeError(step, f"the app refused the connection: {answer[:120]}")
            wire.send(CLOSE, struct.pack(">H", 1000))
    except TimeoutError as error:
        raise HandshakeError(step, f"no answer within {seconds:.0f} s") from error
    except OSError as error:
        raise HandshakeError(step, error.strerror or str(error) or "the line was cut") from error


def _who() -> dict[str, str]:
    """What a page says about itself."""
    return {
        "sessionId": str(uuid.uuid4()),
        "clientType": "webapp",
        "userEnv": "{}",
        "chatProfile": "",
        "threadId": "",
    }


class _Wire:
    """One connection, read to the byte, until a deadline."""

    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line = line
        self._deadline = deadline

    def upgrade(self, host: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {PATH} HTTP/1.1",
            f"Host: {host}",
            f"Origin: http://{host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self._line.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._read(1)
        status = head.split(b"\r\n")[0].decode("latin-1")
        if " 101" not in status:
            raise HandshakeError("upgrade", f"expected 101 Switching Protocols, got {status}")

    def send(self, kind: int, payload: bytes) -> None:
        """Send one frame, masked as a client must."""
        mask = os.urandom(4)
        size = (
            bytes([0x80 | len(payload)])
            if len(payload) < LONG
            else struct.pack(">BH", 0xFE, len(payload))
        )
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._line.sendall(bytes([0x80 | kind]) + size + mask + masked)

    def text(self) -> str:
        """The next text, past whatever the protocol says between."""
        while True:
            first, second = self._read(2)
            size = second & 0x7F
            if size == LONG:
                size = struct.unpack(">H", self._read(2))[0]
            elif size == LONGER:
                size = struct.unpack(">Q", self._read(8))[0]
            payload = self._read(size)
            kind = first & 0x0F
            if kind == TEXT:
                return payload.decode("utf-8", "replace")
            if kind == PING:
                self.send(PONG, payload)
            if kind == CLOSE:
                raise HandshakeError("socket.io", "it was closed at once")

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._line.settimeout(left)
            piece = self._line.recv(size - len(data))
            if not piece:
                raise ConnectionResetError(None, "it was closed without an answer")
            data += piece
        return data
