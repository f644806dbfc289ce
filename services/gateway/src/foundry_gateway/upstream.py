"""One Foundry Local: what it speaks, what it has loaded, and how to talk to it.

State is learned lazily and refreshed in the background; nothing here makes a chat wait for a slow
catalog. Everything learned is dropped when the runtime turns out to be another one (a restart
changes the status answer, a change of dialect the route).
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from foundry_gateway import companion, remedies
from foundry_gateway.dialects import DIALECTS, Catalog, Dialect, DialectError
from foundry_gateway.errors import FoundryUnreachable
from foundry_gateway.naming import alias_guesses, belongs, same_variant
from foundry_gateway.transport import (
    AnswerTimeout,
    ConnectionBroken,
    ConnectionPool,
    Response,
    TransportError,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundry_gateway.settings import Settings

PROBE_TIMEOUT = 3.0
CATALOG_TIMEOUT = 30.0
CATALOG_TTL = 60.0
COMPANION_TIMEOUT = 1.0
COMPANION_RETRY = 10.0
_OK = 200


@dataclass(frozen=True, slots=True)
class Target:
    """What a caller's model name means on one upstream, as far as is known."""

    alias: str
    variant: str | None
    loaded: bool


class Upstream:
    """One address of Foundry Local.

    Args:
        url: Origin.
        embedded: Whether it is the stack's own runtime.
        settings: The gateway's settings.
    """

    def __init__(self, url: str, settings: Settings, *, embedded: bool) -> None:
        self.url = url
        self.pool = ConnectionPool(url, settings.connect_timeout)
        self.state: Literal["up", "down", "unknown"] = "unknown"
        self.since = time.time()
        self.dialect: Dialect | None = None
        self.error: FoundryUnreachable | None = None
        self.loaded: tuple[str, ...] = ()
        self.catalog: Catalog | None = None
        self.companion: companion.Companion | None = None
        self.not_cached: set[str] = set()
        self.contexts: dict[str, int] = {}
        self.load_lock = asyncio.Lock()
        self._embedded = embedded
        self._offered = (*settings.offered, settings.embedded_model)
        self._learned: dict[str, str] = {}
        self._fingerprint = b""
        self._refreshing: asyncio.Task[None] | None = None
        self._catalog_task: asyncio.Task[None] | None = None
        self._catalog_due = 0.0
        companion_url, _, _ = url.rpartition(":")
        self._companion_pool = ConnectionPool(
            f"{companion_url}:{self.pool.port + 1}", COMPANION_TIMEOUT
        )
        self._companion_due = 0.0

    @property
    def optional(self) -> bool:
        """Whether its absence is normal: the stack's own runtime runs only on request."""
        return self._embedded

    @property
    def embedded(self) -> bool:
        """Whether this is the stack's own runtime, by address or by its companion's word."""
        return self._embedded or (self.companion is not None and self.companion.embedded)

    async def fetch(self, path: str, timeout: float | None = None) -> tuple[int, bytes]:
        """GET a path; the interface that dialects use.

        Raises:
            TransportError: No answer came.
        """
        response = await self.pool.request("GET", path, timeout=timeout or PROBE_TIMEOUT)
        try:
            return response.status, await response.read()
        finally:
            response.close()

    async def post(self, path: str, body: bytes, timeout: float) -> Response:
        """POST JSON and return the answer once its head is there.

        Raises:
            TransportError: No answer came.
        """
        return await self.pool.request("POST", path, body, timeout=timeout)

    async def refresh(self) -> None:
        """Look again; concurrent callers share one look. Never raises for a failing upstream."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        await asyncio.shield(self._refreshing)

    async def _refresh(self) -> None:
        try:
            await self._identify()
            dialect = self.dialect
            if dialect is not None:
                await asyncio.gather(self.update_loaded(), self._refresh_companion())
                self._mark_up()
                self._schedule_catalog()
        except TransportError as error:
            self.mark_down(error)
        except DialectError as error:
            self._mark(
                "down", FoundryUnreachable(
                    f"Foundry Local at {self.url} answers, but fails: {error.message}",
                    remedies.RESTART,
                    "other",
                ),
            )

    async def _identify(self) -> None:
        """Find out which dialect is spoken, starting with the one that was spoken last."""
        order = sorted(DIALECTS, key=lambda dialect: dialect is not self.dialect)
        answers: dict[str, tuple[int, bytes]] = {}
        for dialect in order:
            path = dialect.status_path
            if path not in answers:
                answers[path] = await self.fetch(path)
            status, body = answers[path]
            if status == _OK and dialect.recognises(_object(body)):
                if dialect is not self.dialect or body != self._fingerprint:
                    self._forget_everything()
                self.dialect, self._fingerprint = dialect, body
                return
        raise ConnectionBroken("no known status route", answered=True, is_http=False)

    def _forget_everything(self) -> None:
        self.catalog = None
        self._catalog_due = 0.0
        self._companion_due = 0.0
        self._learned.clear()
        self.not_cached.clear()
        self.contexts.clear()
        self.loaded = ()

    async def update_loaded(self) -> tuple[str, ...]:
        """Ask what is loaded now.

        Raises:
            TransportError: No answer came.
            DialectError: The answer was unusable.
        """
        if self.dialect is not None:
            self.loaded = await self.dialect.loaded(self.fetch)
        return self.loaded

    async def _refresh_companion(self) -> None:
        now = time.monotonic()
        if now < self._companion_due:
            return
        try:
            response = await self._companion_pool.request(
                "GET", "/status", timeout=COMPANION_TIMEOUT
            )
            self.companion = companion.parse(await response.read())
        except TransportError:
            self.companion = None
        if self.companion is None:
            self._companion_due = now + COMPANION_RETRY

    def _schedule_catalog(self) -> None:
        running = self._catalog_task is not None and not self._catalog_task.done()
        if not running and time.monotonic() >= self._catalog_due:
            self._catalog_task = asyncio.create_task(self._refresh_catalog())

    async def _refresh_catalog(self) -> None:
        dialect = self.dialect
        if dialect is None:
            return
        self._catalog_due = time.monotonic() + CATALOG_TTL

        async def patient(path: str, timeout: float | None) -> tuple[int, bytes]:
            return await self.fetch(path, timeout or CATALOG_TIMEOUT)

        try:
            catalog = await dialect.catalog(patient)
        except (TransportError, DialectError):
            return
        if dialect is self.dialect:
            self.catalog = catalog

    def _mark_up(self) -> None:
        self._mark("up", None)

    def mark_down(self, error: TransportError) -> None:
        """Remember that the upstream failed, and why."""
        self._mark("down", self.explain(error))

    def _mark(self, state: Literal["up", "down"], error: FoundryUnreachable | None) -> None:
        if state != self.state:
            self.since = time.time()
        self.state = state
        self.error = error

    def explain(self, error: TransportError) -> FoundryUnreachable:
        """Put a transport failure into words for a person, with its cause told apart."""
        if isinstance(error, Unreachable):
            cause, what = error.cause, f"Foundry Local cannot be reached: {error}."
        elif isinstance(error, AnswerTimeout):
            cause, what = "timed_out", f"Foundry Local at {self.url} accepts connections but gave {error}."
        elif isinstance(error, ConnectionBroken) and not error.is_http:
            cause, what = "not_foundry", f"What answers at {self.url} is not Foundry Local."
        else:
            cause, what = "other", f"Foundry Local at {self.url} broke the connection: {error}."
        return FoundryUnreachable(what, remedies.unreachable(cause, self.url), cause)

    def find(self, wanted: str) -> Target:
        """Say what a name means here, from what is known; asks nobody."""
        for variant in self.loaded:
            if same_variant(wanted, variant):
                return Target(self.alias_of(variant), variant, loaded=True)
        told = dict(self._told())
        variant = told.get(wanted.lower())
        for loaded in self.loaded:
            if (variant and same_variant(variant, loaded)) or belongs(wanted, loaded):
                return Target(wanted, loaded, loaded=True)
        if variant:
            return Target(wanted, variant, loaded=False)
        for variant in self.catalog.variants if self.catalog else ():
            if same_variant(wanted, variant):
                return Target(self.alias_of(variant), variant, loaded=False)
        return Target(wanted, None, loaded=False)

    def knows(self, alias: str) -> bool:
        """Say whether the model exists here, on disk or not."""
        return (
            alias.lower() in self.not_cached
            or (self.companion is not None and self.companion.model(alias) is not None)
            or self.find(alias).variant is not None
            or any(belongs(alias, v) for v in (self.catalog.variants if self.catalog else ()))
        )

    def _told(self) -> Iterator[tuple[str, str]]:
        """Yield alias and variant pairs that someone vouches for, weakest voucher first."""
        if self.catalog:
            for variant, alias in self.catalog.aliases.items():
                yield alias.lower(), variant
        if self.companion:
            for model in self.companion.models.values():
                if model.variant:
                    yield model.alias.lower(), model.variant
        yield from self._learned.items()

    def learn(self, alias: str, variant: str) -> None:
        """Remember which variant the runtime loads for an alias."""
        self._learned[alias.lower()] = variant
        self.not_cached.discard(alias.lower())

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
        model = self.companion.model(alias) if self.companion else None
        if model and model.context_length:
            return model.context_length
        return self.catalog.contexts.get(variant) if self.catalog and variant else None

    async def close(self) -> None:
        """Drop connections and background work."""
        for task in (self._refreshing, self._catalog_task):
            if task is not None:
                task.cancel()
        self.pool.close()
        self._companion_pool.close()


def _object(body: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
