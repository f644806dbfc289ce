"""A Prometheus in states that the real one takes hours to get into; the rest: fault tests."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiohttp import web

from foundry_healthcheck.modules.prometheus import seconds


class Prometheus:
    """Says that its newest sample is ``age`` seconds old."""

    def __init__(self, serving) -> None:
        self._serving = serving
        self.age: float | None = 1.0
        self.failed_writes = 0
        self.started = "2020-01-01T00:00:00.123456789Z"
        self.ready = 200
        self.asked: list[str] = []

    def running(self):
        return self._serving({"/{path:.*}": self._answer})

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/-/ready":
            return web.Response(status=self.ready)
        if request.path == "/metrics":
            return web.Response(
                text=f"prometheus_tsdb_wal_writes_failed_total {self.failed_writes}\n"
            )
        data: Any = {"startTime": self.started}
        if request.path.endswith("/query"):
            newest = [] if self.age is None else [{"value": [0, str(time.time() - self.age)]}]
            data = {"resultType": "vector", "result": newest}
        elif request.path.endswith("/targets"):
            data = {"activeTargets": [{"scrapeInterval": "1m"}, {"scrapeInterval": "15s"}]}
        return web.json_response({"status": "success", "data": data})


@pytest.fixture
def prometheus(serving) -> Prometheus:
    return Prometheus(serving)


async def look(probe, prometheus: Prometheus):
    async with prometheus.running() as url:
        return (await probe("prometheus", url, service="prometheus"))[1]


async def test_fresh_samples_are_enough(probe, prometheus: Prometheus) -> None:
    prometheus.failed_writes = 4  # of a disk that was full once
    outcome = await look(probe, prometheus)
    assert outcome.state == "up"
    assert outcome.facts["scrape_interval_seconds"] == 15
    assert "/metrics" not in prometheus.asked


async def test_a_late_scrape_is_forgiven_where_nothing_failed_to_be_written(
    probe, prometheus: Prometheus
) -> None:
    prometheus.age = 40
    assert (await look(probe, prometheus)).state == "up"


async def test_old_samples_and_failed_writes_are_a_failed_storage(
    probe, prometheus: Prometheus
) -> None:
    prometheus.age, prometheus.failed_writes = 18, 1
    outcome = await look(probe, prometheus)
    assert (outcome.reason, outcome.state) == ("storage_failed", "down")
    assert "Make room" in (outcome.remedy or "")


@pytest.mark.parametrize("age", [60, None])
async def test_old_samples_alone_are_not_recording(
    probe, prometheus: Prometheus, age: float | None
) -> None:
    prometheus.age = age
    assert (await look(probe, prometheus)).reason == "not_recording"


async def test_one_that_has_just_started_has_no_samples_yet(probe, prometheus) -> None:
    prometheus.age = None
    prometheus.started = time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime())
    assert (await look(probe, prometheus)).state == "up"


async def test_one_that_replays_its_log_is_not_ready(probe, prometheus: Prometheus) -> None:
    prometheus.ready = 503
    outcome = await look(probe, prometheus)
    assert outcome.reason == "not_ready"
    assert "replays" in (outcome.remedy or "")


@pytest.mark.parametrize(
    ("text", "expected"), [("15s", 15), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("soon", 0)]
)
def test_durations_in_its_spelling(text: str, expected: float) -> None:
    assert seconds(text) == expected
