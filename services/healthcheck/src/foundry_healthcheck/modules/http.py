"""Any page or health route of the stack: does it answer, and with success."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_healthcheck.reasons import ProbeFailedError
from foundry_healthcheck.transport import asking, parse_object

if TYPE_CHECKING:
    from foundry_healthcheck.probing import Run

_SUCCESS = range(200, 300)
_MAX_BODY = 64 * 1024
_TELLING = ("status", "version", "ready", "dialect", "database")
"""What health routes of the stack say about themselves."""


async def probe(run: Run) -> None:
    """GET the target; any 2xx will do. What a JSON answer says about itself becomes a fact.

    Raises:
        ProbeFailedError: It does not answer, or with an error.
    """
    async with asking(run, "GET", run.target) as response:
        body = await response.content.read(_MAX_BODY)
        status = response.status
    run.gauge("probe_http_status_code", "Status of the answer.", status)
    run.facts["status_code"] = status
    if status not in _SUCCESS:
        raise ProbeFailedError("http_error", f"It answers with status {status}.")
    if response.content_type == "application/json":
        said = parse_object(body)
        for name in _TELLING:
            value = said.get(name)
            if isinstance(value, bool):
                run.facts[name] = "yes" if value else "no"
            elif isinstance(value, str | int | float):
                run.facts[name] = value
