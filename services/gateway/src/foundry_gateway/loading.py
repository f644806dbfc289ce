"""Load a model once, however many requests want it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from foundry_common import remedies, runtime_words
from foundry_gateway import faults
from foundry_gateway.conversation import log_failure
from foundry_gateway.dialects import Dialect, DialectError, error_message
from foundry_gateway.errors import (
    GatewayError,
    ModelLoadError,
    ModelNotCachedError,
    ModelNotFoundError,
)
from foundry_gateway.naming import belongs, likeness, same_variant
from foundry_gateway.record import UNKNOWN_MODEL
from foundry_gateway.transport_errors import AnswerTimeoutError, TransportError

if TYPE_CHECKING:
    from foundry_gateway.inventory import Target
    from foundry_gateway.metrics import Metrics
    from foundry_gateway.upstream import Upstream

_OK = 200
_NOT_FOUND = 404
_SHOWN = 100
"""Characters of a name that a message repeats."""
_log = logging.getLogger(__name__)


class Loader:
    """Single-flight loads: a caller that leaves does not cancel the load for the others.

    Args:
        timeout: Seconds that one load may take.
        metrics: Where the time that loads take is written down.
    """

    def __init__(self, timeout: float, metrics: Metrics) -> None:
        self._timeout = timeout
        self._metrics = metrics
        self._running: dict[tuple[Upstream, str], asyncio.Task[str]] = {}

    async def ensure(self, upstream: Upstream, target: Target) -> str:
        """Return the loaded variant, loading it first when needed.

        Raises:
            GatewayError: It cannot be loaded.
            TransportError: The upstream cannot be asked.
        """
        key = (upstream, (target.variant or target.alias).lower())
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._timed_load(upstream, target))
            task.add_done_callback(lambda done: self._finished(key, target.alias, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Abandon running loads."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finished(self, key: tuple[Upstream, str], alias: str, task: asyncio.Task[str]) -> None:
        self._running.pop(key, None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, ModelNotFoundError | ModelNotCachedError):
            key[0].inventory.note_missing(alias)
        elif isinstance(error, GatewayError | TransportError):
            # Not its words: they may quote the name that a caller made up.
            _log.warning("loading failed: %s", type(error).__name__)
        else:
            log_failure(error)

    async def _timed_load(self, upstream: Upstream, target: Target) -> str:
        started = time.perf_counter()
        known, outcome = target.variant, ""
        try:
            known = await self._load(upstream, target)
            outcome = "loaded"
        except ModelLoadError:
            outcome = "failed"
            raise
        finally:
            if outcome:
                # A name that only a caller knows must not become a label.
                model = upstream.inventory.alias_of(known) if known else UNKNOWN_MODEL
                took = time.perf_counter() - started
                self._metrics.model_load.labels(model, outcome).observe(took)
        return known

    async def _load(self, upstream: Upstream, target: Target) -> str:
        dialect = upstream.dialect
        named_id = target.variant is None and ":" in target.alias
        if dialect is None or (named_id and upstream.inventory.catalog is not None):
            # Looking up an unknown id costs the runtime seconds when its catalog is unreachable.
            raise not_found(upstream, target.alias)
        told = upstream.inventory.described(target.alias)
        if told is not None and told.state == "downloading":
            raise not_cached(upstream, target.alias)
        async with upstream.load_lock:  # one at a time: the new one is then known by difference
            try:
                before = await upstream.update_loaded()
                await self._ask(upstream, dialect, target)
                after = await upstream.update_loaded()
            except DialectError as error:
                raise load_failed(upstream, target, error.message) from None
            except AnswerTimeoutError as error:
                why = f"it took more than {self._timeout:g} seconds"
                raise ModelLoadError(
                    f"Foundry Local could not load {target.alias[:_SHOWN]}: {why}.",
                    "Try again, choose a smaller model, or raise GATEWAY_LOAD_TIMEOUT in .env.",
                    why,
                ) from error
        variant = _loaded_variant(target, before, after)
        if variant is None:
            raise ModelLoadError(
                f"Foundry Local could not load {target.alias[:_SHOWN]}: it loads another variant.",
                "Ask for the model by its alias.",
                "it loads another variant",
            )
        if not target.exact:
            upstream.inventory.learn(target.alias, variant)
        _log.info("loaded %s on %s", variant, upstream.url)
        return variant

    async def _ask(self, upstream: Upstream, dialect: Dialect, target: Target) -> None:
        failure: ModelLoadError | None = None
        for name in dialect.load_names(target.alias, target.variant):
            status, body = await upstream.fetch(dialect.load_path(name), self._timeout)
            if status == _OK:
                return
            message = error_message(body)
            if faults.is_not_cached(message):
                raise not_cached(upstream, target.alias)
            if status != _NOT_FOUND and not faults.is_not_found(message):
                failure = load_failed(upstream, target, message)
        known = target.variant is not None or upstream.inventory.may_know(target.alias)
        if failure is not None and known:
            raise failure
        raise not_found(upstream, target.alias)


def not_found(upstream: Upstream, wanted: str) -> ModelNotFoundError:
    """Say that a model does not exist here, and which do."""
    inventory = upstream.inventory
    told = inventory.described(wanted)
    if told is not None and told.state == "failed" and told.error:
        return ModelNotFoundError(told.error, told.remedy, param="model")
    available = tuple(dict.fromkeys(inventory.alias_of(variant) for variant in inventory.loaded))
    return ModelNotFoundError(
        f"{upstream.place.name} has no model named {wanted[:_SHOWN]!r}.",
        remedies.no_such_model(upstream.place, available),
        param="model",
    )


def not_cached(upstream: Upstream, alias: str) -> ModelNotCachedError:
    """Say that a model is not downloaded, or how far its download is."""
    told = upstream.inventory.described(alias)
    if told and told.state == "downloading":
        percent = (told.progress or {}).get("percent")
        done = f" ({percent:.0f} % done)" if isinstance(percent, int | float) else ""
        return ModelNotCachedError(
            f"The model {alias[:_SHOWN]!r} is being downloaded{done}.",
            "Wait for it, or use another model meanwhile.",
            param="model",
        )
    if told and told.state == "failed" and told.error:
        return ModelNotCachedError(told.error, told.remedy, param="model")
    return ModelNotCachedError(
        f"Foundry Local knows the model {alias[:_SHOWN]!r}, but has not downloaded it.",
        remedies.not_downloaded(upstream.place, alias),
        param="model",
    )


def load_failed(upstream: Upstream, target: Target, said: str) -> ModelLoadError:
    """Say why a model could not be loaded; the runtime's own words stay in its log."""
    fault = runtime_words.load_fault(said)
    why = remedies.load_words(fault)
    return ModelLoadError(
        f"Foundry Local could not load {target.alias[:_SHOWN]}: {why}.",
        remedies.load_failed(fault, upstream.place),
        why,
    )


def _loaded_variant(target: Target, before: tuple[str, ...], after: tuple[str, ...]) -> str | None:
    if target.variant is not None:
        for variant in after:
            if same_variant(target.variant, variant):
                return variant
    if target.exact:
        return None
    new = [variant for variant in after if variant not in before]
    if len(new) == 1:
        return new[0]
    for variant in after:
        if belongs(target.alias, variant):
            return variant
    return max(after, key=lambda variant: likeness(target.alias, variant), default=None)
