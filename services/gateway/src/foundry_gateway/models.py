"""Which models are offered, in which state, and which one answers when none is named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from foundry_gateway.naming import belongs, may_belong
from foundry_gateway.settings import DEMO_ALIAS

if TYPE_CHECKING:
    from foundry_gateway.settings import Settings
    from foundry_gateway.upstream import Upstream

DEMO_DISPLAY_NAME = "Foundry demo (built-in demo)"
State = Literal["loaded", "available", "missing"]
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

    The demo model stands in as long as the wanted one cannot answer.
    """
    wanted = wanted_alias(upstream, settings)
    if upstream is None or model_state(upstream, wanted) != "missing":
        return wanted
    return DEMO_ALIAS if model_state(upstream, DEMO_ALIAS) != "missing" else wanted


def model_state(upstream: Upstream, alias: str) -> State:
    """Return a model's state, from what is known; asks nobody."""
    target = upstream.find(alias)
    if target.loaded:
        return "loaded"
    told = upstream.companion.model(alias) if upstream.companion else None
    if told is not None:
        return "available" if told.usable else "missing"
    if alias.lower() in upstream.not_cached:
        return "missing"
    catalog = upstream.catalog
    if catalog is None:
        # Nobody has told yet. The demo model exists only where it was seen.
        return "missing" if alias == DEMO_ALIAS else "available"
    if catalog.cached is not None:
        here = target.variant in catalog.cached
        return "available" if here or any(belongs(alias, v) for v in catalog.cached) else "missing"
    known = target.variant is not None or any(may_belong(alias, v) for v in catalog.variants)
    return "available" if known else "missing"


def list_models(upstream: Upstream | None, settings: Settings) -> list[dict[str, Any]]:
    """Return the entries of ``/v1/models``: the default first, then what answers soonest."""
    default = default_alias(upstream, settings)
    aliases = [default, wanted_alias(upstream, settings)]
    if upstream is not None:
        aliases += [upstream.alias_of(variant) for variant in upstream.loaded]
        if upstream.companion:
            aliases += [model.alias for model in upstream.companion.models.values()]
    embedded = upstream is not None and upstream.embedded
    offered = settings.offered[1:] if embedded else settings.offered
    distinct = {alias.lower(): alias for alias in reversed((*aliases, *offered))}
    entries = [_entry(upstream, alias, default) for alias in reversed(distinct.values())]
    return sorted(entries, key=_rank)


def find_model(
    upstream: Upstream | None, settings: Settings, wanted: str
) -> dict[str, Any] | None:
    """Return one entry by alias, bare name or variant id."""
    entries = {str(entry["id"]).lower(): entry for entry in list_models(upstream, settings)}
    entry = entries.get(wanted.lower())
    if entry is None and upstream is not None:
        target = upstream.find(wanted)
        entry = entries.get(target.alias.lower())
        if entry is None and target.variant is not None:
            entry = _entry(upstream, target.alias, default_alias(upstream, settings))
    return entry


def _rank(entry: dict[str, Any]) -> tuple[bool, int]:
    info = entry["foundry"]
    return (not info["default"], _ORDER[info["state"]])


def _entry(upstream: Upstream | None, alias: str, default: str) -> dict[str, Any]:
    demo = alias.lower() == DEMO_ALIAS
    variant, state, context, download = None, _unknown_state(), None, None
    if upstream is not None:
        target = upstream.find(alias)
        variant = target.variant
        state = model_state(upstream, alias)
        context = upstream.context_length(alias, variant)
        told = upstream.companion.model(alias) if upstream.companion else None
        if told is not None:
            demo = demo or told.demo
            if told.state == "downloading":
                download = {key: (told.progress or {}).get(key) for key in _PROGRESS_FIELDS}
    info = ModelInfo(
        variant=variant,
        state=state,
        context_length=context,
        default=alias.lower() == default.lower(),
        demo=demo,
        download=download,
        display_name=DEMO_DISPLAY_NAME if demo else alias,
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


def _unknown_state() -> State:
    return "missing"
