"""However much Prometheus is asked at once, it stays below its memory and answers others.

Asked is a copy of the container with the same limits, straight at its port: nothing in front of it
holds anything back.
"""

import asyncio
import math
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from support.copies import MEBIBYTE, Copy, copy_of, settled
from support.stack import RunningStack, eventually, get

AT_ONCE = (8, 32)
PATIENCE_SECONDS = 60.0
# Of start.sh, as the first test sees. Whoever comes when all connections are taken waits until the
# queries of a whole round are over, and each may take so long.
CONNECTIONS = 16
QUERY_SECONDS = 10
# It takes a busy machine time to end a query.
TO_END_SECONDS = 10.0
EVERYTHING = '{__name__=~".+"}'


def instant(expression: str) -> str:
    return "/api/v1/query?" + urllib.parse.urlencode({"query": expression})


def over_time(expression: str, step: int, points: int) -> str:
    end = int(time.time())
    asked = {"query": expression, "start": end - step * points, "end": end, "step": step}
    return "/api/v1/query_range?" + urllib.parse.urlencode(asked)


def large_answer() -> str:
    """Every series at 500 points each: an answer of ten megabytes."""
    return over_time(f"{EVERYTHING} @ {int(time.time()) - 1}", 15, 500)


HEAVY = {
    "a subquery of millions of steps": instant("count_over_time(vector(1)[13h:10ms])"),
    "a subquery just below the limit": instant("count_over_time(vector(1)[4900s:10ms])"),
    "a subquery in a subquery": instant(
        "count_over_time(sum_over_time(vector(1)[10m:10ms])[1h:1s])"
    ),
    "a graph of eleven thousand points": over_time('{__name__=~"go_.*"}', 1, 11000),
    "every series at once": instant(EVERYTHING),
    "all that is stored": instant(f"{EVERYTHING}[15d]"),
    "the labels of every series": "/api/v1/series?"
    + urllib.parse.urlencode({"match[]": EVERYTHING}),
    "a federation of everything": "/federate?" + urllib.parse.urlencode({"match[]": EVERYTHING}),
    "the values of a label": "/api/v1/label/__name__/values?"
    + urllib.parse.urlencode({"match[]": EVERYTHING}),
}


@dataclass
class Attack:
    """Requests at once, and what a bystander saw meanwhile."""

    copy: Copy
    waits: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    peak: int = 0

    async def run(self, path: str, count: int, *, linger: float = 0.0) -> list[int]:
        """Ask so many times at once; returns the statuses.

        Args:
            path: What is asked.
            count: How many connections.
            linger: How long each caller leaves its answer unread. Seconds.
        """
        over = asyncio.Event()
        watching = [
            asyncio.create_task(self._bystander(over)),
            asyncio.create_task(self._weigh(over)),
        ]
        try:
            asked = (ask(self.copy.port, path, linger=linger) for _ in range(count))
            return await asyncio.gather(*asked)
        finally:
            over.set()
            await asyncio.gather(*watching)

    async def _bystander(self, over: asyncio.Event) -> None:
        while not over.is_set():
            started = time.monotonic()
            status = await ask(self.copy.port, instant("up"))
            self.waits.append(time.monotonic() - started)
            if status != 200:
                self.failures.append(f"status {status} after {self.waits[-1]:.1f} s")
            await asyncio.sleep(0.2)

    async def _weigh(self, over: asyncio.Event) -> None:
        while not over.is_set():
            self.peak = max(self.peak, await asyncio.to_thread(self.copy.memory))
            await asyncio.sleep(0.1)


async def ask(port: int, path: str, *, linger: float = 0.0) -> int:
    """Ask once and read the whole answer; returns the status, 0 where none came."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            head = await reader.read(64)
            await asyncio.sleep(linger)
            while await reader.read(65_536):
                pass
            writer.close()
            return int(head.split()[1]) if head else 0
    except (OSError, TimeoutError):
        return 0


@pytest.fixture(scope="module")
def prometheus(stack: RunningStack) -> Iterator[Copy]:
    with copy_of(stack, "prometheus", 9090, PROMETHEUS_SCRAPE_INTERVAL="5s") as copy:
        # It reads itself, hundreds of series.
        eventually(lambda: scraped(copy) > 500, 120)
        yield copy


def scraped(copy: Copy) -> float:
    try:
        found = get(f"{copy.url}{instant(f'count({EVERYTHING})')}").json()["data"]["result"]
    except (OSError, ValueError, KeyError):
        return 0
    return float(found[0]["value"][1]) if found else 0


def test_the_copy_has_the_limits_of_the_container(prometheus: Copy):
    flags = get(f"{prometheus.url}/api/v1/status/flags").json()["data"]
    assert int(flags["web.max-connections"]) == CONNECTIONS
    assert flags["query.timeout"] == f"{QUERY_SECONDS}s"
    held = CONNECTIONS * int(flags["query.max-samples"]) * 56
    assert held < prometheus.limit
    assert flags["storage.remote.read-sample-limit"] == "1"
    assert prometheus.limit == 512 * MEBIBYTE


@pytest.mark.parametrize("count", AT_ONCE)
@pytest.mark.parametrize(
    "path",
    [*HEAVY.values(), "large", "large, unread"],
    ids=[*HEAVY, "a large answer", "a large answer left unread"],
)
async def test_stays_up_and_answers_a_bystander(prometheus: Copy, path: str, count: int):
    before = prometheus.state()["StartedAt"]
    attack = Attack(prometheus)
    linger = 3.0 if path == "large, unread" else 0.0
    asked = large_answer() if path.startswith("large") else path
    statuses = await attack.run(asked, count, linger=linger)
    state = prometheus.state()
    assert state["Running"], f"killed: {state}"
    assert state["StartedAt"] == before
    # Refused for its size or its time, or answered; never broken off.
    assert set(statuses) <= {200, 422, 503}, statuses
    assert attack.failures == []
    rounds = math.ceil(count / CONNECTIONS)
    assert max(attack.waits) < rounds * QUERY_SECONDS + TO_END_SECONDS
    assert attack.peak < 0.9 * prometheus.limit


def test_afterwards_it_gives_back_most_of_it(prometheus: Copy):
    # Go's collector looks at an idle process every two minutes only, and its pools keep what they
    # hold for one look longer; a profile may ask for the look.
    for _ in range(2):
        assert get(f"{prometheus.url}/debug/pprof/heap?gc=1").status == 200
    settled(prometheus, prometheus.limit // 2)
