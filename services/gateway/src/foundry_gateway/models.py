"""Which models are offered, in which state, and which one answers when none is named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from foundry_gateway.settings import DEMO_ALIAS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundry_gateway.companion import CompanionModel
    from foundry_gateway.inventory import State
    from foundry_gateway.settings import Settings
    from foundry_gateway.upstream import Upstream

DEMO_DISPLAY_NAME = "Foundry demo (built-in demo)"
_ORDER: dict[State, int] = {"loaded": 0, "available": 1, "missing": 2}
_PROGRESS_FIELDS = ("bytes", "total_bytes", "bytes_per_second", "seconds_left", "percent")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the gateway adds to a model under ``foundry``."""

    variant: str | None
    state: State
    context_length: int | None
    default: bool
    demo: bool
    download: dict[str, Any] | None
    display_name: str


def wanted_alias(upstream: Upstream | None, settings: Settings) -> str:
    """Return the alias that the configuration wants on an upstream."""
    return settings.embedded_model if upstream and upstream.embedded else settings.model


def default_alias(upstream: Upstream | None, settings: Settings) -> str:
    """Return the alias that answers when a request names none.

    The demo model stands in for as long as the wanted one cannot answer, where there is one.
    """
    wanted = wanted_alias(upstream, settings)
    if upstream is None or upstream.inventory.state(wanted) != "missing":
        return wanted
    return DEMO_ALIAS if _demo_is_here(upstream) else wanted


def list_models(upstream: Upstream | None, settings: Settings) -> list[dict[str, Any]]:
    """Return the entries of ``/v1/models``: the default first, then what answers soonest."""
    default = default_alias(upstream, settings)
    aliases = {alias.lower(): alias for alias in _aliases(upstream, settings)}
    entries = [_entry(upstream, alias, default) for alias in aliases.values()]
    return sorted(entries, key=_rank)


def find_model(upstream: Upstream | None, settings: Settings, wanted: str) -> dict[str, Any] | None:
    """Return one entry by alias, bare name or variant id."""
    entries = {str(entry["id"]).lower(): entry for entry in list_models(upstream, settings)}
    entry = entries.get(wanted.lower())
    if entry is None and upstream is not None:
        target = upstream.inventory.find(wanted)
        entry = entries.get(target.alias.lower())
        if entry is None and target.variant is not None:
            entry = _entry(upstream, target.alias, default_alias(upstream, settings))
    return entry


def progress(model: CompanionModel) -> dict[str, Any]:
    """Return a download's progress with every field present, null where it is not known."""
    return {key: (model.progress or {}).get(key) for key in _PROGRESS_FIELDS}


def _aliases(upstream: Upstream | None, settings: Settings) -> Iterator[str]:
    yield wanted_alias(upstream, settings)
    if upstream is not None:
        inventory = upstream.inventory
        if inventory.companion:
            yield from (model.alias for model in inventory.companion.models.values())
        yield from (inventory.alias_of(variant) for variant in inventory.loaded)
    # MODEL is what the host should have; the stack's own runtime answers with EMBEDDED_MODEL.
    yield from settings.offered[1:] if upstream and upstream.embedded else settings.offered


def _demo_is_here(upstream: Upstream) -> bool:
    inventory = upstream.inventory
    known = inventory.find(DEMO_ALIAS).variant is not None
    return known and inventory.state(DEMO_ALIAS) != "missing"


def _rank(entry: dict[str, Any]) -> tuple[bool, int]:
    info = entry["foundry"]
    return (not info["default"], _ORDER[info["state"]])


def _entry(upstream: Upstream | None, alias: str, default: str) -> dict[str, Any]:
    demo = alias.lower() == DEMO_ALIAS
    info = ModelInfo(
        variant=None,
        state="missing",
        context_length=None,
        default=alias.lower() == default.lower(),
        demo=demo,
        download=None,
        display_name=DEMO_DISPLAY_NAME if demo else alias,
    )
    if upstream is not None:
        inventory = upstream.inventory
        variant = inventory.find(alias).variant
        told = inventory.described(alias)
        info = ModelInfo(
            variant=variant,
            state=inventory.state(alias),
            context_length=inventory.context_length(alias, variant),
            default=info.default,
            demo=demo or (told is not None and told.demo),
            download=progress(told) if told and told.state == "downloading" else None,
            display_name=info.display_name,
        )
    return {
        "id": alias,
        "object": "model",
        "created": int(upstream.since) if upstream else 0,
        "owned_by": "foundry-local",
        # Open WebUI and others show it instead of the id.
        "name": info.display_name,
        "foundry": asdict(info),
    }
