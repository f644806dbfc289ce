"""Faults beside the model: a page whose live line is dead, and a Prometheus with a full disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import pytest

from support.healthcheck import (
    Line,
    SmallDisk,
    part_of,
    seconds_until,
    start_healthcheck,
    start_prometheus,
)

if TYPE_CHECKING:
    from support.chat_stack import ChatStack

WITHIN = 30.0
"""Seconds from a fault to the light: what docs/monitoring.md promises."""
WORDS = {"refuse": "it answers with status 502", "swallow": "nothing comes in time. Its page"}


@pytest.mark.parametrize("rule", ["refuse", "swallow"])
def test_chainlits_dead_live_line_is_red_while_its_page_stays_green(
    chat_stack: ChatStack, rule: Literal["refuse", "swallow"]
) -> None:
    """As where a proxy in front passes pages, but not WebSocket upgrades."""
    with (
        Line(chat_stack.app.url, mark=b"GET /ws/") as line,
        start_healthcheck(
            FOUNDRY_URL=chat_stack.foundry.url,
            GATEWAY_URL=chat_stack.gateway.url,
            GATEWAY_API_KEY=chat_stack.gateway.key,
            CHAINLIT_URL=line.url,
            HEALTHCHECK_INTERVAL="2",
            HEALTHCHECK_TIMEOUT="4",
        ) as healthcheck,
    ):
        healthcheck.wait_until_green()
        at = time.time()
        line.rule = rule
        red = healthcheck.wait_until_red("chainlit-socket", "handshake_failed")
        assert seconds_until(red["since"], at) < WITHIN
        assert WORDS[rule] in red["message"]
        assert "WebSocket" in red["remedy"]
        status = healthcheck.status()
        assert part_of(status, "chainlit")["state"] == "up"
        assert status["status"] == "degraded"
        line.rule = "pass"
        healthcheck.wait_until_green()


def test_a_prometheus_with_a_full_disk_is_red_and_goes_on_when_there_is_room(
    chat_stack: ChatStack,
) -> None:
    with (
        SmallDisk() as disk,
        start_prometheus(disk.path / "data") as prometheus_url,
        start_healthcheck(
            FOUNDRY_URL=chat_stack.foundry.url,
            GATEWAY_URL=chat_stack.gateway.url,
            GATEWAY_API_KEY=chat_stack.gateway.key,
            PROMETHEUS_URL=prometheus_url,
        ) as healthcheck,
    ):
        healthcheck.wait_until(
            lambda status: isinstance(
                part_of(status, "prometheus")["facts"].get("newest_sample_age_seconds"), float
            ),
            "a first sample",
        )
        healthcheck.wait_until_green()
        at = time.time()
        disk.fill()
        red = healthcheck.wait_until_red("prometheus", "storage_failed")
        assert seconds_until(red["since"], at) < WITHIN
        assert "Make room" in red["remedy"]
        assert healthcheck.status()["status"] == "degraded"
        disk.make_room()
        healthcheck.wait_until_green()
