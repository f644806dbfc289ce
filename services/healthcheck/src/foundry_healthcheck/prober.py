"""The schedule: every part in turn at its own interval, and the chat at once when it matters."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from foundry_healthcheck import alerts
from foundry_healthcheck.alerts import Alerts
from foundry_healthcheck.containers import ContainerStates, ContainerView
from foundry_healthcheck.history import PartState
from foundry_healthcheck.metrics import Metrics
from foundry_healthcheck.modules import MODULES
from foundry_healthcheck.parts import CHAT, FOUNDRY, GATEWAY, Part, parts
from foundry_healthcheck.probing import Outcome, Run, Surroundings, perform
from foundry_healthcheck.remedies import SKIPS
from foundry_healthcheck.transport import make_session

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from foundry_healthcheck.settings import Settings

_SPREAD = 0.15
"""Seconds between the first runs: all at once would compete, also on a slow machine."""
_MOST_ON_DEMAND = {"chat": 1}
"""Probes of a module that may run or wait on demand: an answer of the model is not for queueing."""
_USUAL_ON_DEMAND = 8
_log = logging.getLogger(__name__)


class BusyError(Exception):
    """As many probes as may run or wait on demand are under way."""


class Prober:
    """Probes the stack for as long as it runs.

    Args:
        settings: Everything configured.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started = time.time()
        self.states = {part.name: self._state(part) for part in parts(settings)}
        self.metrics = Metrics(state.part for state in self.states.values())
        self.containers: ContainerStates | None = None
        self.alerts = Alerts()
        self._chat_now = asyncio.Event()
        self._surroundings: Surroundings | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._on_demand = {name: asyncio.Lock() for name in MODULES}
        self._demanded = dict.fromkeys(MODULES, 0)

    def _state(self, part: Part) -> PartState:
        return PartState(part, self.started + self.settings.start_period)

    async def start(self) -> None:
        """Begin."""
        self._surroundings = Surroundings(self.settings, make_session())
        for index, state in enumerate(self.states.values()):
            self._spawn(self._watch(state, index * _SPREAD))
        if self.settings.docker_view_url:
            view = ContainerView(self.settings.docker_view_url)
            self._spawn(self._watch_containers(view, self._surroundings))
        if self.settings.prometheus_url:
            self._spawn(self._watch_alerts(self.settings.prometheus_url, self._surroundings))

    async def close(self) -> None:
        """Stop, and drop all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._surroundings is not None:
            await self._surroundings.http.close()

    def allowed(self, module: str, target: str) -> Part | None:
        """Return the part that a target from outside stands for; None where it stands for none.

        Any address at all would turn the prober into a way into the network that it sits in.
        """
        for state in self.states.values():
            part = state.part
            if part.module == module and target in (part.target, *part.target.split(",")):
                return part
        return None

    async def demand(self, part: Part, target: str, patience: float) -> tuple[Run, Outcome]:
        """Probe once, outside the schedule and its records; one of a kind at a time.

        Args:
            part: What is probed.
            target: Where: its own target, or one address of it.
            patience: Seconds, waiting included.

        Raises:
            BusyError: Too many run or wait already.
        """
        module = part.module
        if self._demanded[module] >= _MOST_ON_DEMAND.get(module, _USUAL_ON_DEMAND):
            raise BusyError
        self._demanded[module] += 1
        try:
            return await self._in_turn(part, target, patience)
        finally:
            self._demanded[module] -= 1

    async def _in_turn(self, part: Part, target: str, patience: float) -> tuple[Run, Outcome]:
        run = self._run(target, patience)
        try:
            async with asyncio.timeout(patience):
                await self._on_demand[part.module].acquire()
        except TimeoutError:
            run.note("another probe of this kind took all the time")
            return run, await perform(_too_late, run, part.service)
        try:
            return run, await perform(MODULES[part.module], run, part.service)
        finally:
            self._on_demand[part.module].release()

    def _run(self, target: str, timeout: float) -> Run:
        if self._surroundings is None:
            raise RuntimeError("start() first")
        return Run(target, timeout, self._surroundings)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _watch(self, state: PartState, delay: float) -> None:
        part = state.part
        if part.name == CHAT and not part.interval:
            self._record(state, _disabled())
            return
        await asyncio.sleep(delay)
        while True:
            began = time.monotonic()
            if part.name == CHAT:
                self._chat_now.clear()
            outcome = await perform(
                MODULES[part.module], self._run(part.target, part.timeout), part.service
            )
            self._record(state, outcome)
            await self._pause(part, began + part.interval - time.monotonic())

    async def _pause(self, part: Part, seconds: float) -> None:
        if part.name != CHAT:
            await asyncio.sleep(max(seconds, 0))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._chat_now.wait()

    def _record(self, state: PartState, outcome: Outcome) -> None:
        before = state.state
        changed = state.record(outcome)
        self.metrics.record(state, state.last or outcome)
        name = state.part.name
        if changed:
            why = f" ({outcome.reason}: {outcome.message})" if outcome.reason else ""
            level = logging.WARNING if state.state == "down" else logging.INFO
            _log.log(level, "%s: %s -> %s%s", name, before, state.state, why)
            if name in (FOUNDRY, GATEWAY) and before != "unknown":
                # Whether people get answers may have changed with it; do not wait for the turn.
                self._chat_now.set()

    async def _watch_containers(self, view: ContainerView, surroundings: Surroundings) -> None:
        while True:
            self.containers = await view.read(surroundings.http)
            self.metrics.show_containers(self.containers)
            await asyncio.sleep(self.settings.interval)

    async def _watch_alerts(self, url: str, surroundings: Surroundings) -> None:
        while True:
            self.alerts = await alerts.read(surroundings.http, url)
            await asyncio.sleep(self.settings.interval)


def _disabled() -> Outcome:
    message = "HEALTHCHECK_CHAT_INTERVAL is 0: the model is asked nothing."
    return Outcome("skipped", 0.0, time.time(), "disabled", message, SKIPS["disabled"])


async def _too_late(run: Run) -> None:
    """Stand in for a module whose turn did not come."""
    del run
    raise TimeoutError
