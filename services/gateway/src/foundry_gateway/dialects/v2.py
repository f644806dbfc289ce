"""SDK 2.x (CLI 0.11 is built on it): chat wants ``name:version``, loading wants the alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_gateway.dialects.base import (
    Catalog,
    Dialect,
    Fetch,
    fetch_names,
    fetch_openai_models,
    path_segment,
)
from foundry_gateway.naming import alias_guesses

if TYPE_CHECKING:
    from collections.abc import Mapping


class V2(Dialect):
    """The current generation."""

    name = "v2"
    status_path = "/status"

    def recognises(self, status: Mapping[str, object]) -> bool:
        """Recognise ``{endpoints, modelCachePath, pid}``."""
        return "modelCachePath" in status

    async def loaded(self, fetch: Fetch) -> tuple[str, ...]:
        """Return ``name:version`` of the loaded variants."""
        return await fetch_names(fetch, "/models/loaded")

    async def catalog(self, fetch: Fetch) -> Catalog:
        """Return every catalog variant; the runtime tells neither aliases nor what is cached."""
        entries = await fetch_openai_models(fetch)
        return Catalog(variants=tuple(str(entry["id"]) for entry in entries))

    def load_names(self, alias: str, variant: str | None) -> tuple[str, ...]:
        """Return the alias, then what the alias of the variant may be.

        Never an id: that is a 404, and a slow one when the catalog is unreachable.
        """
        names = dict.fromkeys((alias, *alias_guesses(variant or alias)))
        return tuple(name for name in names if ":" not in name)

    def load_path(self, name: str) -> str:
        """Return the path whose GET loads a model."""
        return f"/models/load/{path_segment(name)}"
