"""The private catalog: an HTTP server on loopback that the runtime reads its models from.

2.x posts its filters to a path that must end in ``/asset-gallery/v1.0/models``; the 1.x core posts
to the same path plus ``/entities/crossRegion``. A query that names models gets only those, any
other query gets all: the runtime filters again by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from foundry_host.catalog_entry import catalog_entry, v1_page, v2_page
from foundry_host.http_server import JsonServer, Request, Response
from foundry_host.model_directory import LocalModel

#: The runtime refuses catalog addresses whose path ends otherwise.
V2_PATH = "/asset-gallery/v1.0/models"
V1_PATH = f"{V2_PATH}/entities/crossRegion"


class CatalogServer:
    """Serves the catalog entries of ``models`` on a free loopback port until closed."""

    def __init__(self, models: Callable[[], list[LocalModel]]) -> None:
        self._models = models
        self._server = JsonServer("127.0.0.1", 0, self._answer)

    @property
    def url(self) -> str:
        """The catalog's address, as ``Configuration(catalog_urls=…)`` wants it."""
        return f"http://127.0.0.1:{self._server.port}{V2_PATH}"

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def _answer(self, request: Request) -> Response:
        if request.method != "POST" or request.path not in {V1_PATH, V2_PATH}:
            return Response(HTTPStatus.NOT_FOUND, {"error": "not a catalog query"})
        entries = [catalog_entry(model) for model in self._models()]
        if request.path == V1_PATH:
            return Response(HTTPStatus.OK, v1_page(entries))
        names = queried_names(request.body)
        if names is not None:
            entries = [entry for entry in entries if entry["properties"]["name"] in names]
        return Response(HTTPStatus.OK, v2_page(entries))


def queried_names(body: bytes) -> set[str] | None:
    """The model names that a catalog query asks for, or ``None`` when it asks for all."""
    try:
        query: Any = json.loads(body or b"{}")
    except ValueError:
        return None
    filters = query.get("filters") if isinstance(query, dict) else None
    for item in filters if isinstance(filters, list) else ():
        if isinstance(item, dict) and item.get("field") == "name":
            return {str(value) for value in item.get("values") or ()}
    return None
