"""Foundry Local and the gateway fail in every way that people meet; the probe says which."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from support.foundry import DEMO_ALIAS, Foundry, start_foundry_v2
from support.gateway import Gateway, run_gateway
from support.healthcheck import Healthcheck, Line, part_of, seconds_until, start_healthcheck
from support.processes import dead_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITHIN = 30.0
"""Seconds from a fault to the light: what docs/monitoring.md promises.

Where the runtime is stopped or frozen, the slowest way, it holds with the intervals that users
have. The other tests are about what is said, and look more often.
"""
OFTEN = {"HEALTHCHECK_INTERVAL": "2"}


@contextlib.contextmanager
def watched(
    foundry_url: str, scratch: Path, *, through: str = "", **env: str
) -> Iterator[tuple[Gateway, Healthcheck]]:
    """A gateway and a prober in front of a Foundry Local, which the gateway may reach otherwise."""
    log = scratch / "gateway.log"
    with (
        run_gateway(log, FOUNDRY_URL=through or foundry_url, MODEL=DEMO_ALIAS) as gateway,
        start_healthcheck(
            FOUNDRY_URL=foundry_url,
            GATEWAY_URL=gateway.url,
            GATEWAY_API_KEY=gateway.key,
            **env,
        ) as healthcheck,
    ):
        yield gateway, healthcheck


def started(healthcheck: Healthcheck) -> float:
    """When the prober began, for a fault that was there before it."""
    return seconds_until(healthcheck.status()["started"], 0)


@pytest.fixture
def foundry() -> Iterator[Foundry]:
    with start_foundry_v2() as running:
        yield running


def test_a_stopped_foundry_is_refused_and_the_gateway_stays_green(
    foundry: Foundry, tmp_path: Path
) -> None:
    with watched(foundry.url, tmp_path) as (_, healthcheck):
        healthcheck.wait_until_green()
        at = time.time()
        foundry.stop()
        red = healthcheck.wait_until_red("foundry", "refused")
        assert seconds_until(red["since"], at) < WITHIN
        assert "scripts/foundry_host.py" in red["remedy"]
        chat = healthcheck.wait_until_red("chat", "refused")
        assert seconds_until(chat["since"], at) < WITHIN
        status = healthcheck.status()
        assert status["status"] == "down"
        assert "Foundry Local" in status["summary"]
        assert part_of(status, "gateway")["state"] == "up"
        assert healthcheck.metric("probe_success", probe="foundry") == 0
        assert healthcheck.metric("foundry_healthcheck_foundry_info") is None

        with start_foundry_v2(port=foundry.port):
            healthcheck.wait_until_green()


def test_a_frozen_foundry_times_out_and_recovers_when_thawed(
    foundry: Foundry, tmp_path: Path
) -> None:
    with watched(foundry.url, tmp_path) as (_, healthcheck):
        healthcheck.wait_until_green()
        at = time.time()
        os.kill(foundry.pid, signal.SIGSTOP)
        try:
            red = healthcheck.wait_until_red("foundry", "timed_out")
            chat = healthcheck.wait_until_red("chat", "timed_out")
        finally:
            os.kill(foundry.pid, signal.SIGCONT)
        assert seconds_until(red["since"], at) < WITHIN
        assert seconds_until(chat["since"], at) < WITHIN
        assert "hangs" in red["message"]
        healthcheck.wait_until_green()


def test_a_foundry_that_dies_in_the_middle_of_an_answer_breaks_the_stream(
    foundry: Foundry, tmp_path: Path
) -> None:
    # The real answer's first words pass; the rest is held until Foundry Local has been killed.
    with (
        Line(foundry.url, hold_after=b'"content":"1') as line,
        watched(foundry.url, tmp_path, through=line.url) as (_, healthcheck),
    ):
        assert line.held.wait(60), healthcheck.output()
        at = time.time()
        foundry.process.kill()
        status = healthcheck.wait_until(
            lambda status: part_of(status, "chat")["history"], "the first answer judged"
        )
        first = part_of(status, "chat")["history"][0]
        assert (first["outcome"], first["reason"]) == ("down", "stream_broken"), first
        assert seconds_until(first["at"], at) < WITHIN
        # The time to its first chunk was measured all the same.
        assert first["value"] > 0
        broken = {"probe": "chat", "reason": "stream_broken"}
        assert healthcheck.metric("foundry_healthcheck_failures_total", **broken) == 1
        healthcheck.wait_until_red("foundry", "refused")


def test_a_wrong_port_with_nothing_behind_it_is_refused(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{dead_port()}"
    with watched(url, tmp_path) as (_, healthcheck):
        at = started(healthcheck)
        red = healthcheck.wait_until_red("foundry", "refused")
        assert seconds_until(red["since"], at) < WITHIN
        assert url in red["message"]
        assert "set FOUNDRY_URL" in red["remedy"]
        assert healthcheck.wait_until_red("chat", "refused")["remedy"]


def test_a_wrong_port_with_another_program_behind_it_is_not_foundry(
    gateway_v2: Gateway, tmp_path: Path
) -> None:
    with watched(gateway_v2.url, tmp_path) as (_, healthcheck):
        at = started(healthcheck)
        red = healthcheck.wait_until_red("foundry", "not_foundry")
        assert seconds_until(red["since"], at) < WITHIN
        assert "Another program answers there." in red["remedy"]
        healthcheck.wait_until_red("chat", "not_foundry")


def test_an_unloaded_model_is_seen_and_not_loaded_by_looking(
    foundry: Foundry, tmp_path: Path
) -> None:
    with watched(foundry.url, tmp_path, HEALTHCHECK_CHAT_INTERVAL="3", **OFTEN) as (_, healthcheck):
        healthcheck.wait_until_green()
        at = time.time()
        foundry.get_json(f"/models/unload/{DEMO_ALIAS}")
        red = healthcheck.wait_until_red("foundry", "no_model_loaded")
        assert seconds_until(red["since"], at) < WITHIN
        assert "Ask anything in the chat" in red["remedy"]
        status = healthcheck.wait_until(
            lambda status: part_of(status, "chat")["history"][-1]["reason"] == "model_not_loaded",
            "the chat is skipped",
        )
        assert status["status"] == "degraded"
        assert part_of(status, "chat")["state"] == "up"  # it was, a moment ago
        assert healthcheck.metric("foundry_healthcheck_foundry_models_loaded") == 0
        skips = healthcheck.metric("foundry_healthcheck_skipped_total", reason="model_not_loaded")
        healthcheck.wait_until(
            lambda _: (
                (
                    healthcheck.metric(
                        "foundry_healthcheck_skipped_total", reason="model_not_loaded"
                    )
                    or 0
                )
                > (skips or 0) + 1
            ),
            "skipped again and again",
        )
        assert foundry.get_json("/models/loaded") == []
        foundry.get_json(f"/models/load/{DEMO_ALIAS}")
        healthcheck.wait_until_green()


def test_a_killed_gateway_is_refused_and_foundry_stays_green(
    foundry: Foundry, tmp_path: Path
) -> None:
    with watched(foundry.url, tmp_path, **OFTEN) as (gateway, healthcheck):
        healthcheck.wait_until_green()
        at = time.time()
        gateway.process.kill()
        red = healthcheck.wait_until_red("gateway", "refused")
        assert seconds_until(red["since"], at) < WITHIN
        assert "docker compose up -d gateway" in red["remedy"]
        chat = healthcheck.wait_until_red("chat", "refused")
        assert seconds_until(chat["since"], at) < WITHIN
        assert healthcheck.part("foundry")["state"] == "up"
        assert healthcheck.status()["status"] == "down"
