"""Models: which are loaded, and whether the wanted one is there."""

from collections.abc import Mapping, Sequence
from typing import Any

from lib.doctor.local import Sighting, catalog, has_command, sightings
from lib.doctor.results import Check, Result, failed, ok, skipped, warning
from lib.doctor.runtime import APPLY, GROUP
from lib.doctor.scene import Scene
from lib.doctor.shell import script
from lib.sources import naming

DEFAULT_MODEL = "phi-4-mini"
MOST_NAMES = 8


def check_models(scene: Scene) -> Result:
    """The wanted model answers, or why not and what could instead."""
    status = scene.gateway_status()
    here = next((one for one in sightings(scene) if one.generation), None)
    if any(one["state"] == "up" for one in status.get("upstreams", [])):
        return as_the_gateway_sees_it(scene, status, here)
    if here is None:
        return skipped("no Foundry Local answers")
    return as_the_runtime_tells(scene, here)


def as_the_gateway_sees_it(
    scene: Scene, status: Mapping[str, Any], here: Sighting | None
) -> Result:
    """Judge by the gateway's `/status`, which knows aliases, states and downloads."""
    active: Mapping[str, Any] = next((one for one in status["upstreams"] if one["active"]), {})
    setting = "EMBEDDED_MODEL" if active.get("embedded") else "MODEL"
    default = "qwen2.5-0.5b" if active.get("embedded") else DEFAULT_MODEL
    wanted = scene.settings.get(setting, default)
    states = {one["id"]: one["foundry"]["state"] for one in status["models"]}
    answers = str(status["default_model"])
    if wanted.lower() not in map(str.lower, states):
        wanted = answers  # the gateway was started with other settings than these
    state = next((s for name, s in states.items() if name.lower() == wanted.lower()), "missing")
    loaded = [name for name, one in states.items() if one == "loaded"]
    facts = {
        "wanted": wanted,
        "setting": setting,
        "state": state,
        "loaded": loaded,
        "states": states,
    }

    coming: Mapping[str, Any] = next((d for d in status["downloads"] if d["alias"] == wanted), {})
    if coming.get("state") == "downloading":
        percent = f"{coming.get('percent') or 0:.0f} %"
        message = f"{wanted} is being downloaded ({percent}); {answers} answers meanwhile"
        return Result("info", message, facts=facts)
    if state == "missing" and not active.get("embedded"):
        asked_for = scene.settings.own(setting)
        offered = catalog(here) if here else []
        known = any(naming.may_belong(wanted, name) for name in offered)
        result = not_there(scene, wanted, known=known, loaded=loaded, offered=offered, facts=facts)
        if status["ready"] and not asked_for:
            message = f"{result.message}; the built-in demo model answers instead"
            return Result("warning", message, result.remedy, facts)
        return result
    if state == "missing":
        message = f"{wanted} could not be had; {answers} answers instead"
        return Result("warning", message, "docker compose logs foundry-local", facts)
    if not loaded:
        return none_loaded(wanted, here, facts, embedded=bool(active.get("embedded")))
    others = [name for name in loaded if name != wanted]
    also = f"; also loaded: {', '.join(others[:MOST_NAMES])}" if others else ""
    return ok(
        f"{wanted} is {'loaded' if state == 'loaded' else 'there, and loaded when asked'}{also}",
        **facts,
    )


def as_the_runtime_tells(scene: Scene, here: Sighting) -> Result:
    """Judge by Foundry Local's own lists, which mostly know variants."""
    wanted = scene.settings.get("MODEL", DEFAULT_MODEL)
    facts: dict[str, Any] = {"wanted": wanted, "setting": "MODEL", "loaded": list(here.loaded)}
    if any(naming.belongs(wanted, name) for name in here.loaded):
        return ok(f"{wanted} is loaded", **facts)
    offered = catalog(here)
    if not any(naming.may_belong(wanted, name) for name in offered):
        loaded = _aliases(here.loaded)
        return not_there(scene, wanted, known=False, loaded=loaded, offered=offered, facts=facts)
    if not here.loaded:
        return none_loaded(wanted, here, facts)
    names = ", ".join(_aliases(here.loaded))
    return ok(f"{names} is loaded; {wanted} is loaded when asked, if it is downloaded", **facts)


def none_loaded(
    wanted: str, here: Sighting | None, facts: Mapping[str, Any], *, embedded: bool = False
) -> Result:
    """Foundry Local runs without a model in memory.

    Args:
        wanted: What is to answer.
        here: The Foundry Local of this machine; None where that is not the one.
        facts: For programs.
        embedded: Whether it is the one in the container, which no command line reaches.
    """
    load = ""
    if embedded:
        load = "docker compose restart foundry-local"
    elif here is not None and has_command():
        load = f"foundry model load {wanted}"
    elif here is not None:
        routes = "openai" if here.generation == "legacy" else "models"
        load = f"curl {here.base}/{routes}/load/{wanted}"
    return warning(
        f"no model is loaded; the next question loads {wanted} first, which takes a while",
        f"Ask a question, or load it now: {load}" if load else "Ask a question in the chat",
        **facts,
    )


def not_there(
    scene: Scene,
    wanted: str,
    *,
    known: bool,
    loaded: Sequence[str],
    offered: Sequence[str],
    facts: Mapping[str, Any],
) -> Result:
    """The wanted model is not on disk, or Foundry Local has never heard of it."""
    command = has_command()
    if known:
        own = script("foundry_host.py", "--model", wanted)
        download = f"foundry model download {wanted}   (or: {own})" if command else own
        return failed(f"{wanted} is in the catalog but not downloaded", download, **facts)
    rest = "   (all there are: foundry model list)"
    names = list(dict.fromkeys([*loaded, *_aliases(offered)]))
    shown = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
    return failed(
        f"no such model: Foundry Local knows no {wanted}" + (f"; it has {shown}" if names else ""),
        f"Set MODEL to one of these in {scene.settings.place('MODEL')}, then: {APPLY}"
        + (rest if command else ""),
        **{**facts, "alternatives": names},
    )


def _aliases(variants: Sequence[str]) -> list[str]:
    """What a person would call these variants."""
    return list(dict.fromkeys(naming.alias_guesses(variant)[0] for variant in variants))


CHECKS = (
    Check(
        "models",
        "Models",
        GROUP,
        check_models,
        needs=("foundry",),
        after=("foundry-from-containers",),
    ),
)
