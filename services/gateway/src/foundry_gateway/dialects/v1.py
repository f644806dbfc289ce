"""SDK 1.x core and CLI 0.10: alias, name and id are all understood everywhere.

Two traps: a load that fails is a 500 without a word, and a *streamed* request that is refused is a
200 whose body breaks off at once. Why, only the same request without streaming tells.
"""

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

if TYPE_CHECKING:
    from collections.abc import Mapping


class V1(Dialect):
    """The generation before the current one."""

    name = "v1"
    status_path = "/status"
    refuses_streams_in_silence = True
    dies_of_wrong_embeddings = True

    def recognises(self, status: Mapping[str, object]) -> bool:
        """Recognise ``{endpoints, modelDirPath, …}``."""
        return "modelDirPath" in status and "endpoints" in status

    async def loaded(self, fetch: Fetch) -> tuple[str, ...]:
        """Return ``name:version`` of the loaded variants."""
        return await fetch_names(fetch, "/models/loaded")

    async def catalog(self, fetch: Fetch) -> Catalog:
        """Return every catalog variant; ids come without a version."""
        entries = await fetch_openai_models(fetch)
        return Catalog(
            variants=tuple(str(entry["id"]) for entry in entries),
            aliases={
                str(entry["id"]): str(entry["parent"])
                for entry in entries
                if isinstance(entry.get("parent"), str)
            },
        )

    def load_names(self, alias: str, variant: str | None) -> tuple[str, ...]:
        """Return the variant if known, which is exact, then the alias."""
        return tuple(dict.fromkeys((variant, alias) if variant else (alias,)))

    def load_path(self, name: str) -> str:
        """Return the path whose GET loads a model."""
        return f"/models/load/{path_segment(name)}"
