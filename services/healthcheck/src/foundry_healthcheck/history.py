"""What is known about each part: its state, since when, and its last hundred runs."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from foundry_healthcheck.parts import Part
    from foundry_healthcheck.probing import Outcome

State = Literal["up", "slow", "down", "skipped", "starting", "unknown"]

LENGTH = 100
JUDGEMENT_TTL = 600.0
"""Seconds for which a part that is not asked keeps what it was found to be."""
_STARTING = frozenset(
    (
        *("name_not_resolved", "refused", "timed_out", "unreachable", "http_error", "no_answer"),
        *("handshake_failed", "not_ready", "not_recording", "no_models", "no_model_loaded"),
        *("stream_broken", "overloaded"),
    )
)
"""How a part fails that is on its way. The rest, such as a wrong key, does not mend itself."""


class PartState:
    """One part over time.

    Args:
        part: Which one.
        expected: Until when (Unix time) it may not be there yet, as long as it never was: the
            stack starts all together, and its slowest part takes minutes.
    """

    def __init__(self, part: Part, expected: float = 0.0) -> None:
        self.part = part
        self._expected = expected
        self.state: State = "unknown"
        self.since: float | None = None
        self.last_run: float | None = None
        self.last_success: float | None = None
        self.last: Outcome | None = None
        self.judged: Outcome | None = None
        """The last outcome that was not a skip."""
        self.history: deque[Outcome] = deque(maxlen=LENGTH)

    @property
    def shown(self) -> Outcome | None:
        """The outcome that explains the state: while a failure stands, that failure."""
        return self.judged if self.state == "down" else self.last

    def record(self, outcome: Outcome) -> bool:
        """Take in what came of a run; says whether that changed the state."""
        if self._may_be_starting(outcome):
            outcome = replace(outcome, state="starting")
        self.last = outcome
        self.last_run = outcome.at
        self.history.append(outcome)
        state: State
        if outcome.state == "skipped":
            fresh = self.judged and outcome.at - self.judged.at < JUDGEMENT_TTL
            state = self.judged.state if self.judged and fresh else "skipped"
        elif outcome.state == "starting":
            state = "starting"
        else:
            self.judged = outcome
            state = outcome.state
            if state in ("up", "slow"):
                self.last_success = outcome.at
        changed = state != self.state
        if changed:
            self.state = state
            self.since = outcome.at
        return changed

    def _may_be_starting(self, outcome: Outcome) -> bool:
        return (
            outcome.state == "down"
            and outcome.reason in _STARTING
            and self.judged is None
            and outcome.at < self._expected
        )


def instant(timestamp: float | None) -> str | None:
    """Return a Unix time in ISO 8601, UTC, to the millisecond."""
    if timestamp is None:
        return None
    seconds, milliseconds = divmod(round(timestamp * 1000), 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{milliseconds:03d}Z"
