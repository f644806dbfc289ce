"""The answer of ``/status``: everything a person or a page needs to see what is wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from foundry_gateway.loading import not_cached, not_found
from foundry_gateway.models import default_alias, list_models, progress
from foundry_gateway.version import __version__

if TYPE_CHECKING:
    from foundry_common.bodies import Budget
    from foundry_gateway.admission import Admission
    from foundry_gateway.errors import GatewayError, ModelNotCachedError, ModelNotFoundError
    from foundry_gateway.fleet import Fleet
    from foundry_gateway.settings import Settings
    from foundry_gateway.upstream import Upstream


class Status:
    """Describes a gateway.

    Args:
        settings: Its settings.
        fleet: Its upstreams.
        admission: Its queue.
        budget: What the bodies may take.
    """

    def __init__(
        self, settings: Settings, fleet: Fleet, admission: Admission, budget: Budget
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._admission = admission
        self._budget = budget
        self._last_error: GatewayError | None = None
        self._last_error_at = 0.0

    def note(self, error: GatewayError) -> None:
        """Remember an error that everybody should know of.

        Not what is only about the request that met it: anybody may look at the status, and a
        model's name or the runtime's sentence may be a caller's own words.
        """
        if error.event is not None:
            self._last_error = error
            self._last_error_at = time.time()

    def obstacle(self) -> GatewayError | None:
        """Return what keeps a chat that names no model from being answered now, if anything."""
        active = self._fleet.active
        if active is None:
            return self._fleet.error
        alias = default_alias(active, self._settings)
        inventory = active.inventory
        if inventory.state(alias) != "missing":
            return None
        known = inventory.described(alias) is not None or inventory.may_know(alias)
        error: ModelNotCachedError | ModelNotFoundError
        error = not_cached(active, alias) if known else not_found(active, alias)
        error.status = 503
        return error

    def describe(self) -> dict[str, Any]:
        """Return the whole status as JSON."""
        active = self._fleet.active
        ready = self.obstacle() is None
        told = active.inventory.companion if active else None
        return {
            "status": self._word(active, ready=ready),
            "ready": ready,
            "version": __version__,
            "dialect": active.dialect.name if active and active.dialect else None,
            "upstreams": [
                _upstream(upstream, active=upstream is active) for upstream in self._fleet.visible
            ],
            "default_model": default_alias(active, self._settings),
            "models": list_models(active, self._settings),
            "downloads": [
                {"alias": model.alias, "state": model.state, **progress(model)}
                for model in (told.models.values() if told else ())
                if model.state in ("downloading", "failed")
            ],
            "notices": list(told.notices) if told else [],
            "queue": {
                "active": self._admission.active,
                "waiting": self._admission.waiting,
                "limit": self._admission.limit,
                "max_waiting": self._admission.max_waiting,
                "prompt_tokens": {
                    "active": self._admission.active_tokens,
                    "limit": self._admission.max_tokens,
                },
                "bodies": {"held": self._budget.held, "limit": self._budget.total},
            },
            "last_error": self._describe_last_error(),
        }

    def _word(self, active: Upstream | None, *, ready: bool) -> str:
        if active is None:
            return "down"
        # A preferred runtime that never answered is not missed; one that has gone away is.
        preferred = self._fleet.upstreams[: self._fleet.upstreams.index(active)]
        lost = any(upstream.was_up for upstream in preferred)
        return "ok" if ready and not lost else "degraded"

    def _describe_last_error(self) -> dict[str, Any] | None:
        if self._last_error is None:
            return None
        return {**_summary(self._last_error), "at": _instant(self._last_error_at)}


def _summary(error: GatewayError) -> dict[str, Any]:
    problem, remedy = error.event or (error.message, error.remedy)
    return {
        "code": error.code,
        "cause": error.cause,
        "problem": problem,
        # The problem alone, for those who read it before there was a `problem`.
        "message": problem,
        "remedy": remedy,
        "detail": getattr(error, "detail", "") or None,
    }


def _upstream(upstream: Upstream, *, active: bool) -> dict[str, Any]:
    return {
        "url": upstream.url,
        "embedded": upstream.embedded,
        "state": upstream.state,
        "dialect": upstream.dialect.name if upstream.dialect else None,
        "active": active,
        "since": _instant(upstream.since),
        "error": _summary(upstream.error) if upstream.error else None,
    }


def _instant(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
