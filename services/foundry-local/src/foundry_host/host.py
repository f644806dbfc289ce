"""The life of one Foundry Local process: start, serve, fetch in the background, stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from foundry_host.catalog_server import CatalogServer
from foundry_host.companion import Companion
from foundry_host.model_cache import place_models
from foundry_host.model_directory import (
    LocalModel,
    ModelDirectoryError,
    read_model_directory,
    scan_models_directory,
)
from foundry_host.runtime import Runtime, runtime_version, start_runtime
from foundry_host.settings import Settings
from foundry_host.state import Board, ModelState, ModelStatus

DEMO_ALIAS = "foundry-demo"
DEMO_DISPLAY_NAME = "Foundry demo (built-in demo)"
DEMO_DIR = Path(__file__).parent / "demo_model"

log = logging.getLogger("foundry_host")

StartRuntime = Callable[[Settings, list[str]], Runtime]


class Host:
    """Runs Foundry Local with ``settings``; ``start`` is replaced only where it cannot be real."""

    def __init__(self, settings: Settings, start: StartRuntime = start_runtime) -> None:
        self.settings = settings
        self.board = Board()
        self._start = start
        self._stop = threading.Event()
        self._runtime: Runtime | None = None

    def stop(self) -> None:
        """Ask ``run`` to return; safe in a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Serve until ``stop`` is called or somebody posts to the web service's ``/shutdown``.

        Raises:
            OSError: The cache cannot be written or a port cannot be bound.
            FoundryLocalException: The runtime refused to start.
        """
        models = self._local_models()
        place_models(self.settings.cache_dir, models)
        with ExitStack() as stack:
            catalog = CatalogServer(lambda: models)
            stack.callback(catalog.close)
            companion = Companion(
                tuple(address.companion for address in self.settings.addresses),
                self._status,
                runtime=runtime_version(),
                embedded=self.settings.embedded,
            )
            stack.callback(companion.close)
            runtime = self._runtime = self._start(self.settings, [catalog.url])
            stack.callback(runtime.close)
            runtime.start_web_service()
            log.info("Foundry Local listens on %s", " and ".join(runtime.urls or []))
            if self.settings.demo:
                self._load(runtime, DEMO_ALIAS)
            for alias in self.settings.models:
                self._load(runtime, alias)
            while not self._stop.wait(1):
                if runtime.is_shutdown_requested():
                    log.info("asked to shut down through the web service")
                    break
            log.info("stopping")
            self._runtime = None

    def _local_models(self) -> list[LocalModel]:
        models: list[LocalModel] = []
        problems: list[str] = []
        if self.settings.demo:
            try:
                models.append(
                    read_model_directory(
                        self.settings.demo_dir or DEMO_DIR,
                        alias=DEMO_ALIAS,
                        display_name=DEMO_DISPLAY_NAME,
                        demo=True,
                    )
                )
            except ModelDirectoryError as error:
                problems.append(str(error))
        if self.settings.models_dir:
            found, broken = scan_models_directory(self.settings.models_dir)
            models += found
            problems += broken
        for problem in problems:
            log.warning("%s", problem)
        for model in models:
            self.board.put(
                ModelStatus(
                    alias=model.alias,
                    variant=model.variant,
                    state=ModelState.CACHED,
                    demo=model.demo,
                    context_length=model.context_length,
                )
            )
        return models

    def _load(self, runtime: Runtime, alias: str) -> None:
        model = runtime.catalog.get_model(alias)
        if model is None:
            log.error("no model %s", alias)
            return
        self.board.update(alias, state=ModelState.LOADING)
        model.load()
        self.board.update(alias, state=ModelState.LOADED)
        log.info("%s is loaded", alias)

    def _status(self) -> dict[str, Any]:
        runtime = self._runtime
        if runtime is not None and runtime.urls:
            self.board.mark_loaded({model.id for model in runtime.catalog.get_loaded_models()})
        return self.board.as_json()
