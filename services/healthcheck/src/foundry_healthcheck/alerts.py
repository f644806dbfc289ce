"""What Prometheus' alerts say now, and which of it no probe has said already."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/api/v1/alerts"
RUNBOOK = "/alerts"
"""Where this prober serves docs/alerts.md."""
_OK = 200
_SECONDS = 5.0
_MOST_BYTES = 1024 * 1024
MOST = 50
"""Alerts that are shown; there are fewer rules."""
_LONGEST_TEXT = 600
_ALL = ("foundry", "gateway", "chat")

ABOUT: dict[str, tuple[str, ...]] = {
    "ChatErrorBudgetBurn": _ALL,
    "ChatFirstChunkBudgetBurn": _ALL,
    "ChatSlowFirstToken": _ALL,
    "ChatStreamsBreak": _ALL,
    "ChatNotAnswering": _ALL,
    "FoundryLocalDown": ("foundry",),
    "FoundryLocalNoModelLoaded": ("foundry",),
    "ModelLoadFailing": ("foundry",),
    "GatewayDown": ("gateway",),
    "GatewaySaturated": (),
    "ChainlitSocketDown": ("chainlit-socket",),
    "PageDown": (),
    "TargetMissing": (),
    "ProbeStale": (),
    "PrometheusNotRecording": ("prometheus",),
    "RulesFailing": (),
    "ContainerRestarting": (),
    "ContainerMemoryNearLimit": (),
}
"""Parts that are the cause of an alert while they do not work; the labels may name one more."""
_NAMING = ("probe", "job", "service")
_PARTS = {"webgpu-static": "webgpu", "foundry-local": "foundry"}
"""Parts by the name of their service, where the two differ."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert that fires."""

    name: str
    severity: str
    """``page`` or ``ticket``."""
    summary: str
    description: str
    remedy: str
    since: str | None
    """ISO 8601, UTC."""
    parts: tuple[str, ...]
    """What it is about: where one of these does not work, that is the cause, and shown already."""
    runbook: str | None = None
    """Path of the page that says what it means; None for a rule that is not the stack's."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """What fires; ``error`` is why that is not known."""

    items: tuple[Alert, ...] = ()
    error: str | None = None


async def read(http: aiohttp.ClientSession, url: str) -> Alerts:
    """Ask Prometheus what fires; raises nothing but cancellation.

    Args:
        http: The client.
        url: Where Prometheus is.
    """
    try:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with http.get(url + PATH, timeout=timeout, allow_redirects=False) as answer:
            body = await _bounded(answer)
            if answer.status != _OK:
                return Alerts(error=f"Prometheus answers with status {answer.status}.")
    except (aiohttp.ClientError, OSError):
        return Alerts(error="Prometheus does not answer: whether an alert fires is not known.")
    try:
        return Alerts(parse(json.loads(body)))
    except (ValueError, RecursionError):
        return Alerts(error="Prometheus' answer about its alerts cannot be read.")


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _MOST_BYTES:
            break
    return bytes(body)


def parse(answer: Any) -> tuple[Alert, ...]:
    """Return the alerts that fire, those that want somebody now first.

    Args:
        answer: The JSON of Prometheus' ``/api/v1/alerts``.

    Raises:
        ValueError: It is something else.
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    listed = data.get("alerts") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a list of alerts")  # noqa: TRY004 - as any other that is no answer
    firing = [one for one in listed if isinstance(one, dict) and one.get("state") == "firing"]
    alerts = sorted(
        map(_alert, firing), key=lambda each: (each.severity != "page", each.since or "")
    )
    # One that fires for several windows, or in two severities, is one to a reader.
    found: dict[tuple[str, tuple[str, ...]], Alert] = {}
    for each in alerts:
        found.setdefault((each.name, each.parts), each)
    return tuple(found.values())[:MOST]


def untold(alerts: Alerts, states: Mapping[str, str]) -> tuple[Alert, ...]:
    """Return the alerts that say more than the parts do.

    Args:
        alerts: What fires.
        states: State by name of part.
    """
    return tuple(
        each
        for each in alerts.items
        if not any(states.get(name) in ("down", "starting") for name in each.parts)
    )


def _alert(one: dict[str, Any]) -> Alert:
    labels, texts = _texts(one.get("labels")), _texts(one.get("annotations"))
    name = labels.get("alertname") or "An alert"
    named = [labels[label] for label in _NAMING if label in labels]
    parts = (*ABOUT.get(name, ()), *(_PARTS.get(each, each) for each in named))
    return Alert(
        name=name,
        severity="page" if labels.get("severity") == "page" else "ticket",
        summary=texts.get("summary") or f"{name} fires",
        description=texts.get("description", ""),
        remedy=texts.get("remedy", ""),
        since=_instant(_texts(one).get("activeAt", "")),
        parts=tuple(dict.fromkeys(parts)),
        runbook=f"{RUNBOOK}#{name.lower()}" if name in ABOUT else None,
    )


def _instant(text: str) -> str | None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return text


def _texts(given: object) -> dict[str, str]:
    """Return the texts of an object, each on one line and of a bounded length."""
    if not isinstance(given, dict):
        return {}
    return {
        str(name): _line(text)[:_LONGEST_TEXT]
        for name, text in given.items()
        if isinstance(text, str)
    }


def _line(text: str) -> str:
    """Return a text on one line, and without what would move a terminal's cursor."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
