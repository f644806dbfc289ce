"""The answer of ``/status``: everything a person or a page needs to see what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from foundry_gateway.loading import not_cached, not_found
from foundry_gateway.models import default_alias, list_models, model_state
from foundry_gateway.version import __version__

if TYPE_CHECKING:
    from foundry_gateway.errors import GatewayError
    from foundry_gateway.fleet import Fleet
    from foundry_gateway.relay import Services
    from foundry_gateway.settings import Settings
    from foundry_gateway.upstream import Upstream


class LastError:
    """The latest trouble, kept for ``/status``."""

    def __init__(self) -> None:
        self._error: GatewayError | None = None
        self._at = ""

    def note(self, error: GatewayError) -> None:
        """Remember an error that is about the stack, not about a request."""
        self._error = error
        self._at = _instant(datetime.now(UTC).timestamp())

    def describe(self) -> dict[str, Any] | None:
        """Return it as JSON."""
        return {**summary(self._error), "at": self._at} if self._error else None


def summary(error: GatewayError) -> dict[str, Any]:
    """Return what a page shows of an error."""
    return {
        "code": error.code,
        "cause": error.cause,
        "message": error.message,
        "remedy": error.remedy,
    }


def describe(services: Services, last_error: LastError) -> dict[str, Any]:
    """Return the whole status."""
    fleet, settings, admission = services.fleet, services.settings, services.admission
    active = fleet.active
    models = list_models(active, settings)
    ready = can_answer(services)
    preferred = fleet.upstreams[0]
    healthy = ready and active is preferred
    return {
        "status": "ok" if healthy else "degraded" if active else "down",
        "ready": ready,
        "version": __version__,
        "dialect": active.dialect.name if active and active.dialect else None,
        "upstreams": [
            _upstream(upstream, active=upstream is active) for upstream in visible(fleet)
        ],
        "default_model": default_alias(active, settings),
        "models": models,
        "downloads": _downloads(active),
        "notices": list(active.companion.notices) if active and active.companion else [],
        "queue": {
            "active": admission.active,
            "waiting": admission.waiting,
            "limit": admission.limit,
            "max_waiting": admission.max_waiting,
        },
        "last_error": last_error.describe(),
    }


def can_answer(services: Services) -> bool:
    """Say whether a chat that names no model would be answered now."""
    active = services.fleet.active
    return active is not None and any(
        entry["foundry"]["default"] and entry["foundry"]["state"] != "missing"
        for entry in list_models(active, services.settings)
    )


def not_ready(upstream: Upstream, settings: Settings) -> GatewayError:
    """Say why a chat that names no model would not be answered."""
    alias = default_alias(upstream, settings)
    known = model_state(upstream, alias) == "missing" and upstream.knows(alias)
    error = not_cached(upstream, alias) if known else not_found(upstream, alias)
    error.status = 503
    return error


def visible(fleet: Fleet) -> list[Upstream]:
    """Return the upstreams worth showing: not a stack runtime that was never started."""
    return [
        upstream
        for upstream in fleet.upstreams
        if not (upstream.optional and upstream.error and upstream.error.cause == "name_not_resolved")
    ]


def _upstream(upstream: Upstream, *, active: bool) -> dict[str, Any]:
    return {
        "url": upstream.url,
        "embedded": upstream.embedded,
        "state": upstream.state,
        "dialect": upstream.dialect.name if upstream.dialect else None,
        "active": active,
        "since": _instant(upstream.since),
        "error": summary(upstream.error) if upstream.error else None,
    }


def _downloads(upstream: Upstream | None) -> list[dict[str, Any]]:
    if upstream is None or upstream.companion is None:
        return []
    return [
        {
            "alias": model.alias,
            "state": model.state,
            **{
                key: (model.progress or {}).get(key)
                for key in ("bytes", "total_bytes", "bytes_per_second", "seconds_left", "percent")
            },
        }
        for model in upstream.companion.models.values()
        if model.state in ("downloading", "failed")
    ]


def _instant(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
