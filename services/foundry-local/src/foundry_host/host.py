"""The life of one Foundry Local process: start, serve, fetch in the background, stop."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from foundry_host.addresses import require_free, resolve
from foundry_host.catalog_server import CatalogServer
from foundry_host.companion import Companion
from foundry_host.errors import HostError, ModelDirectoryError, SettingsError, plain
from foundry_host.fetcher import Fetcher
from foundry_host.follower import Follower
from foundry_host.model_cache import place_models
from foundry_host.model_directory import (
    LocalModel,
    read_model_directory,
)
from foundry_host.own_models import is_meant_as_model, own_models, place_of
from foundry_host.public_catalog import PublicCatalog
from foundry_host.runtime import Runtime, runtime_version, start_runtime
from foundry_host.settings import Settings
from foundry_host.state import Board, ModelState, ModelStatus, Problem
from foundry_host.stopping import GRACE_SECONDS

DEMO_ALIAS = "foundry-demo"
DEMO_DISPLAY_NAME = "Foundry demo (built-in demo)"
DEMO_DIR = Path(__file__).parent / "demo_model"

UNREACHABLE = "public_catalog_unreachable"
OWN_MODELS = "own_models_missing"
UNREACHABLE_MESSAGE = (
    "Microsoft's public model catalog cannot be reached ({cause}). The models on this machine "
    "work as they are; to download others, connect this machine to the internet, or put an ONNX "
    "Runtime GenAI model into the models directory."
)

#: After its own ``/shutdown`` the runtime (2.2.1) has nothing left to do and closing it hangs.
_STOP_SECONDS_WHEN_SHUT_DOWN = 1.0

log = logging.getLogger("foundry_host")

StartRuntime = Callable[[Settings, list[str]], Runtime]


class Host:
    """Runs Foundry Local with ``settings``; ``start`` is replaced only where it cannot be real."""

    def __init__(self, settings: Settings, start: StartRuntime = start_runtime) -> None:
        self.settings = settings
        self.board = Board()
        self._start = start
        self._stop = threading.Event()
        self._follower: Follower | None = None
        self._fetcher: Fetcher | None = None
        self._stop_seconds = GRACE_SECONDS

    def stop(self) -> None:
        """Ask ``run`` to return; from any thread, but not in a signal handler: see ``stopping``."""
        self._stop.set()

    def run(self) -> None:
        """Serve until ``stop`` is called or somebody posts to the web service's ``/shutdown``.

        Raises:
            HostError: An address is taken or not this machine's, the data directory cannot be
                written, or the runtime refused to start.
        """
        self.settings = replace(self.settings, addresses=resolve(self.settings.addresses))
        require_free(self.settings.addresses)
        models = self._local_models()
        self._prepare_disk(models)
        if self._stop.is_set():
            return
        with ExitStack() as stack:
            public = self._public_catalog(stack)
            catalog = CatalogServer(lambda: models, public)
            stack.callback(catalog.close)
            companion = Companion(
                tuple(address.companion for address in self.settings.addresses),
                self._status,
                runtime=runtime_version(),
                embedded=self.settings.embedded,
            )
            stack.callback(companion.close)
            runtime = self._start_runtime(catalog.urls)
            stack.callback(self._close_runtime, runtime)
            log.info("Foundry Local listens on %s", " and ".join(runtime.urls or []))
            if any(model.demo for model in models):
                self._load_demo(runtime)
            self._fetcher = Fetcher(
                runtime,
                self.board,
                self.settings.models,
                self._stop,
                public=public,
                accelerate=self.settings.accelerate,
                place=place_of(self.settings),
            )
            worker = threading.Thread(target=self._fetcher.run, name="fetcher", daemon=True)
            worker.start()
            while not self._stop.wait(1):
                if runtime.is_shutdown_requested():
                    log.info("asked to shut down through the web service")
                    self._stop_seconds = _STOP_SECONDS_WHEN_SHUT_DOWN
                    self._stop.set()
            log.info("stopping")
            self._fetcher.wake()

    def _local_models(self) -> list[LocalModel]:
        models: list[LocalModel] = []
        problems: list[ModelDirectoryError] = []
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
                problems.append(error)
        if self.settings.models_dir:
            found, broken = self._models_of_the_users_own()
            models += found
            problems += broken
        for problem in problems:
            log.warning("%s", problem)
            self._show(problem)
        for model in models:
            log.info("%s: %s, %d tokens", model.alias, model.path, model.context_length)
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

    def _show(self, problem: ModelDirectoryError) -> None:
        """Show what was meant to be a model: people ask for it, and are told why not."""
        alias = problem.path.name
        if not is_meant_as_model(problem.path):
            return
        message = f"The model {alias} cannot be served: {problem.problem}."
        error = Problem(message, problem.remedy)
        self.board.put(ModelStatus(alias=alias, state=ModelState.FAILED, error=error))

    def _models_of_the_users_own(
        self,
    ) -> tuple[list[LocalModel], list[ModelDirectoryError]]:
        """What ``models_dir`` holds; in the container the other models do without it."""
        try:
            return own_models(self.settings)
        except SettingsError as error:
            if not self.settings.embedded:
                raise
            if self.settings.own_models:
                self.board.notice(OWN_MODELS, str(error))
                log.warning("%s", error)
            return [], []

    def _prepare_disk(self, models: list[LocalModel]) -> None:
        try:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True)
            place_models(self.settings.cache_dir, models)
        except OSError as error:
            raise HostError(
                f"{error.filename or self.settings.data_dir} cannot be written: {error.strerror}.",
                "Make it writable for this user, or choose another with --data-dir or --cache-dir.",
            ) from error

    def _public_catalog(self, stack: ExitStack) -> PublicCatalog | None:
        if self.settings.public_catalog is None:
            return None
        store = self.settings.data_dir / "public-catalog.json"

        def changed() -> None:
            if public.reachable:
                if self.board.withdraw(UNREACHABLE):
                    log.info("the public model catalog can be reached again")
                if self._fetcher:
                    self._fetcher.wake()
                return
            message = UNREACHABLE_MESSAGE.format(cause=public.cause)
            if self.board.notice(UNREACHABLE, message):
                log.warning("%s", message)

        public = PublicCatalog(self.settings.public_catalog, store, changed)
        stack.callback(public.close)
        return public

    def _start_runtime(self, catalog_urls: list[str]) -> Runtime:
        try:
            runtime = self._start(self.settings, catalog_urls)
            runtime.start_web_service()
        except Exception as error:
            remedy = f"Its log is in {self.settings.data_dir / 'logs'}."
            if "libatomic" in str(error):
                remedy = "Install that library; on Debian and Ubuntu: apt-get install libatomic1."
            raise HostError(f"Foundry Local did not start: {plain(error)}.", remedy) from error
        self._follower = Follower(runtime, self.board)
        return runtime

    def _load_demo(self, runtime: Runtime) -> None:
        try:
            model = runtime.catalog.get_model(DEMO_ALIAS)
            if model:
                model.load()
        except Exception as error:  # noqa: BLE001 - the other models still work
            log.warning("the demo model could not be loaded: %s", plain(error))
        else:
            log.info("%s %s", DEMO_ALIAS, "is loaded" if model else "is not listed by the runtime")

    def _close_runtime(self, runtime: Runtime) -> None:
        """Close the runtime, in bounded time even in the middle of a load."""
        self._follower = None
        timer = threading.Timer(self._stop_seconds, os._exit, (0,))
        timer.daemon = True
        timer.start()
        runtime.close()
        timer.cancel()

    def _status(self) -> dict[str, Any]:
        if self._follower:
            self._follower.refresh()
        return self.board.as_json()
