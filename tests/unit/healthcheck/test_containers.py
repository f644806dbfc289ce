"""What the prober makes of the view of Docker; tests/stack has the real one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from foundry_healthcheck.containers import ContainerState, ContainerStates, ContainerView

GATEWAY = "a" * 64
SECOND = "b" * 64
SECOND_OF_TIME = 1_000_000_000


def listed(container_id: str, service: str, state: str, status: str) -> dict[str, Any]:
    labels = {"com.docker.compose.service": service}
    return {"Id": container_id, "State": state, "Status": status, "Labels": labels}


def happened(container_id: str, action: str, at: int, service: str = "gateway") -> dict[str, Any]:
    labels = {"com.docker.compose.service": service}
    moment = at * SECOND_OF_TIME
    return {"id": container_id, "Action": action, "timeNano": moment, "Labels": labels}


def used(
    memory: int, cache: int, *, cgroup: int = 2, limit: int = 1000, cpu: int = 0
) -> dict[str, Any]:
    name = "inactive_file" if cgroup == 2 else "total_inactive_file"
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": cpu}},
        "memory_stats": {"usage": memory, "limit": limit, "stats": {name: cache}},
    }


@dataclass
class CannedView:
    """Answers in the shape of docker-view; ``stats`` by id."""

    url: str = ""
    containers: Any = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/containers/json":
            return web.json_response(self.containers, status=self.status)
        if request.path == "/events":
            return web.json_response(self.events)
        found = self.stats.get(request.path.split("/")[2])
        if found is None:
            return web.json_response({"message": "That container is gone."}, status=404)
        return web.json_response(found)


@contextlib.asynccontextmanager
async def canned_view(**answers: Any) -> AsyncIterator[CannedView]:
    view = CannedView(**answers)
    app = web.Application()
    app.router.add_get("/{path:.*}", view.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        view.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield view
    finally:
        await runner.cleanup()


async def read(view: CannedView, reader: ContainerView | None = None) -> ContainerStates:
    async with aiohttp.ClientSession() as session:
        return await (reader or ContainerView(view.url)).read(session)


async def only(view: CannedView, reader: ContainerView | None = None) -> ContainerState:
    states = await read(view, reader)
    assert states.error is None
    assert len(states.items) == 1
    return states.items[0]


# ---- State ----------------------------------------------------------------------------------


async def test_a_container_that_runs_well():
    containers = [listed(GATEWAY, "gateway", "running", "Up 3 hours (healthy)")]
    stats = {GATEWAY: used(900, 300, limit=2000, cpu=12_500_000_000)}
    async with canned_view(containers=containers, stats=stats) as view:
        assert await only(view) == ContainerState(
            service="gateway",
            running=True,
            state="running",
            restarts=0,
            memory_bytes=600,
            memory_limit_bytes=2000,
            cpu_seconds=12.5,
            health="healthy",
        )


async def test_a_container_that_ended_well_has_finished():
    containers = [listed(GATEWAY, "secrets", "exited", "Exited (0) 2 hours ago")]
    async with canned_view(containers=containers) as view:
        found = await only(view)
    assert (found.state, found.running, found.exit_code) == ("finished", False, 0)
    assert found.memory_bytes is None


async def test_a_container_that_crashed_tells_its_exit_code():
    containers = [listed(GATEWAY, "gateway", "exited", "Exited (137) 5 seconds ago")]
    async with canned_view(containers=containers) as view:
        found = await only(view)
    assert (found.state, found.exit_code) == ("exited", 137)


async def test_a_container_in_a_crash_loop_is_not_running():
    containers = [listed(GATEWAY, "gateway", "restarting", "Restarting (1) 2 seconds ago")]
    async with canned_view(containers=containers) as view:
        found = await only(view)
    assert (found.state, found.running, found.exit_code) == ("restarting", False, 1)


async def test_health_is_told_in_the_words_of_docker():
    told = {
        "Up 2 seconds (health: starting)": "starting",
        "Up 2 minutes (unhealthy)": "unhealthy",
        "Up 2 minutes": None,
    }
    for status, health in told.items():
        containers = [listed(GATEWAY, "gateway", "running", status)]
        async with canned_view(containers=containers) as view:
            assert (await only(view)).health == health


async def test_a_service_of_several_containers_is_as_well_as_the_worst_and_as_large_as_all():
    containers = [
        listed(GATEWAY, "gateway", "running", "Up 3 hours"),
        listed(SECOND, "gateway", "exited", "Exited (1) 5 seconds ago"),
    ]
    async with canned_view(containers=containers, stats={GATEWAY: used(500, 100)}) as view:
        found = await only(view)
    assert (found.running, found.state, found.exit_code) == (False, "exited", 1)
    assert found.memory_bytes == 400


async def test_memory_leaves_out_the_cache_under_both_versions_of_cgroups():
    containers = [listed(GATEWAY, "gateway", "running", "Up 3 hours")]
    for cgroup in (1, 2):
        stats = {GATEWAY: used(500, 100, cgroup=cgroup)}
        async with canned_view(containers=containers, stats=stats) as view:
            assert (await only(view)).memory_bytes == 400


async def test_a_container_that_ends_while_it_is_measured_is_still_listed():
    containers = [listed(GATEWAY, "gateway", "running", "Up 3 hours")]
    async with canned_view(containers=containers, stats={}) as view:
        found = await only(view)
    assert found.state == "running"
    assert found.memory_bytes is None


# ---- Restarts -------------------------------------------------------------------------------


async def test_each_start_after_a_death_is_a_restart_and_is_counted_once():
    containers = [listed(GATEWAY, "gateway", "running", "Up 3 seconds")]
    async with canned_view(containers=containers) as view:
        reader = ContainerView(view.url)
        view.events = [happened(GATEWAY, "start", 1)]
        assert (await only(view, reader)).restarts == 0, "its first start is none"
        view.events += [happened(GATEWAY, "die", 2), happened(GATEWAY, "start", 3)]
        assert (await only(view, reader)).restarts == 1
        assert (await only(view, reader)).restarts == 1, "the same events come again"
        view.events = [happened(GATEWAY, "die", 4), happened(GATEWAY, "start", 5)]
        assert (await only(view, reader)).restarts == 2, "the old ones have left the window"


async def test_a_death_in_one_reading_and_the_start_in_the_next_are_a_restart():
    containers = [listed(GATEWAY, "gateway", "running", "Up 3 seconds")]
    async with canned_view(containers=containers) as view:
        reader = ContainerView(view.url)
        view.events = [happened(GATEWAY, "die", 2)]
        assert (await only(view, reader)).restarts == 0
        view.events += [happened(GATEWAY, "start", 3)]
        assert (await only(view, reader)).restarts == 1


async def test_one_that_lies_dead_at_first_sight_restarts_later():
    dead = [listed(GATEWAY, "gateway", "exited", "Exited (1) 2 hours ago")]
    async with canned_view(containers=dead) as view:
        reader = ContainerView(view.url)
        await only(view, reader)
        view.containers = [listed(GATEWAY, "gateway", "running", "Up 3 seconds")]
        view.events = [happened(GATEWAY, "start", 9)]
        assert (await only(view, reader)).restarts == 1


async def test_a_container_made_anew_is_no_restart():
    containers = [listed(GATEWAY, "gateway", "running", "Up 3 hours")]
    async with canned_view(containers=containers) as view:
        reader = ContainerView(view.url)
        await only(view, reader)
        view.containers = [listed(SECOND, "gateway", "running", "Up 1 second")]
        view.events = [happened(GATEWAY, "die", 2), happened(SECOND, "start", 3)]
        assert (await only(view, reader)).restarts == 0


# ---- When it is not known -------------------------------------------------------------------


async def test_a_view_that_is_not_there_is_said_with_how_to_start_it():
    async with canned_view() as view:
        pass
    states = await read(view)
    assert states.items == ()
    assert states.error is not None
    assert "docker compose --profile containers up -d docker-view" in states.error


async def test_what_the_view_says_itself_is_passed_on():
    async with canned_view(containers={"message": "Set DOCKER_GID in .env."}, status=503) as view:
        assert (await read(view)).error == "Set DOCKER_GID in .env."


async def test_what_is_not_the_view_is_said_to_be_no_view():
    async with canned_view(containers="hello", status=404) as view:
        error = (await read(view)).error
    assert error is not None
    assert "DOCKER_VIEW_URL" in error


async def test_nonsense_in_an_answer_is_passed_over():
    containers = [None, 3, {"Labels": None}, {"Labels": {}, "Status": 4, "State": []}]
    async with canned_view(containers=containers, events=[{"timeNano": "x"}]) as view:
        states = await read(view)
    assert states.error is None
    assert [each.service for each in states.items] == ["unknown"]
