"""One run of one probe: its registry, its log, its limits, and what came of it.

Every module is a function of one signature, ``async def probe(run: Run) -> None``. It returns when
the target works and raises ``ProbeFailedError`` or ``ProbeSkippedError`` when it does not or must
not be asked. Duration, success and the reason are written here, the same for all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from prometheus_client import CollectorRegistry, Gauge

from foundry_healthcheck import remedies
from foundry_healthcheck.reasons import REASONS, SKIPS, ProbeFailedError, ProbeSkippedError

if TYPE_CHECKING:
    import aiohttp

    from foundry_healthcheck.measurement import Measurement
    from foundry_healthcheck.reasons import Reason, Skip
    from foundry_healthcheck.settings import Settings

Word = Literal["up", "slow", "down", "skipped", "starting"]
"""``slow``: it answers, later than one has patience for; ``starting``: it has yet to."""
Module = Callable[["Run"], Awaitable[None]]
Fact = str | float | int | None

_KEPT_BACK = 0.05
_LONGEST_TEXT = 1000
"""Characters of a fact, a message or a line of the log: what is probed may say anything."""
_LONGEST_LOG = 200
"""Lines."""
_log = logging.getLogger("foundry_healthcheck.probe")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What runs share.

    Args:
        settings: Everything configured.
        http: The client; every run makes connections of its own.
    """

    settings: Settings
    http: aiohttp.ClientSession


class Run:
    """One run of one probe, as its module sees it.

    Args:
        target: What to probe.
        timeout: Seconds for the whole run.
        surroundings: What runs share.
    """

    def __init__(self, target: str, timeout: float, surroundings: Surroundings) -> None:
        self.target = target
        self.timeout = timeout
        self.settings = surroundings.settings
        self.http = surroundings.http
        self.registry = CollectorRegistry(auto_describe=False)
        self.facts: dict[str, Fact] = {}
        self.log: list[str] = []
        self.when_late: str | None = None
        """What to say if the time runs out now."""
        self.slow: str | None = None
        """What to say of one that works, but takes longer than one has patience for."""
        self.where = remedies.place(self.settings, target.partition(",")[0])
        """Foundry Local, as the remedies speak of it; a module that knows better says so."""
        self.measurement: Measurement | None = None
        """Of a chat; None where nothing was asked."""
        self._started = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._started

    @property
    def left(self) -> float:
        """Seconds left of the timeout, less a little to say what there was no time for."""
        return max(self.timeout * (1 - _KEPT_BACK) - self.elapsed, 0.0)

    def note(self, text: str) -> None:
        """Add a line to the run's own log."""
        if len(self.log) < _LONGEST_LOG:
            self.log.append(f"{self.elapsed:8.3f}s {_short(text)}")
        _log.debug("%s: %s", self.target, text)

    def gauge(self, name: str, documentation: str, value: float, **labels: str) -> None:
        """Set a gauge in the run's own registry, once."""
        gauge = Gauge(name, documentation, tuple(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set(value)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    state: Word
    duration: float
    """Seconds."""
    at: float
    """When it was over, Unix time."""
    reason: Reason | Skip | None = None
    message: str | None = None
    remedy: str | None = None
    facts: dict[str, Fact] = field(default_factory=dict)
    measurement: Measurement | None = None


async def perform(module: Module, run: Run, service: str) -> Outcome:
    """Run a module within the run's timeout; raises nothing but cancellation.

    Args:
        module: What to run.
        run: Its run.
        service: The Compose service in question, for the remedy.
    """
    state: Word = "up"
    reason: Reason | Skip | None = None
    message = remedy = None
    run.note(f"probing {run.target}, at most {run.timeout:g} s")
    try:
        async with asyncio.timeout(run.timeout):
            await module(run)
        if run.slow:
            state, message, remedy = "slow", run.slow, remedies.slow(run.where)
    except ProbeSkippedError as skipped:
        state, reason, message = "skipped", skipped.reason, skipped.message
        remedy = remedies.SKIPS[skipped.reason]
    except ProbeFailedError as failed:
        state, reason, message, remedy = "down", failed.reason, failed.message, failed.remedy
    except TimeoutError:
        state, reason = "down", "timed_out"
        message = run.when_late or f"No complete answer within {run.timeout:g} s."
    except Exception as error:  # noqa: BLE001 - logged; a silent prober would show nothing
        _log.exception("probing %s failed unexpectedly", run.target)
        state, reason = "down", "other"
        message = f"The probe itself failed: {type(error).__name__}."
    duration = run.elapsed
    if state == "down" and remedy is None:
        remedy = remedies.find(service, reason or "other", run.where)
    run.note(f"{state}{f': {reason}: {message}' if reason else ''}")
    _write(run, state, reason, duration)
    facts = {
        name: _short(value) if isinstance(value, str) else value
        for name, value in run.facts.items()
    }
    message, remedy = message and _short(message), remedy and _short(remedy)
    return Outcome(state, duration, time.time(), reason, message, remedy, facts, run.measurement)


def _short(text: str) -> str:
    """Return a text on one line and of a bounded length."""
    shown = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= _LONGEST_TEXT else shown[:_LONGEST_TEXT] + "…"


def _write(run: Run, state: str, reason: str | None, duration: float) -> None:
    run.gauge("probe_success", "Whether the target works.", float(state in ("up", "slow")))
    run.gauge("probe_duration_seconds", "How long the probe took.", duration)
    failed = Gauge(
        "probe_failed_due_to_reason",
        "Why the target does not work.",
        ("reason",),
        registry=run.registry,
    )
    for each in REASONS:
        failed.labels(each).set(float(state == "down" and each == reason))
    skipped = Gauge(
        "probe_skipped_due_to_reason",
        "Why the target was not asked.",
        ("reason",),
        registry=run.registry,
    )
    for skip in SKIPS:
        skipped.labels(skip).set(float(state == "skipped" and skip == reason))
