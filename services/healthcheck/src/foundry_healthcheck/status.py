"""The answer of ``/api/status``: what a person or a page needs to see what is wrong."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from foundry_healthcheck.alerts import untold
from foundry_healthcheck.history import instant
from foundry_healthcheck.parts import CHAT, FOUNDRY, GATEWAY, PROMETHEUS
from foundry_healthcheck.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundry_healthcheck.alerts import Alert
    from foundry_healthcheck.containers import ContainerState
    from foundry_healthcheck.history import PartState
    from foundry_healthcheck.prober import Prober
    from foundry_healthcheck.probing import Outcome

CORE = (FOUNDRY, GATEWAY, CHAT)
"""Without these nobody gets an answer; in the order in which one is the cause of the next."""


def describe(prober: Prober) -> dict[str, Any]:
    """Return the whole status as JSON."""
    states = tuple(prober.states.values())
    told = {state.part.name: state.state for state in states}
    more = untold(prober.alerts, told)
    # While Prometheus itself does not work, that is the trouble.
    error = prober.alerts.error if told.get(PROMETHEUS) in ("up", "slow") else None
    containers = troubled(prober)
    others = [*([error] if error else []), *map(_container_trouble, containers)]
    status, summary = judge(states, more, others)
    return {
        "status": status,
        "summary": summary,
        "version": __version__,
        "now": instant(time.time()),
        "started": instant(prober.started),
        "parts": [_part(state) for state in states],
        "alerts": {
            "items": [{**asdict(each), "told": each not in more} for each in prober.alerts.items],
            "error": prober.alerts.error,
            "told": error is None,
        },
        "containers": _containers(prober, containers),
    }


def troubled(prober: Prober) -> tuple[ContainerState, ...]:
    """Return the containers that are not as they should be, where no part shows that."""
    shown = {
        state.part.service
        for state in prober.states.values()
        if state.state in ("down", "starting", "unknown")
    }
    items = prober.containers.items if prober.containers else ()
    return tuple(item for item in items if item.trouble and item.service not in shown)


def _container_trouble(item: ContainerState) -> str:
    return f"The container of {item.service} is {item.trouble}."


def judge(
    states: tuple[PartState, ...], alerts: tuple[Alert, ...] = (), others: Sequence[str] = ()
) -> tuple[str, str]:
    """Return the whole stack's status and one sentence about it.

    Args:
        states: Every part.
        alerts: Those that fire and say more than the parts do.
        others: What else is wrong, a sentence each.
    """
    by_name = {state.part.name: state for state in states}
    core = [by_name[name] for name in CORE]
    # Foundry Local without a loaded model still answers: the gateway loads it for the first person.
    fatal = [each for each in core if each.state == "down" and not _is_idle(each)]
    if fatal:
        return "down", f"Chats get no answer. {_trouble(fatal[0])}"
    troubles = [
        _trouble(each) for word in ("down", "slow") for each in states if each.state == word
    ]
    troubles += [f"An alert fires: {each.summary}." for each in alerts]
    troubles += others
    if troubles:
        more = f" And {len(troubles) - 1} more." if len(troubles) > 1 else ""
        return "degraded", f"{troubles[0]}{more}"
    starting = [state for state in states if state.state in ("unknown", "starting")]
    if starting:
        names = ", ".join(state.part.title for state in starting)
        return "starting", f"Still to come: {names}."
    chat = by_name[CHAT]
    if chat.state == "skipped":
        why = chat.last.message if chat.last else ""
        return "up", f"Every part works; the model is not being asked. {why or ''}".strip()
    first = chat.judged.facts.get("time_to_first_chunk_seconds") if chat.judged else None
    if isinstance(first, int | float):
        return "up", f"Everything works; the last answer began after {_seconds(first)}."
    return "up", "Everything works."


def _is_idle(state: PartState) -> bool:
    return state.shown is not None and state.shown.reason == "no_model_loaded"


def _trouble(state: PartState) -> str:
    message = state.shown.message if state.shown else None
    return f"{state.part.title}: {message}"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _part(state: PartState) -> dict[str, Any]:
    part, shown = state.part, state.shown
    judged = state.judged
    return {
        "name": part.name,
        "title": part.title,
        "module": part.module,
        "target": part.target,
        "state": state.state,
        "since": instant(state.since),
        "last_run": instant(state.last_run),
        "last_success": instant(state.last_success),
        "duration_seconds": judged.duration if judged else None,
        "reason": shown.reason if shown else None,
        "message": shown.message if shown else None,
        "remedy": shown.remedy if shown else None,
        "facts": _facts(state),
        "history": [_entry(part.name, outcome) for outcome in state.history],
    }


def _facts(state: PartState) -> dict[str, Any]:
    return dict(state.judged.facts) if state.judged else {}


def _entry(name: str, outcome: Outcome) -> dict[str, Any]:
    value = outcome.facts.get("time_to_first_chunk_seconds") if name == CHAT else outcome.duration
    return {
        "at": instant(outcome.at),
        "outcome": outcome.state,
        "duration_seconds": outcome.duration,
        "reason": outcome.reason,
        "value": value,
    }


def _containers(prober: Prober, untold: tuple[ContainerState, ...]) -> dict[str, Any]:
    if prober.containers is None:
        return {"enabled": prober.settings.docker_view_url is not None, "items": [], "error": None}
    return {
        "enabled": True,
        "items": [
            {**asdict(item), "trouble": item.trouble if item in untold else None}
            for item in prober.containers.items
        ],
        "error": prober.containers.error,
    }
