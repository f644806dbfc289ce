"""What is known about one upstream's models, and what a caller's model name means there.

Reads only what was learned before; asks nobody.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from foundry_gateway.naming import alias_guesses, belongs, may_belong, same_variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundry_gateway.companion import Companion, CompanionModel
    from foundry_gateway.dialects import Catalog

State = Literal["loaded", "available", "missing"]

# How long a refused load counts: a person may have downloaded the model meanwhile.
MISSING_TTL = 30.0
MOST_MISSING = 256


@dataclass(frozen=True, slots=True)
class Target:
    """What a caller's model name means on one upstream, as far as is known."""

    alias: str
    variant: str | None
    loaded: bool
    exact: bool = False
    """Whether the caller named this very variant."""


class Inventory:
    """Models of one upstream.

    Args:
        offered: Aliases from the configuration, to recognise variants by.
    """

    def __init__(self, offered: tuple[str, ...]) -> None:
        self.loaded: tuple[str, ...] = ()
        self.catalog: Catalog | None = None
        self.companion: Companion | None = None
        self.contexts: dict[str, int] = {}
        """Context length in tokens by variant, learned from refusals."""
        self._offered = offered
        self._learned: dict[str, str] = {}
        self._missing: dict[str, float] = {}

    def clear(self) -> None:
        """Forget everything: this is another runtime now."""
        self.loaded = ()
        self.catalog = None
        self.companion = None
        self.contexts.clear()
        self._learned.clear()
        self._missing.clear()

    def find(self, wanted: str) -> Target:
        """Say what a name means here: an alias, a bare name or a variant id."""
        for variant in self.loaded:
            if same_variant(wanted, variant):
                return Target(self.alias_of(variant), variant, loaded=True, exact=True)
        told = dict(self._told()).get(wanted.lower())
        for variant in self.loaded:
            if (told and same_variant(told, variant)) or belongs(wanted, variant):
                return Target(wanted, variant, loaded=True)
        if told:
            return Target(wanted, told, loaded=False)
        for variant in self.catalog.variants if self.catalog else ():
            if same_variant(wanted, variant):
                return Target(self.alias_of(variant), variant, loaded=False, exact=True)
        return Target(wanted, None, loaded=False)

    def state(self, alias: str) -> State:
        """Return whether a model answers, could be loaded, or is not there."""
        target = self.find(alias)
        if target.loaded:
            return "loaded"
        told = self.described(alias)
        if told is not None:
            return "available" if told.usable else "missing"
        if time.monotonic() < self._missing.get(alias.lower(), 0.0):
            return "missing"
        if self.catalog is None:
            return "available"  # nobody has told otherwise yet
        if self.catalog.cached is not None:
            cached = self.catalog.cached
            here = target.variant in cached or any(belongs(alias, v) for v in cached)
        else:
            here = target.variant is not None or self.may_know(alias)
        return "available" if here else "missing"

    def may_know(self, alias: str) -> bool:
        """Say whether some variant in the catalog might be this alias's."""
        return self.catalog is not None and any(
            may_belong(alias, variant) for variant in self.catalog.variants
        )

    def learn(self, alias: str, variant: str) -> None:
        """Remember which variant the runtime loads for an alias."""
        self._learned[alias.lower()] = variant
        self._missing.pop(alias.lower(), None)

    def note_missing(self, alias: str) -> None:
        """Remember for a while that the runtime cannot load an alias."""
        now = time.monotonic()
        # Callers choose these names: what has run out goes, so that they cannot fill the memory.
        self._missing = {name: due for name, due in self._missing.items() if due > now}
        if len(self._missing) < MOST_MISSING:
            self._missing[alias.lower()] = now + MISSING_TTL

    def note_unloaded(self, variant: str) -> None:
        """The runtime says that a variant is not loaded."""
        self.loaded = tuple(name for name in self.loaded if name != variant)

    def described(self, alias: str) -> CompanionModel | None:
        """Return what the companion says about an alias."""
        return self.companion.model(alias) if self.companion else None

    def alias_of(self, variant: str) -> str:
        """Return the alias under which a variant is offered."""
        for alias, told in reversed(list(self._told())):
            if same_variant(told, variant):
                return alias
        for alias in self._offered:
            if belongs(alias, variant):
                return alias
        return alias_guesses(variant)[0]

    def context_length(self, alias: str, variant: str | None) -> int | None:
        """Return the model's context in tokens, if anybody told."""
        if variant in self.contexts:
            return self.contexts[variant]
        told = self.described(alias)
        if told and told.context_length:
            return told.context_length
        return self.catalog.contexts.get(variant) if self.catalog and variant else None

    def _told(self) -> Iterator[tuple[str, str]]:
        """Yield alias and variant pairs that someone vouches for, the weakest voucher first."""
        if self.catalog:
            for variant, alias in self.catalog.aliases.items():
                yield alias.lower(), variant
        if self.companion:
            for model in self.companion.models.values():
                if model.variant:
                    yield model.alias.lower(), model.variant
        yield from self._learned.items()
