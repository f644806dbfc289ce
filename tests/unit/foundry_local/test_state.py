from __future__ import annotations

import threading

from foundry_host.follower import Follower
from foundry_host.state import Board, ModelState, ModelStatus
from support.scripted_runtime import ScriptedModel, ScriptedRuntime


def board() -> Board:
    new = Board()
    new.put(ModelStatus("demo", "demo-cpu:1", demo=True))
    return new


def states(board: Board) -> dict[str, str]:
    return {model["alias"]: model["state"] for model in board.as_json()["models"]}


def test_what_callers_load_and_unload_is_followed() -> None:
    following = board()
    following.follow([], {"demo-cpu:1"})
    assert states(following) == {"demo": "loaded"}
    following.follow([], set())
    assert states(following) == {"demo": "cached"}


def test_every_model_on_the_machine_is_listed() -> None:
    following = board()
    following.follow([ModelStatus("other", "other-cpu:2", context_length=8)], {"other-cpu:2"})
    assert states(following) == {"demo": "cached", "other": "loaded"}


def test_a_download_is_not_mistaken_for_a_cached_model() -> None:
    following = board()
    following.update("qwen", variant="qwen-cpu:4", state=ModelState.DOWNLOADING)
    following.follow([], {"demo-cpu:1"})
    assert states(following)["qwen"] == "downloading"


def test_a_notice_is_new_only_once() -> None:
    notices = board()
    assert notices.notice("code", "text")
    assert not notices.notice("code", "text")
    assert notices.withdraw("code")
    assert not notices.withdraw("code")
    assert notices.as_json()["notices"] == []


class LoadingRuntime(ScriptedRuntime):
    """As the real one while it loads: it answers when it is done."""

    loaded = threading.Event()

    def get_loaded_models(self) -> list[ScriptedModel]:
        assert self.loaded.wait(60), "the status was held up by it"
        return [ScriptedModel("demo-cpu:1", "demo")]


def test_a_load_in_progress_does_not_hold_up_the_status() -> None:
    runtime, following = LoadingRuntime(), board()
    follower = Follower(runtime, following)
    for _ in range(3):
        follower.refresh()
    assert states(following) == {"demo": "cached"}
    runtime.loaded.set()
    follower.refresh()
    assert states(following) == {"demo": "loaded"}
