"""Load a model once, however many requests want it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from foundry_gateway import faults, remedies
from foundry_gateway.dialects import DialectError, error_message
from foundry_gateway.errors import GatewayError, ModelLoadFailed, ModelNotCached, ModelNotFound
from foundry_gateway.naming import belongs, likeness, same_variant
from foundry_gateway.transport import AnswerTimeout, TransportError

if TYPE_CHECKING:
    from foundry_gateway.upstream import Target, Upstream

_OK = 200
_NOT_FOUND = 404
_log = logging.getLogger(__name__)


class Loader:
    """Single-flight loads: a caller that leaves does not cancel the load for the others.

    Args:
        timeout: Seconds that one load may take.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._running: dict[tuple[Upstream, str], asyncio.Task[str]] = {}

    async def ensure(self, upstream: Upstream, target: Target) -> str:
        """Return the loaded variant, loading it first when needed.

        Raises:
            GatewayError: It cannot be loaded.
        """
        key = (upstream, (target.variant or target.alias).lower())
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._load(upstream, target))
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def _finished(self, key: tuple[Upstream, str], task: asyncio.Task[str]) -> None:
        self._running.pop(key, None)
        if not task.cancelled() and (error := task.exception()):
            code = error.code if isinstance(error, GatewayError) else type(error).__name__
            _log.warning("loading %s failed: %s", key[1], code)

    async def _load(self, upstream: Upstream, target: Target) -> str:
        if target.variant is None and ":" in target.alias:
            # Looking up an unknown id costs the runtime seconds when its catalog is unreachable.
            raise not_found(upstream, target.alias)
        dialect = upstream.dialect
        if dialect is None:
            raise not_found(upstream, target.alias)
        async with upstream.load_lock:  # one at a time: the new one is then known by difference
            try:
                before = await upstream.update_loaded()
                await self._ask(upstream, target)
                after = await upstream.update_loaded()
            except DialectError as error:
                raise ModelLoadFailed(
                    f"Foundry Local could not load {target.alias}: {error.message}",
                    remedies.load_failed(target.alias),
                ) from None
            except AnswerTimeout as error:
                raise ModelLoadFailed(
                    f"Loading {target.alias} took too long: {error}.",
                    f"Raise GATEWAY_LOAD_TIMEOUT, or look at the host. {remedies.RESTART}",
                ) from None
            except TransportError as error:
                upstream.mark_down(error)
                raise upstream.explain(error) from None
        variant = _loaded_variant(target, before, after)
        if variant is None:
            raise ModelLoadFailed(
                f"Foundry Local says that it loaded {target.alias}, but lists no such variant.",
                "Ask for the model by its alias.",
            )
        upstream.learn(target.alias, variant)
        _log.info("loaded %s as %s on %s", target.alias, variant, upstream.url)
        return variant

    async def _ask(self, upstream: Upstream, target: Target) -> None:
        assert upstream.dialect is not None  # noqa: S101
        message = ""
        for name in upstream.dialect.load_names(target.alias, target.variant):
            status, body = await upstream.fetch(upstream.dialect.load_path(name), self._timeout)
            if status == _OK:
                return
            message = error_message(body)
            if faults.is_not_cached(message):
                upstream.not_cached.add(target.alias.lower())
                raise not_cached(upstream, target.alias)
            if status != _NOT_FOUND and not faults.is_not_found(message):
                raise ModelLoadFailed(
                    f"Foundry Local could not load {target.alias}: {message}",
                    remedies.load_failed(target.alias),
                )
        raise not_found(upstream, target.alias)


def not_found(upstream: Upstream, wanted: str) -> ModelNotFound:
    """Say that a model does not exist here, and which do."""
    available = tuple(dict.fromkeys(upstream.alias_of(variant) for variant in upstream.loaded))
    return ModelNotFound(
        f"Foundry Local at {upstream.url} has no model named {wanted[:100]!r}.",
        remedies.not_found(available),
        param="model",
    )


def not_cached(upstream: Upstream, alias: str) -> ModelNotCached:
    """Say that a model is not downloaded, or how far its download is."""
    model = upstream.companion.model(alias) if upstream.companion else None
    if model and model.state == "downloading":
        percent = (model.progress or {}).get("percent")
        done = f" ({percent:.0f} % done)" if isinstance(percent, int | float) else ""
        return ModelNotCached(
            f"The model {alias!r} is being downloaded{done}.",
            "Wait for it, or use another model meanwhile.",
            param="model",
        )
    return ModelNotCached(
        f"The model {alias!r} is known to Foundry Local but not downloaded.",
        remedies.not_cached(alias),
        param="model",
    )


def _loaded_variant(
    target: Target, before: tuple[str, ...], after: tuple[str, ...]
) -> str | None:
    if target.variant is not None:
        for variant in after:
            if same_variant(target.variant, variant):
                return variant
    new = [variant for variant in after if variant not in before]
    if len(new) == 1:
        return new[0]
    for variant in after:
        if belongs(target.alias, variant):
            return variant
    return max(after, key=lambda variant: likeness(target.alias, variant), default=None)
