"""What needs an accelerator or a failing driver; real downloads are in the contract tests."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from foundry_host.fetcher import Fetcher
from foundry_host.state import Board, ModelState, ModelStatus
from support.scripted_runtime import ScriptedModel, ScriptedProvider, ScriptedRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60
ALIAS = "phi-4-mini"
GPU = "phi-4-mini-instruct-cuda-gpu:5"
CPU = "phi-4-mini-instruct-generic-cpu:5"


@pytest.fixture
def start() -> Iterator[Callable[[ScriptedRuntime], Board]]:
    """Start fetching ``ALIAS`` in the background; it is stopped when the test ends."""
    stop = threading.Event()
    running: list[tuple[Fetcher, threading.Thread]] = []

    def begin(runtime: ScriptedRuntime) -> Board:
        board = Board()
        fetcher = Fetcher(runtime, board, [ALIAS], stop)
        worker = threading.Thread(target=fetcher.run)
        worker.start()
        running.append((fetcher, worker))
        return board

    yield begin
    stop.set()
    for fetcher, worker in running:
        fetcher.wake()
        worker.join(PATIENCE)
        assert not worker.is_alive()


def reaches(board: Board, state: ModelState) -> None:
    deadline = time.monotonic() + PATIENCE
    while (status := board.get(ALIAS)) is None or status.state is not state:
        assert time.monotonic() < deadline, status
        time.sleep(0.01)


def accelerated(gpu: ScriptedModel | None = None) -> ScriptedRuntime:
    """A machine whose runtime prefers the GPU's variant."""
    gpu = gpu or ScriptedModel(GPU)
    gpu.siblings = [gpu, ScriptedModel(CPU)]
    return ScriptedRuntime({ALIAS: gpu}, [ScriptedProvider("CUDAExecutionProvider")])


def test_execution_providers_are_registered_before_the_variant_is_chosen(
    start: Callable[[ScriptedRuntime], Board],
) -> None:
    board = start(accelerated())
    reaches(board, ModelState.LOADED)
    assert board.as_json()["execution_providers"] == [
        {"name": "CUDAExecutionProvider", "state": "registered"}
    ]
    assert board.get(ALIAS).variant == GPU


def test_a_provider_that_fails_leaves_the_cpu_to_work(
    start: Callable[[ScriptedRuntime], Board], caplog: pytest.LogCaptureFixture
) -> None:
    runtime = ScriptedRuntime({ALIAS: ScriptedModel(CPU)}, [ScriptedProvider("WebGPU")], {"WebGPU"})
    board = start(runtime)
    reaches(board, ModelState.LOADED)
    assert board.as_json()["execution_providers"] == [{"name": "WebGPU", "state": "failed"}]
    assert "WebGPU cannot be registered: no driver for WebGPU" in caplog.text
    assert "fl::" not in caplog.text


def test_a_variant_that_does_not_load_gives_way_to_the_cpus(
    start: Callable[[ScriptedRuntime], Board], caplog: pytest.LogCaptureFixture
) -> None:
    board = start(accelerated(ScriptedModel(GPU, load_error=RuntimeError("out of memory"))))
    reaches(board, ModelState.LOADED)
    assert board.get(ALIAS).variant == CPU
    said = f"{ALIAS} could not be loaded: there is not enough memory. Trying the CPU's variant."
    assert f"{said} (out of memory)" in caplog.text


def test_a_failed_download_is_shown_with_its_remedy(
    start: Callable[[ScriptedRuntime], Board],
) -> None:
    error = RuntimeError("blob_downloader.cc:7 void fl::Get(std::function<void(int)>) disk full")
    board = start(ScriptedRuntime({ALIAS: ScriptedModel(CPU, download_error=error)}))
    reaches(board, ModelState.FAILED)
    status = board.get(ALIAS)
    assert status.error.message == f"{ALIAS} could not be downloaded: disk full."
    assert "free disk space" in status.error.remedy
    assert status.progress is None


def test_who_has_models_of_their_own_is_told_their_names() -> None:
    """A name that was mistyped needs neither the internet nor another folder."""
    stop, board = threading.Event(), Board()
    mine = {"mine": ModelState.CACHED, "broken": ModelState.FAILED}
    for alias, state in mine.items():
        board.put(ModelStatus(alias, state=state))
    board.put(ModelStatus("foundry-demo", state=ModelState.LOADED, demo=True))
    fetcher = Fetcher(ScriptedRuntime({}), board, ["mien"], stop)
    worker = threading.Thread(target=fetcher.run)
    worker.start()
    deadline = time.monotonic() + PATIENCE
    while (status := board.get("mien")) is None or status.error is None:
        assert time.monotonic() < deadline, status
        time.sleep(0.01)
    stop.set()
    fetcher.wake()
    worker.join(PATIENCE)
    assert status.error.remedy.endswith("or name a model that is here with --model: mine.")


def test_stopping_in_a_download_shows_no_failure() -> None:
    stop, board = threading.Event(), Board()
    model = ScriptedModel(CPU, endless=True)
    fetcher = Fetcher(ScriptedRuntime({ALIAS: model}), board, [ALIAS], stop)
    worker = threading.Thread(target=fetcher.run)
    worker.start()
    assert model.downloading.wait(PATIENCE)
    stop.set()
    fetcher.wake()
    worker.join(PATIENCE)
    assert not worker.is_alive()
    assert board.get(ALIAS).error is None


def test_a_model_on_this_machine_is_loaded_without_a_download(
    start: Callable[[ScriptedRuntime], Board],
) -> None:
    model = ScriptedModel(CPU, is_cached=True)
    reaches(start(ScriptedRuntime({ALIAS: model})), ModelState.LOADED)
    assert not model.downloading.is_set()
