"""Gets the wanted models ready: execution providers, download, load, one after the other.

It works beside the web service, which answers with what is loaded meanwhile. A failure is shown
with its remedy and tried again, ever more seldom, or at once when the public catalog appears.
"""

from __future__ import annotations

import difflib
import logging
import threading
from typing import TYPE_CHECKING

from foundry_common import remedies, runtime_words
from foundry_common.remedies import Place
from foundry_host import catalog_query
from foundry_host.errors import FetchError, plain
from foundry_host.progress import Display, Meter
from foundry_host.state import Board, ModelState, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundry_host.public_catalog import PublicCatalog
    from foundry_host.runtime import Model, Runtime

log = logging.getLogger("foundry_host")

_FIRST_RETRY_SECONDS = 15.0
_LAST_RETRY_SECONDS = 600.0
_SUGGESTIONS = 5
_MOST_NAMES = 6
_HERE = Place("localhost", ours=True)


class Fetcher:
    """Works through ``aliases`` until all are loaded or ``stop`` is set.

    Args:
        runtime: The running manager.
        board: Where states, progress and problems are shown.
        aliases: The wanted models, in order.
        stop: Set to end everything at once, also in the middle of a download.
        public: The relay to the public catalog, if it is used.
        accelerate: Whether to fetch execution providers first.
        place: Where this Foundry Local is, for the remedies.
    """

    def __init__(
        self,
        runtime: Runtime,
        board: Board,
        aliases: Sequence[str],
        stop: threading.Event,
        *,
        public: PublicCatalog | None = None,
        accelerate: bool = True,
        place: Place = _HERE,
    ) -> None:
        self._runtime = runtime
        self._board = board
        self._aliases = aliases
        self._stop = stop
        self._public = public
        self._accelerate = accelerate
        self._place = place
        self._again = threading.Event()

    def wake(self) -> None:
        """Try again now: the public catalog appeared, or it is time to stop."""
        self._again.set()

    def run(self) -> None:
        """Get every model ready, then wait for the public catalog to come and go, until stopped."""
        if self._accelerate:
            self._register_execution_providers()
        pending = list(self._aliases)
        delay = _FIRST_RETRY_SECONDS
        while not self._stop.is_set():
            pending = [alias for alias in pending if not self._ready(alias)]
            if self._again.wait(delay if pending else None):
                self._again.clear()
                delay = _FIRST_RETRY_SECONDS
                self._adopt_public_models()
            else:
                delay = min(delay * 2, _LAST_RETRY_SECONDS)

    def _register_execution_providers(self) -> None:
        """Fetch what makes the runtime use a GPU or NPU; without any the CPU does the work."""
        try:
            for provider in self._runtime.discover_eps():
                self._board.provider(
                    provider.name, "registered" if provider.is_registered else "available"
                )
                if provider.is_registered or self._stop.is_set():
                    continue
                self._register(provider.name)
        except Exception as error:  # noqa: BLE001 - a native error of any kind must not stop the CPU
            log.warning("execution providers cannot be listed, the CPU is used: %s", plain(error))

    def _register(self, name: str) -> None:
        self._board.provider(name, "downloading")
        display, meter = Display(name), Meter(None)

        def progress(_: str, percent: float) -> None:
            if self._stop.is_set():
                raise InterruptedError
            display.show(meter.update(percent))

        try:
            result = self._runtime.download_and_register_eps([name], progress)
            registered = name in result.registered_eps
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("%s cannot be registered: %s", name, plain(error))
            registered = False
        finally:
            display.finish()
        self._board.provider(name, "registered" if registered else "failed")
        log.info("%s %s", name, "is registered" if registered else "is not available here")

    def _ready(self, alias: str) -> bool:
        """Download and load one model; false when it should be tried again later."""
        try:
            self._load_first_that_works(alias, self._candidates(alias))
        except FetchError as error:
            if not self._stop.is_set():
                self._show(alias, Problem(error.message, error.remedy), _said(error))
            return False
        return True

    def _show(self, alias: str, problem: Problem, said: str) -> None:
        known = self._board.get(alias)
        if known is None or known.error != problem:
            log.warning("%s %s%s", problem.message, problem.remedy, said)
        self._board.update(alias, state=ModelState.FAILED, progress=None, error=problem)

    def _candidates(self, alias: str) -> list[Model]:
        """The variants to try: the runtime's own choice, then the CPU's.

        Without a network a variant that is downloaded goes before the runtime's choice.
        """
        model = self._runtime.catalog.get_model(alias)
        if model is None:
            raise self._unknown(alias)
        variants = model.variants
        chosen = next((v for v in variants if v.id == model.id), model)
        cpu = [v for v in variants if v.id != chosen.id and "-cpu" in v.id]
        ordered = [chosen, *cpu]
        if self._public and not self._public.reachable:
            cached = [v for v in [*ordered, *variants] if v.is_cached]
            ordered = cached[:1] or ordered
        return ordered

    @property
    def _otherwise(self) -> str:
        """What can be done without a download; who has models of their own mistyped one's name."""
        here = self._board.own_models()
        if here:
            setting = "EMBEDDED_MODEL in .env" if self._place.embedded else "--model"
            return f"name a model that is here with {setting}: {', '.join(here[:_MOST_NAMES])}"
        folder = "EMBEDDED_MODELS_DIR in .env" if self._place.embedded else "--models-dir"
        return f"name a folder with a model of your own: {folder}"

    @property
    def _allow(self) -> str:
        own = "FOUNDRY_HOST_PUBLIC_CATALOG=yes in .env"
        return own if self._place.embedded else "--public-catalog"

    def _unknown(self, alias: str) -> FetchError:
        if self._public and not self._public.reachable:
            return FetchError(
                f"{alias} is not on this machine and the public model catalog cannot be reached.",
                f"Connect this machine to the internet, or {self._otherwise}.",
            )
        if self._public is None:
            return FetchError(
                f"{alias} is not on this machine and the public model catalog is switched off.",
                f"Allow it ({self._allow}), or {self._otherwise}.",
            )
        known = sorted({model.alias for model in self._runtime.catalog.list_models()})
        close = difflib.get_close_matches(alias, known, _SUGGESTIONS, 0.5)
        close += [name for name in known if name not in close and alias.lower() in name.lower()]
        if close:
            return FetchError(
                f"There is no model {alias}.", f"Did you mean {' or '.join(close[:_SUGGESTIONS])}?"
            )
        return FetchError(
            f"There is no model {alias}.", f"These exist: {', '.join(known) or 'none'}."
        )

    def _load_first_that_works(self, alias: str, candidates: list[Model]) -> None:
        for position, variant in enumerate(candidates):
            self._board.update(alias, variant=variant.id, context_length=variant.context_length)
            try:
                self._download(alias, variant)
                self._board.update(alias, state=ModelState.LOADING, progress=None, error=None)
                self._load(variant)
            except FetchError as error:
                if self._stop.is_set() or position == len(candidates) - 1:
                    raise
                log.warning("%s Trying the CPU's variant.%s", error.message, _said(error))
                continue
            self._board.update(alias, state=ModelState.LOADED, progress=None, error=None)
            log.info("%s is loaded (%s)", alias, variant.id)
            return

    def _download(self, alias: str, variant: Model) -> None:
        if variant.is_cached:
            self._board.update(alias, state=ModelState.CACHED, progress=None)
            return
        total = self._public.size_bytes(variant.id) if self._public else None
        display = Display(alias)
        meter = Meter(total or variant.get_int_property("filesize_mb") * 2**20 or None)
        self._board.update(
            alias, state=ModelState.DOWNLOADING, progress=meter.update(0), error=None
        )
        log.info("downloading %s (%s)", alias, variant.id)

        def progress(percent: float) -> None:
            status = meter.update(percent)
            self._board.update(alias, progress=status)
            display.show(status)

        try:
            variant.download(progress, self._stop)
        except Exception as error:
            raise FetchError(
                f"{alias} could not be downloaded: {plain(error)}.",
                "Check the network and the free disk space; it goes on where it stopped.",
            ) from error
        finally:
            display.finish()

    def _load(self, variant: Model) -> None:
        try:
            variant.load()
        except Exception as error:
            fault = runtime_words.load_fault(str(error))
            raise FetchError(
                f"{variant.alias} could not be loaded: {remedies.load_words(fault)}.",
                remedies.load_failed(fault, self._place),
            ) from error

    def _adopt_public_models(self) -> None:
        """Make the runtime take in what the public catalog lists, if it came late.

        The runtime reads its catalogs once and keeps them for hours; asking for a variant it does
        not know is what makes it look again.
        """
        if self._public is None or not self._public.reachable:
            return
        with self._public.from_memory():
            for entry in self._public.entries():
                if self._stop.is_set():
                    return
                try:
                    self._runtime.catalog.get_model_variant(catalog_query.variant(entry))
                except Exception as error:  # noqa: BLE001 - one odd entry must not hide the others
                    log.warning("a public model was not taken in: %s", plain(error))


def _said(error: FetchError) -> str:
    """The runtime's own words behind an error, for the log."""
    return f" ({plain(error.__cause__)})" if error.__cause__ else ""
