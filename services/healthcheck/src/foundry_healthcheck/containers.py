"""What Docker says about the stack's containers, through the read-only view `docker-view`.

The view answers a trimmed part of Docker's API (services/docker-view): this project's containers
only, no environment, no command, no log. Restarts are counted from Docker's events, because the
count Docker keeps itself stands beside the environment, which nobody may read here.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVICE_LABEL = "com.docker.compose.service"
NANOSECONDS = 1e9
RUNNING = frozenset({"running", "paused"})
"""States in which a container holds memory and can be measured."""
DEAD = frozenset({"exited", "restarting", "dead"})
_EXIT_CODE = re.compile(r"^(?:Exited|Restarting) \((\d+)\)")
_HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)$")
_WORST_FIRST = ("restarting", "dead", "exited", "paused", "created", "removing", "running")
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One Compose service; where it runs several containers, all of them together."""

    service: str
    running: bool
    state: str
    """Docker's word (`running`, `restarting`, `exited`…), or `finished` after exit code 0."""
    restarts: int
    """How often it died and was started again since this process began to watch."""
    memory_bytes: int | None = None
    """Without the page cache that the kernel gives back at once, as `docker stats` counts."""
    memory_limit_bytes: int | None = None
    cpu_seconds: float | None = None
    """Since its container started: falls back to zero with a restart, as a counter may."""
    health: str | None = None
    """`starting`, `healthy` or `unhealthy` by its own healthcheck; None without one."""
    exit_code: int | None = None

    @property
    def trouble(self) -> str | None:
        """How it is, to go after "is", where that is not as it should be."""
        if self.state in DEAD or self.state == "paused":
            return (
                f"{self.state} after exit code {self.exit_code}" if self.exit_code else self.state
            )
        return "unhealthy" if self.health == "unhealthy" else None


@dataclass(frozen=True, slots=True)
class ContainerStates:
    """All services of the project by name, or why they are not known."""

    items: tuple[ContainerState, ...] = ()
    error: str | None = None
    """One sentence, and what to do."""


