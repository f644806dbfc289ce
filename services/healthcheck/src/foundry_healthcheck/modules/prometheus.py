"""Prometheus: is it ready, and does it still write down what it scrapes.

A full disk leaves it up and answering; only its samples grow old. So the newest sample is looked
at, and where that is too old, its own counters say whether writing is what failed.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from foundry_healthcheck.reasons import ProbeFailedError
from foundry_healthcheck.transport import fetch, parse_object

if TYPE_CHECKING:
    from foundry_healthcheck.probing import Run

_OK = 200
_NEWEST = "/api/v1/query?" + urlencode({"query": "max(timestamp(up))"})
_GRACE = 2.0
"""Seconds that a scrape and its writing may take."""
_MISSED = 3
"""Scrapes that may be missing before a Prometheus that can write counts as not recording."""
_FAILED_WRITES = re.compile(
    rb"^prometheus_tsdb_(?:wal_writes|wal_truncations|checkpoint_creations|compactions)_failed_total"
    rb" (\S+)",
    re.MULTILINE,
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+)(ms|[smhd])")


async def probe(run: Run) -> None:
    """Ask whether it is ready and how old its newest sample is.

    Raises:
        ProbeFailedError: Not ready, not recording, or not able to write.
    """
    status, _ = await fetch(run, f"{run.target}/-/ready")
    if status != _OK:
        raise ProbeFailedError("not_ready", f"Prometheus answers with status {status}.")
    age = await _age_of_newest_sample(run)
    if age is not None:
        run.facts["newest_sample_age_seconds"] = age
        run.gauge("probe_prometheus_newest_sample_age_seconds", "Of any scrape.", age)
    interval = await _scrape_interval(run)
    run.facts["scrape_interval_seconds"] = interval
    if age is not None and age <= interval + _GRACE:
        return
    if await _writes_failed(run):
        raise ProbeFailedError(
            "storage_failed",
            "Prometheus cannot write what it scrapes: its disk is full or fails.",
        )
    if age is not None and age <= _MISSED * interval + _GRACE:
        return
    if age is None and await _is_young(run, _MISSED * interval):
        run.facts["newest_sample_age_seconds"] = "it has only just started"
        return
    newest = "has no sample of the last minutes" if age is None else f"is {age:.0f} s behind"
    raise ProbeFailedError("not_recording", f"Prometheus runs, but {newest}.")


async def _age_of_newest_sample(run: Run) -> float | None:
    data = await _api(run, _NEWEST)
    try:
        newest = float(data["result"][0]["value"][1])
    except (LookupError, TypeError, ValueError):
        return None
    return max(time.time() - newest, 0.0)


async def _scrape_interval(run: Run) -> float:
    """Return the shortest interval of all that it scrapes, in seconds."""
    data = await _api(run, "/api/v1/targets?state=active")
    intervals = [
        seconds(str(target.get("scrapeInterval", ""))) for target in data.get("activeTargets") or ()
    ]
    return min((each for each in intervals if each > 0), default=15.0)


async def _writes_failed(run: Run) -> bool:
    status, body = await fetch(run, f"{run.target}/metrics")
    failures = [float(value) for value in _FAILED_WRITES.findall(body)]
    run.note(f"failed writes: {failures}")
    return status == _OK and any(failures)


async def _is_young(run: Run, limit: float) -> bool:
    data = await _api(run, "/api/v1/status/runtimeinfo")
    try:
        # Nanoseconds, where it has them, are more than Python reads.
        text = re.sub(r"\.\d+", "", str(data["startTime"])).replace("Z", "+00:00")
        return time.time() - datetime.fromisoformat(text).timestamp() < limit
    except (KeyError, ValueError):
        return False


async def _api(run: Run, path: str) -> dict[str, Any]:
    status, body = await fetch(run, run.target + path)
    answer = parse_object(body)
    if status != _OK or not isinstance(answer.get("data"), dict):
        raise ProbeFailedError(
            "bad_answer", f"Its route {path.partition('?')[0]} answers with status {status}."
        )
    data: dict[str, Any] = answer["data"]
    return data


def seconds(text: str) -> float:
    """Return a duration in Prometheus' spelling (``1m30s``) in seconds; 0 where it is none."""
    return sum(int(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
