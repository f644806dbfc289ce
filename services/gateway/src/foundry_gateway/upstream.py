"""One Foundry Local: what it speaks, what it has loaded, and how to talk to it.

State is learned lazily and refreshed in the background; nothing here makes a chat wait for a slow
catalog. Everything learned is dropped when the runtime turns out to be another one: a restart
changes the status answer, another dialect the route.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Final, Literal

from foundry_common import remedies
from foundry_gateway import companion
from foundry_gateway.dialects import DIALECTS, Catalog, Dialect, DialectError
from foundry_gateway.errors import FoundryUnreachableError
from foundry_gateway.inventory import Inventory
from foundry_gateway.pool import ConnectionPool
from foundry_gateway.transport_errors import (
    AnswerTimeoutError,
    ConnectionBrokenError,
    TransportError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foundry_gateway.connection import Response
    from foundry_gateway.settings import Settings
    from foundry_gateway.transport_errors import Cause

CATALOG_TIMEOUT = 30.0
CATALOG_TTL = 60.0
COMPANION_TIMEOUT = 1.0
COMPANION_RETRY = 10.0
_OK = 200
_UNREACHABLE: Final[Mapping[Cause, str]] = {
    "name_not_resolved": "cannot be found: its name does not resolve",
    "refused": "refused the connection",
    "timed_out": "cannot be reached: no connection was made in time",
    "not_foundry": "does not speak plain HTTP",
    "other": "cannot be reached",
}


class Upstream:
    """One address of Foundry Local.

    Args:
        url: Origin.
        optional: Whether its absence is normal: the stack's own runtime runs only on request.
        settings: The gateway's settings.
    """

    def __init__(self, url: str, settings: Settings, *, optional: bool) -> None:
        self.url = url
        self.optional = optional
        self.pool = ConnectionPool(url, settings.connect_timeout)
        self._system = settings.host_system
        self._in_container = settings.in_container
        self._probe_timeout = settings.connect_timeout
        self._hang_timeout = settings.hang_timeout
        self.inventory = Inventory((*settings.offered, settings.embedded_model))
        self.dialect: Dialect | None = None
        self.state: Literal["up", "down", "unknown"] = "unknown"
        self.since = time.time()
        self.error: FoundryUnreachableError | None = None
        self.was_up = False
        self.load_lock = asyncio.Lock()
        self._fingerprint = b""
        self._silences = 0
        self._refreshing: asyncio.Task[None] | None = None
        self._catalog_task: asyncio.Task[None] | None = None
        self._catalog_due = 0.0
        origin, _, _ = url.rpartition(":")
        self._companion_pool = ConnectionPool(f"{origin}:{self.pool.port + 1}", COMPANION_TIMEOUT)
        self._companion_due = 0.0

    @property
    def embedded(self) -> bool:
        """Whether this is the stack's own runtime, by address or by its companion's word."""
        told = self.inventory.companion
        return self.optional or (told is not None and told.embedded)

    @property
    def place(self) -> remedies.Place:
        """Where it is, as the reader of a message knows it."""
        spoken = self.dialect.name if self.dialect else ""
        return remedies.place(
            self.url,
            embedded=self.embedded,
            system=self._system,
            generation=spoken,
            ours=self.inventory.companion is not None,
            asked_in_container=self._in_container,
        )

    @property
    def hung(self) -> bool:
        """Whether it has taken connections without answering for a while."""
        return (
            self.error is not None
            and self.error.cause == "timed_out"
            and time.time() - self.since > self._hang_timeout
        )

    async def fetch(self, path: str, patience: float | None = None) -> tuple[int, bytes]:
        """GET a path; the interface that dialects use.

        Raises:
            TransportError: No answer came.
        """
        response = await self.pool.request("GET", path, patience=patience or self._probe_timeout)
        try:
            return response.status, await response.read()
        finally:
            response.close()

    async def post(
        self, path: str, body: Sequence[bytes | memoryview], patience: float
    ) -> Response:
        """POST JSON and return the answer once its head is there.

        Raises:
            TransportError: No answer came.
        """
        return await self.pool.request("POST", path, body, patience=patience)

    async def refresh(self) -> None:
        """Look again; concurrent callers share one look. A failing upstream raises nothing."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        await asyncio.shield(self._refreshing)

    async def _refresh(self) -> None:
        try:
            await self._identify()
            await asyncio.gather(self.update_loaded(), self._refresh_companion())
        except TransportError as error:
            self._note_failure(error)
        except DialectError as error:
            self._mark("down", self.explain_failure(error))
        else:
            self._silences = 0
            self.was_up = True
            self._mark("up", None)
            self._schedule_catalog()
            self.pool.reap()

    def _note_failure(self, error: TransportError) -> None:
        if isinstance(error, AnswerTimeoutError) and self.state == "up":
            # Busy (loading, a long prompt) looks like this once; hung looks like this always.
            self._silences += 1
            if self._silences == 1 or self.load_lock.locked():
                return
        self.mark_down(error)

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
                    self.inventory.clear()
                    self._catalog_due = self._companion_due = 0.0
                self.dialect, self._fingerprint = dialect, body
                return
        raise ConnectionBrokenError("no known status route", answered=True, is_http=False)

    async def update_loaded(self) -> tuple[str, ...]:
        """Ask what is loaded now.

        Raises:
            TransportError: No answer came.
            DialectError: The answer was unusable.
        """
        if self.dialect is not None:
            self.inventory.loaded = await self.dialect.loaded(self.fetch)
        return self.inventory.loaded

    async def _refresh_companion(self) -> None:
        now = time.monotonic()
        if now < self._companion_due:
            return
        told = None
        try:
            response = await self._companion_pool.request(
                "GET", "/status", patience=COMPANION_TIMEOUT
            )
            told = companion.parse(await response.read())
        except AnswerTimeoutError:
            if self.inventory.companion is not None:
                return  # busy, not gone: what it said last still holds
        except TransportError:
            pass
        self.inventory.companion = told
        if told is None:
            self._companion_due = now + COMPANION_RETRY

    def _schedule_catalog(self) -> None:
        running = self._catalog_task is not None and not self._catalog_task.done()
        if not running and time.monotonic() >= self._catalog_due and self.dialect is not None:
            self._catalog_due = time.monotonic() + CATALOG_TTL
            self._catalog_task = asyncio.create_task(self._refresh_catalog(self.dialect))

    async def _refresh_catalog(self, dialect: Dialect) -> None:
        async def patient(path: str, patience: float | None) -> tuple[int, bytes]:
            return await self.fetch(path, patience or CATALOG_TIMEOUT)

        try:
            catalog: Catalog = await dialect.catalog(patient)
        except (TransportError, DialectError):
            return
        if dialect is self.dialect:
            self.inventory.catalog = catalog

    def mark_down(self, error: TransportError) -> None:
        """Remember that the upstream failed, and why."""
        self._mark("down", self.explain(error))

    def _mark(self, state: Literal["up", "down"], error: FoundryUnreachableError | None) -> None:
        if state != self.state:
            self.since = time.time()
        self.state = state
        self.error = error

    def explain(self, error: TransportError) -> FoundryUnreachableError:
        """Put a transport failure into words for a person, with its cause told apart."""
        name = self.place.name
        reason: str
        if isinstance(error, UnreachableError):
            cause = reason = error.cause
            what = remedies.gone(reason, self.place) or f"{name} {_UNREACHABLE[error.cause]}."
        elif isinstance(error, AnswerTimeoutError):
            cause, reason = "timed_out", "silent"
            what = f"{name} takes connections, but gives {error}."
        elif isinstance(error, ConnectionBrokenError) and not error.is_http:
            cause = reason = "not_foundry"
            where = "in its container" if self.embedded else f"at {self.place.url}"
            what = f"What answers {where} is not Foundry Local."
        else:
            cause = reason = "other"
            what = f"{name} broke the connection."
        remedy = remedies.unreachable(reason, self.place)
        return FoundryUnreachableError(what, remedy, cause, f"{self.url}: {error}")

    def explain_failure(self, error: DialectError) -> FoundryUnreachableError:
        """Put a runtime that answers, but not what it must, into words for a person."""
        what = f"{self.place.name} answers, but not what it should."
        return FoundryUnreachableError(
            what, remedies.restart(self.place), "other", f"{self.url}: {error.message}"
        )

    async def close(self) -> None:
        """Drop connections and background work."""
        tasks = [task for task in (self._refreshing, self._catalog_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.pool.close()
        self._companion_pool.close()


def _object(body: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
