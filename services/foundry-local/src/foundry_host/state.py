"""What the host knows about its models right now: written by the worker, read by ``/status``."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any


class ModelState(StrEnum):
    """Where a model stands, in the words of the SDK."""

    DOWNLOADING = "downloading"
    CACHED = "cached"
    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong and what to do about it."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is. Bytes and seconds; ``None`` where not known yet."""

    bytes: int
    total_bytes: int | None
    bytes_per_second: int | None
    seconds_left: int | None
    percent: float


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model as ``/status`` shows it."""

    alias: str
    variant: str | None = None
    state: ModelState = ModelState.CACHED
    demo: bool = False
    context_length: int | None = None
    progress: Progress | None = None
    error: Problem | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know that stops nothing."""

    code: str
    message: str


@dataclass(slots=True)
class Board:
    """The shared state; every method may be called from any thread."""

    _models: dict[str, ModelStatus] = field(default_factory=dict)
    _notices: dict[str, Notice] = field(default_factory=dict)
    _providers: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, status: ModelStatus) -> None:
        """Add the model, or replace what was known of it."""
        with self._lock:
            self._models[status.alias] = status

    def update(self, alias: str, **changes: Any) -> None:
        """Change some fields of a model; an unknown one is added."""
        with self._lock:
            known = self._models.get(alias) or ModelStatus(alias)
            self._models[alias] = replace(known, **changes)

    def get(self, alias: str) -> ModelStatus | None:
        """What is known of the model."""
        with self._lock:
            return self._models.get(alias)

    def own_models(self) -> list[str]:
        """The models that can be used as they are, the demo model not counted."""
        usable = (ModelState.CACHED, ModelState.LOADED)
        with self._lock:
            return sorted(
                alias
                for alias, status in self._models.items()
                if status.state in usable and not status.demo
            )

    def follow(self, cached: list[ModelStatus], loaded: set[str]) -> None:
        """Follow what the runtime says: callers load and unload through its web service.

        A model that is on its way (downloading, loading) or failed keeps its state until it is
        seen loaded.

        Args:
            cached: Every model on this machine; those not known yet are added.
            loaded: The variants in memory.
        """
        with self._lock:
            for status in cached:
                self._models.setdefault(status.alias, status)
            for alias, status in self._models.items():
                if status.variant in loaded:
                    state = ModelState.LOADED
                elif status.state is ModelState.LOADED:
                    state = ModelState.CACHED
                else:
                    continue
                self._models[alias] = replace(status, state=state, progress=None, error=None)

    def notice(self, code: str, message: str) -> bool:
        """Post a notice; false when it stood there already."""
        with self._lock:
            new = code not in self._notices
            self._notices[code] = Notice(code, message)
            return new

    def withdraw(self, code: str) -> bool:
        """Take a notice away; false when there was none."""
        with self._lock:
            return self._notices.pop(code, None) is not None

    def provider(self, name: str, state: str) -> None:
        """Say where an execution provider stands."""
        with self._lock:
            self._providers[name] = state

    def as_json(self) -> dict[str, Any]:
        """The changing part of ``/status``."""
        with self._lock:
            return {
                "models": [asdict(status) for status in self._models.values()],
                "execution_providers": [
                    {"name": name, "state": state} for name, state in self._providers.items()
                ],
                "notices": [asdict(notice) for notice in self._notices.values()],
            }
