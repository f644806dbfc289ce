"""The private catalog: an HTTP server on loopback that the runtime reads its models from.

2.x posts its filters to a path that must end in ``/asset-gallery/v1.0/models``; the 1.x core posts
to the same path plus ``/entities/crossRegion``. Beside the private catalog it offers the relay to
the public one.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from foundry_host.catalog_entry import catalog_entry, v1_page, v2_page
from foundry_host.catalog_query import Entry, matching
from foundry_host.http_server import JsonServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundry_host.model_directory import LocalModel
    from foundry_host.public_catalog import PublicCatalog

#: The runtime refuses catalog addresses whose path ends otherwise.
V2_PATH = "/asset-gallery/v1.0/models"
V1_PATH = f"{V2_PATH}/entities/crossRegion"
RELAY_PATH = f"/public{V2_PATH}"


class CatalogServer:
    """Serves the catalog entries of ``models`` on a free loopback port until closed."""

    def __init__(
        self, models: Callable[[], list[LocalModel]], public: PublicCatalog | None = None
    ) -> None:
        self._models = models
        self._public = public
        self._server = JsonServer("127.0.0.1", 0, self._answer)

    @property
    def url(self) -> str:
        """The private catalog's address, as ``Configuration(catalog_urls=…)`` wants it."""
        return f"http://127.0.0.1:{self._server.port}{V2_PATH}"

    @property
    def urls(self) -> list[str]:
        """The private catalog and, where there is one, the relay to the public one."""
        relay = f"http://127.0.0.1:{self._server.port}{RELAY_PATH}"
        return [self.url, relay] if self._public else [self.url]

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def _answer(self, request: Request) -> Response:
        if request.method == "POST":
            if request.path == V2_PATH:
                return Response(HTTPStatus.OK, v2_page(matching(self._entries(), request.body)))
            if request.path == V1_PATH:
                return Response(HTTPStatus.OK, v1_page(self._entries()))
            if request.path == RELAY_PATH and self._public:
                answer = self._public.answer(request.body, request.headers)
                return Response(HTTPStatus.OK, answer.body, answer.headers)
        return Response(HTTPStatus.NOT_FOUND, {"error": "not a catalog query"})

    def _entries(self) -> list[Entry]:
        return [catalog_entry(model) for model in self._models()]