class ContainerView:
    """Reads the view and remembers what restarted.

    Args:
        url: Where `docker-view` listens, such as ``http://docker-view:8080``.
        timeout: Seconds for one whole reading.
    """

    def __init__(self, url: str, *, timeout: float = 8.0) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._counted: set[tuple[str, int]] = set()
        self._died: set[str] = set()
        self._restarts: dict[str, int] = {}

    async def read(self, session: aiohttp.ClientSession) -> ContainerStates:
        """Ask once. Whatever goes wrong becomes :attr:`ContainerStates.error`."""
        try:
            async with asyncio.timeout(self._timeout):
                listed = _dicts(await self._get(session, "/containers/json"))
                events = _dicts(await self._get(session, "/events"))
                stats = await self._all_stats(session, listed)
        except _ViewError as error:
            return ContainerStates(error=str(error))
        except TimeoutError:
            return ContainerStates(
                error=f"docker-view did not answer within {self._timeout:g} s. Try: "
                "docker compose restart docker-view"
            )
        except (aiohttp.ClientError, OSError) as error:
            return ContainerStates(
                error=f"docker-view cannot be reached ({error}). Start it: docker compose "
                "--profile containers up -d docker-view"
            )
        self._count_restarts(listed, events)
        services: dict[str, list[Mapping[str, Any]]] = {}
        for container in listed:
            services.setdefault(service_of(container), []).append(container)
        return ContainerStates(
            tuple(
                state_of(name, services[name], stats, self._restarts.get(name, 0))
                for name in sorted(services)
            )
        )

    async def _get(self, session: aiohttp.ClientSession, path: str) -> Any:
        async with session.get(self._url + path, allow_redirects=False) as response:
            try:
                answer = await response.json(content_type=None)
            except ValueError:
                answer = None
            if response.status == 200 and answer is not None:  # noqa: PLR2004
                return answer
            said = answer.get("message") if isinstance(answer, dict) else None
            raise _ViewError(
                str(said)
                if said
                else f"docker-view answered {path} with {response.status}. Is DOCKER_VIEW_URL "
                "the address of docker-view?"
            )

    async def _all_stats(
        self, session: aiohttp.ClientSession, listed: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(container_id: str) -> Any:
            async with turn:
                try:
                    return await self._get(session, f"/containers/{container_id}/stats")
                except _ViewError:  # it ended since it was listed
                    return None

        ids = [str(each.get("Id")) for each in listed if _state(each) in RUNNING]
        return dict(zip(ids, await asyncio.gather(*map(one, ids)), strict=True))

    def _count_restarts(
        self, listed: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
    ) -> None:
        """Count each start of a container that had died; the events come anew every time."""
        window = set()
        for event in sorted(events, key=_moment):
            container_id, action = str(event.get("id")), event.get("Action")
            key = (f"{container_id} {action}", _moment(event))
            window.add(key)
            if key in self._counted:
                continue
            if action == "die":
                self._died.add(container_id)
            elif action == "start" and container_id in self._died:
                self._died.discard(container_id)
                service = service_of(event)
                self._restarts[service] = self._restarts.get(service, 0) + 1
        self._counted = window
        # One that lies dead when the watching begins starts again later: its death is not among
        # the events any more.
        self._died |= {str(each.get("Id")) for each in listed if _state(each) in DEAD}
        self._died &= {str(each.get("Id")) for each in listed}


class _ViewError(Exception):
    """The view answered, but not with what was asked for; the text says why."""


def state_of(
    name: str,
    containers: Sequence[Mapping[str, Any]],
    stats: Mapping[str, Any],
    restarts: int,
) -> ContainerState:
    """Sum up the containers of one service; its state is that of the worst of them."""
    worst = min(containers, key=_severity)
    status = str(worst.get("Status", ""))
    ended, health = _EXIT_CODE.search(status), _HEALTH.search(status)
    state = _state(worst)
    exit_code = int(ended[1]) if ended else None
    measured = [found for each in containers if (found := stats.get(str(each.get("Id"))))]
    return ContainerState(
        service=name,
        running=all(_state(each) == "running" for each in containers),
        state="finished" if state == "exited" and exit_code == 0 else state,
        restarts=restarts,
        memory_bytes=_sum(map(_memory, measured)),
        memory_limit_bytes=_sum(_number(each, "memory_stats", "limit") for each in measured),
        cpu_seconds=_cpu_seconds(measured),
        health=health[1] if health else None,
        exit_code=exit_code,
    )


def service_of(described: Mapping[str, Any]) -> str:
    """The Compose service of a container or an event."""
    labels = described.get("Labels")
    return str(labels.get(SERVICE_LABEL, "unknown")) if isinstance(labels, dict) else "unknown"


def _state(container: Mapping[str, Any]) -> str:
    return str(container.get("State", "unknown"))


def _severity(container: Mapping[str, Any]) -> int:
    state = _state(container)
    return _WORST_FIRST.index(state) if state in _WORST_FIRST else 0


def _moment(event: Mapping[str, Any]) -> int:
    moment = event.get("timeNano")
    return moment if isinstance(moment, int) else 0


def _memory(stats: Mapping[str, Any]) -> int | None:
    used = _number(stats, "memory_stats", "usage")
    if used is None:
        return None
    # cgroup v2 has the first name, v1 the second.
    cache = _number(stats, "memory_stats", "stats", "inactive_file")
    if cache is None:
        cache = _number(stats, "memory_stats", "stats", "total_inactive_file")
    return max(0, used - (cache or 0))


def _cpu_seconds(measured: Sequence[Mapping[str, Any]]) -> float | None:
    used = _sum(_number(each, "cpu_stats", "cpu_usage", "total_usage") for each in measured)
    return None if used is None else used / NANOSECONDS


def _number(tree: Mapping[str, Any], *path: str) -> int | None:
    found: Any = tree
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return int(found) if isinstance(found, (int, float)) else None


def _sum(values: Any) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
