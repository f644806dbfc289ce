"""CLI up to 0.8: its own ``/openai`` and ``/foundry`` routes beside ``/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_gateway.dialects.base import (
    Catalog,
    Dialect,
    Fetch,
    fetch_json,
    fetch_names,
    path_segment,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds without a request after which the service unloads a model by itself. A day: the gateway
# loads on demand anyway, and a person should not pay for a cold start after lunch.
_TTL_SECONDS = 86_400


class Legacy(Dialect):
    """The first generation."""

    name = "legacy"
    status_path = "/openai/status"

    def recognises(self, status: Mapping[str, object]) -> bool:
        """Recognise ``{Endpoints, ModelDirPath, PipeName}``, however it is capitalised."""
        keys = {key.lower() for key in status}
        return "endpoints" in keys and bool(keys & {"modeldirpath", "pipename"})

    async def loaded(self, fetch: Fetch) -> tuple[str, ...]:
        """Return the names of the loaded variants."""
        return await fetch_names(fetch, "/openai/loadedmodels")

    async def catalog(self, fetch: Fetch) -> Catalog:
        """Return the catalog, which here tells aliases, and what is on disk."""
        answer = await fetch_json(fetch, "/foundry/list")
        entries = answer.get("models") if isinstance(answer, dict) else answer
        aliases: dict[str, str] = {}
        variants: list[str] = []
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                variants.append(entry["name"])
                if isinstance(entry.get("alias"), str):
                    aliases[entry["name"]] = entry["alias"]
        cached = await fetch_names(fetch, "/openai/models")
        known = set(variants)
        variants += [name for name in cached if name not in known]
        return Catalog(variants=tuple(variants), aliases=aliases, cached=frozenset(cached))

    def load_names(self, alias: str, variant: str | None) -> tuple[str, ...]:
        """Return the variant's name: loading knows no alias."""
        return (variant or alias,)

    def load_path(self, name: str) -> str:
        """Return the path whose GET loads a model."""
        return f"/openai/load/{path_segment(name)}?ttl={_TTL_SECONDS}"
