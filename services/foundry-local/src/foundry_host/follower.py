"""Keeps the board true to the runtime, whose answers can take as long as a model takes to load."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

from foundry_host.state import Board, ModelStatus

if TYPE_CHECKING:
    from foundry_host.runtime import Runtime

#: The runtime answers in about 2 ms, except while it loads a model: then it is not waited for.
_PATIENCE_SECONDS = 0.1


class Follower:
    """Asks ``runtime`` which models are on this machine and in memory."""

    def __init__(self, runtime: Runtime, board: Board) -> None:
        self._runtime = runtime
        self._board = board
        self._lock = threading.Lock()
        self._asking: Future[None] | None = None

    def refresh(self) -> None:
        """Bring the board up to date, or leave it as it is when that takes too long."""
        with self._lock:
            if self._asking is None or self._asking.done():
                self._asking = Future()
                threading.Thread(target=self._ask, args=(self._asking,), daemon=True).start()
            asking = self._asking
        wait([asking], _PATIENCE_SECONDS)

    def _ask(self, asking: Future[None]) -> None:
        try:
            catalog = self._runtime.catalog
            cached = [
                ModelStatus(model.alias, model.id, context_length=model.context_length)
                for model in catalog.get_cached_models()
            ]
            self._board.follow(cached, {model.id for model in catalog.get_loaded_models()})
        except Exception as error:  # noqa: BLE001 - the runtime is being closed; the board stays
            asking.set_exception(error)
        else:
            asking.set_result(None)
