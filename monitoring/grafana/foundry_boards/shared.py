"""Panels and figures that more than one board shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_boards import promql
from foundry_boards.panels import BAD, GOOD, WARN, About, number, query, states, table
from foundry_boards.panels import now as latest
from foundry_boards.reasons import words

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import stat, statetimeline
    from grafana_foundation_sdk.builders import table as tables

DURATION = "gen_ai_client_operation_duration_seconds"
FIRST_CHUNK = "gen_ai_client_operation_time_to_first_chunk_seconds"
PER_CHUNK = "gen_ai_client_operation_time_per_output_chunk_seconds"
TOKENS = "gen_ai_client_token_usage"
GATEWAY = 'job="gateway"'
"""The probe exports the same names, seen from its own side: never add the two up."""
OUTPUT = 'gen_ai_token_type="output"'

SLOW, TOO_SLOW = 1.28, 2.56
"""Seconds to the first token: half of the objective's bound, and the bound."""


def state_of_parts(title: str = "Parts of the stack") -> statetimeline.Panel:
    """Every probe's result over time."""
    about = About(
        title,
        "Each part as the probe last found it: green answers, red does not. A probe that yields to "
        "a user leaves its last verdict standing; in a gap nothing was measured.",
        "none",
    )
    asked = promql.series("probe_success")
    return states(about, query(f"max by (probe) ({asked})", "{{probe}}"))


def what_is_wrong() -> tables.Panel:
    """The parts that are down, each with its reason and what to do."""
    failures = promql.series("foundry_healthcheck_failures_total")
    down = f"min by (probe) ({promql.series('probe_success')}) == 0"
    # A reason's series begins at one, which `increase` cannot see: `unless … offset` does.
    recent = f"increase({failures}[3m]) > 0 or ({failures} unless {failures} offset 3m)"
    about = About(
        "What is wrong",
        "Parts whose latest probe failed, why in the last three minutes, and what to do.",
        "none",
        nothing="Nothing: every part that is probed answers.",
    )
    columns = {"probe": "Part", "reason": "Reason, and what to do"}
    asked = latest(f"max by (probe, reason) ({recent}) and on (probe) ({down})")
    return table(about, asked, columns, {"Reason, and what to do": words()})


def first_token(share: float, title: str) -> stat.Panel:
    """A percentile of the time to the first token as one number."""
    about = About(
        title,
        f"{share:.0%} of answers began within this time, waiting and loading included. "
        f"Red from {TOO_SLOW} s on: the objective's bound, where PROMISE_FIRST_TOKEN_SECONDS sets "
        "no other.",
        "s",
        nothing="No chat",
    )
    asked = query(promql.percentile(share, FIRST_CHUNK, GATEWAY))
    return number(about, asked, (SLOW, WARN), (TOO_SLOW, BAD), base=GOOD)
