"""A small threaded HTTP server that answers in JSON: the private catalog and the companion."""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Catalog queries are a few hundred bytes; nothing honest sends more than this.
_MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler is given."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler gives back: a value to encode as JSON, or bytes that are JSON already."""

    status: HTTPStatus
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class JsonServer:
    """Serves ``handler`` at ``host:port`` on background threads until closed."""

    def __init__(self, host: str, port: int, handler: Callable[[Request], Response]) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server_class = type("_Server", (_Server,), {"address_family": family})
        self._server = server_class((host, port), _handler_class(handler))
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name=f"http-{self.port}",
            daemon=True,
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that was bound, also when 0 was asked for."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop accepting and release the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows this option would let a second process share the port in silence.
    allow_reuse_address = os.name != "nt"


def _handler_class(handler: Callable[[Request], Response]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > _MAX_BODY:
                self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            request = Request(
                method=self.command,
                path=self.path.partition("?")[0],
                headers=dict(self.headers.items()),
                body=self.rfile.read(length),
            )
            response = handler(request)
            body = response.body
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(response.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(payload)

        do_GET = do_HEAD = do_POST = _serve  # noqa: N815 - names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Say nothing: the runtime's queries are not news."""

    return Handler
