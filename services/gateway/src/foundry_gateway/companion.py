"""What the host's companion server tells about its models: one port above Foundry Local's.

Foundry Local has no route for what is cached, what is downloading or how long a context is;
``foundry_host`` publishes it beside the runtime. Without a companion the gateway works the same,
it only knows less.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CompanionModel:
    """One model as the companion describes it."""

    alias: str
    variant: str | None
    state: str
    demo: bool
    context_length: int | None
    progress: Mapping[str, Any] | None
    error: str | None
    remedy: str = ""

    @property
    def usable(self) -> bool:
        """Whether a load can succeed without a download."""
        return self.state in ("cached", "loading", "loaded")


@dataclass(frozen=True, slots=True)
class Companion:
    """The companion's whole answer."""

    embedded: bool = False
    models: Mapping[str, CompanionModel] = field(default_factory=dict)
    """By lower-case alias."""
    notices: tuple[Mapping[str, str], ...] = ()

    def model(self, alias: str) -> CompanionModel | None:
        """Return a model by alias."""
        return self.models.get(alias.lower())


def parse(body: bytes) -> Companion | None:
    """Read the companion's answer; None when this is not a companion's."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict) or "foundry_host" not in answer:
        return None
    models = [_model(entry) for entry in _dicts(answer.get("models")) if entry.get("alias")]
    return Companion(
        embedded=answer.get("embedded") is True,
        models={model.alias.lower(): model for model in models},
        notices=tuple(
            {"code": str(entry.get("code", "")), "message": str(entry.get("message", ""))}
            for entry in _dicts(answer.get("notices"))
        ),
    )


def _dicts(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _model(entry: Mapping[str, Any]) -> CompanionModel:
    variant, context = entry.get("variant"), entry.get("context_length")
    progress, error = entry.get("progress"), entry.get("error")
    return CompanionModel(
        alias=str(entry["alias"]),
        variant=variant if isinstance(variant, str) else None,
        state=str(entry.get("state", "")),
        demo=entry.get("demo") is True,
        context_length=context if isinstance(context, int) else None,
        progress=progress if isinstance(progress, dict) else None,
        error=str(error.get("message", "")) if isinstance(error, dict) else None,
        remedy=str(error.get("remedy", "")) if isinstance(error, dict) else "",
    )
