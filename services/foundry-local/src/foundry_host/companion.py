"""The companion: a read-only status server on the port after the web service's.

``GET /status`` answers::

    {"foundry_host": "0.1.0", "runtime": "foundry-local-sdk 2.2.1", "embedded": false,
     "models": [{"alias": "qwen2.5-0.5b", "variant": "qwen2.5-0.5b-instruct-generic-cpu:4",
                 "state": "waiting|downloading|cached|loading|loaded|failed", "demo": false,
                 "context_length": 32768,
                 "progress": {"bytes", "total_bytes", "bytes_per_second", "seconds_left",
                              "percent"},
                 "error": {"message", "remedy"}}],
     "execution_providers": [{"name": "CUDAExecutionProvider", "state": "registered"}],
     "notices": [{"code": "public_catalog_unreachable", "message": "…"}]}

It exists because Foundry Local itself says nothing of downloads, context lengths or notices. It
reveals no paths and accepts no commands.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from foundry_host import __version__
from foundry_host.http_server import JsonServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundry_host.settings import Address


class Companion:
    """Serves ``status()`` at every one of ``addresses`` until closed."""

    def __init__(
        self,
        addresses: tuple[Address, ...],
        status: Callable[[], dict[str, Any]],
        *,
        runtime: str,
        embedded: bool,
    ) -> None:
        self._status = status
        self._fixed = {"foundry_host": __version__, "runtime": runtime, "embedded": embedded}
        self._servers: list[JsonServer] = []
        try:
            for address in addresses:
                self._servers.append(JsonServer(address.host, address.port, self._answer))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.close()

    def _answer(self, request: Request) -> Response:
        if request.path != "/status":
            return Response(HTTPStatus.NOT_FOUND, {"error": "only GET /status is served here"})
        if request.method not in {"GET", "HEAD"}:
            return Response(
                HTTPStatus.METHOD_NOT_ALLOWED, {"error": "read-only"}, {"Allow": "GET, HEAD"}
            )
        return Response(HTTPStatus.OK, self._fixed | self._status())
