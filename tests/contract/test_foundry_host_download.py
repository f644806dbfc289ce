"""Downloading with the real runtime: only Microsoft's end is stood in for (``model_hub``)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from support.foundry import DEMO_ALIAS, Foundry, demo_dir, post_json, start_foundry_v2, wait_until
from support.model_hub import ModelHub, run_model_hub
from support.processes import ask_to_stop_thrice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALIAS = "qwen2.5-0.5b"
BLOCK = 2 << 20
MOST_BLOCKS = 10  # of 13: at least a fifth of the bytes, and never all
UNREACHABLE = "public_catalog_unreachable"
ASKED = 10


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ModelHub]:
    """A hub that offers one model of a few megabytes, several blocks long."""
    files = tmp_path / "published"
    files.mkdir()
    for path in demo_dir().iterdir():
        (files / path.name).write_bytes(path.read_bytes())
    (files / "padding.bin").write_bytes(bytes(12 << 20))
    with run_model_hub(files, tmp_path) as running:
        running.offer(ALIAS)
        yield running


def model(foundry: Foundry, alias: str = ALIAS) -> dict[str, Any]:
    """What ``/status`` says of the model; empty while it says nothing."""
    return next((m for m in foundry.status()["models"] if m["alias"] == alias), {})


def percent(foundry: Foundry) -> float:
    """How much of the model is downloaded; 0 while nothing is."""
    return float((model(foundry).get("progress") or {}).get("percent", 0))


def codes(foundry: Foundry) -> list[str]:
    return [notice["code"] for notice in foundry.status()["notices"]]


def ask(foundry: Foundry, variant: str) -> str:
    body = {"model": variant, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}
    answer = post_json(f"{foundry.url}/v1/chat/completions", body)
    return str(answer["choices"][0]["message"]["content"])


def test_the_demo_answers_while_the_model_downloads_with_visible_progress(hub: ModelHub) -> None:
    hub.blocks_to_send = MOST_BLOCKS
    with start_foundry_v2(args=["--model", ALIAS], env=hub.environment(), public=True) as foundry:
        wait_until(foundry, lambda: percent(foundry) > 0, "progress")
        progress = model(foundry)["progress"]
        total = sum(path.stat().st_size for path in hub.files.iterdir())
        assert model(foundry)["state"] == "downloading"
        assert ask(foundry, "foundry-demo-generic-cpu:1")
        assert progress["total_bytes"] == total
        assert progress["bytes"] == pytest.approx(
            total * progress["percent"] / 100, abs=total / 1000
        )

        hub.blocks_to_send = math.inf
        wait_until(foundry, lambda: model(foundry)["state"] == "loaded", "the model loaded")
        assert model(foundry)["context_length"] == 4096
        assert model(foundry)["progress"] is None
        assert ask(foundry, f"{ALIAS}-instruct-generic-cpu:4")
        assert f"{ALIAS}: " in foundry.output()
        assert " MB, " in foundry.output()
        assert codes(foundry) == []


def test_stopping_ends_a_download_that_hangs_and_the_next_start_goes_on(
    hub: ModelHub, tmp_path: Path
) -> None:
    hub.blocks_to_send = MOST_BLOCKS
    start: dict[str, Any] = {
        "args": ["--model", ALIAS],
        "env": hub.environment(),
        "data_dir": tmp_path / "data",
    }
    with start_foundry_v2(**start, public=True) as foundry:
        wait_until(foundry, lambda: percent(foundry) > 20, "a part downloaded")
        ask_to_stop_thrice(foundry.process)
        # A download that hears nothing is given eight seconds; Docker gives twenty.
        assert foundry.process.wait(20) == 0
    sent = hub.blocks_sent
    hub.blocks_to_send = math.inf
    with start_foundry_v2(**start, public=True, wait_for=[DEMO_ALIAS, ALIAS]):
        blocks = sum(-(-path.stat().st_size // BLOCK) for path in hub.files.iterdir())
        assert hub.blocks_sent - sent < blocks


def test_a_network_that_comes_back_is_used(hub: ModelHub) -> None:
    hub.reachable = False
    with start_foundry_v2(args=["--model", ALIAS], env=hub.environment(), public=True) as foundry:
        wait_until(foundry, lambda: model(foundry)["state"] == "failed", "the failure shown")
        assert codes(foundry) == [UNREACHABLE]
        assert "cannot be reached" in model(foundry)["error"]["message"]
        assert model(foundry)["error"]["remedy"]

        hub.reachable = True
        wait_until(foundry, lambda: model(foundry)["state"] == "loaded", "the model loaded")
        assert codes(foundry) == []
        assert ask(foundry, f"{ALIAS}-instruct-generic-cpu:4")


def test_the_unreachable_catalog_is_mentioned_once_and_delays_nothing(hub: ModelHub) -> None:
    hub.reachable = False
    with start_foundry_v2(args=["--model", ALIAS], env=hub.environment(), public=True) as foundry:
        for _ in range(ASKED):
            status, _ = post_json(
                f"{foundry.url}/v1/chat/completions",
                {"model": "unknown-model:1", "messages": [{"role": "user", "content": "Hello"}]},
                allow_errors=True,
            )
            assert status == 404
        # What delays is asking: neither the start asks again and again, nor does an unknown id.
        assert hub.queries < ASKED
        assert foundry.output().count("public model catalog cannot be reached (") == 1


def test_a_downloaded_model_stays_when_the_network_is_gone(hub: ModelHub, tmp_path: Path) -> None:
    start: dict[str, Any] = {
        "args": ["--model", ALIAS],
        "env": hub.environment(),
        "data_dir": tmp_path / "data",
    }
    both = [DEMO_ALIAS, ALIAS]
    with start_foundry_v2(**start, public=True, wait_for=both):
        pass
    hub.reachable = False
    with start_foundry_v2(**start, public=True, wait_for=both) as foundry:
        assert ask(foundry, f"{ALIAS}-instruct-generic-cpu:4")
        assert codes(foundry) == [UNREACHABLE]


def test_an_unknown_alias_is_told_what_is_close(hub: ModelHub) -> None:
    hub.offer("phi-4-mini")
    args = ["--model", "phi-4-mni"]
    with start_foundry_v2(args=args, env=hub.environment(), public=True) as foundry:
        wait_until(foundry, lambda: model(foundry, args[1])["state"] == "failed", "the failure")
        assert model(foundry, args[1])["error"] == {
            "message": "There is no model phi-4-mni.",
            "remedy": "Did you mean phi-4-mini?",
        }


def test_a_slow_catalog_delays_nothing_and_is_taken_in_when_it_answers(hub: ModelHub) -> None:
    hub.may_answer.clear()
    with start_foundry_v2(args=["--model", ALIAS], env=hub.environment(), public=True) as foundry:
        # It answers although the catalog has not, and without having waited for it to the end.
        assert ask(foundry, "foundry-demo-generic-cpu:1")
        (notice,) = foundry.status()["notices"]
        assert notice["code"] == UNREACHABLE
        assert "(no answer in time)" in notice["message"]
        hub.may_answer.set()
        wait_until(foundry, lambda: model(foundry)["state"] == "loaded", "the model loaded")
        assert codes(foundry) == []
