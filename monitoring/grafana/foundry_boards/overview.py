"""*Overview*: one screen of 1920 by 1080. Is it well, how fast, what is left, what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    SpecialValueMap,
    SpecialValueMatch,
    ValueMap,
    ValueMappingResult,
)

from foundry_boards import promql
from foundry_boards.board import Place, Section, build
from foundry_boards.panels import (
    BAD,
    GOOD,
    UP_OR_DOWN,
    WARN,
    About,
    lines_at,
    number,
    query,
    table,
    timeseries,
)
from foundry_boards.panels import now as latest
from foundry_boards.shared import (
    DURATION,
    FIRST_CHUNK,
    GATEWAY,
    OUTPUT,
    TOKENS,
    TOO_SLOW,
    first_token,
    state_of_parts,
    what_is_wrong,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import stat
    from grafana_foundation_sdk.models import dashboard

PAGE_RATE = 14.4
"""Times the allowed error rate at which an hour of it is worth waking up for."""


def board() -> dashboard.Dashboard:
    """Make the board."""
    return build(
        "foundry-overview",
        "Overview",
        "Is the chat well, how fast is it, how much of the error budget is left, and what is wrong "
        "with what to do about it.",
        [
            Section(
                [
                    Place(_chat(), 3, 4),
                    Place(_foundry(), 3, 4),
                    Place(_models(), 3, 4),
                    Place(first_token(0.95, "First token, p95"), 3, 4),
                    Place(_throughput(), 3, 4),
                    Place(_budget("availability", "Budget: answers", 0.99), 3, 4),
                    Place(_budget("first_chunk", "Budget: first token", 0.95), 3, 4),
                    Place(_alert_count(), 3, 4),
                ]
            ),
            Section([Place(state_of_parts(), 13, 7), Place(what_is_wrong(), 11, 7)]),
            Section(
                [
                    Place(_first_token_over_time(), 8, 6),
                    Place(_answers(), 8, 6),
                    Place(_queue(), 8, 6),
                ]
            ),
            Section([Place(_burn(), 16, 6), Place(_alerts(), 8, 6)]),
        ],
    )


def _chat() -> stat.Panel:
    about = About(
        "Chat",
        "Whether the probe's last question was answered by the model, through the gateway. An "
        "answer counts for ten minutes: the probe does not ask while no model is loaded.",
        "none",
        nothing="Not asked lately",
    )
    chat = 'probe="chat"'
    verdict = promql.series("probe_success", chat)
    last = promql.series("foundry_healthcheck_last_success_timestamp_seconds", chat)
    asked = latest(f"min({verdict} == 0 or {verdict} and on (probe) (time() - {last} < 600))")
    return number(about, asked, mappings=UP_OR_DOWN, trend=False)


def _foundry() -> stat.Panel:
    about = About(
        "Foundry Local",
        "Whether Foundry Local answers the gateway at one of the configured addresses.",
        "none",
        nothing="No word from the gateway",
    )
    asked = latest(f"max({promql.series('foundry_gateway_upstream_up')})")
    return number(about, asked, mappings=UP_OR_DOWN, trend=False)


def _models() -> stat.Panel:
    about = About(
        "Models loaded",
        "Models in Foundry Local's memory. None: the first message loads one, which takes a while.",
        "none",
        nothing="Unknown",
    )
    none = ValueMap({"0": ValueMappingResult(text="None", color=WARN, index=0)})
    unknown = SpecialValueMap(  # the probe's word while Foundry Local does not answer
        DashboardSpecialValueMapOptions(
            match=SpecialValueMatch.NULL_AND_NAN,
            result=ValueMappingResult(text="Unknown", color=BAD, index=1),
        )
    )
    asked = latest(f"max({promql.series('foundry_healthcheck_foundry_models_loaded')})")
    return number(about, asked, base=GOOD, mappings=[none, unknown], trend=False)


def _throughput() -> stat.Panel:
    about = About(
        "Tokens per second",
        "Tokens the model gives out, all answers together.",
        "none",
    )
    return number(about, query(promql.rate(f"{TOKENS}_sum", GATEWAY, OUTPUT)))


def _budget(slo: str, title: str, objective: float) -> stat.Panel:
    about = About(
        title,
        f"What is left over seven days of the share that may go wrong ({1 - objective:.0%}). "
        "At 0 % the objective is missed.",
        "percentunit",
        nothing="No chat yet",
    )
    asked = query(f'slo:error_budget_remaining:ratio{{slo="{slo}"}}')
    panel = number(about, asked, (0, WARN), (0.25, GOOD), base=BAD)
    return panel.decimals(0).max(1)


def _alert_count() -> stat.Panel:
    about = About("Alerts", "Alerts of Prometheus that are firing.", "none")
    none = ValueMap({"0": ValueMappingResult(text="None", color=GOOD, index=0)})
    asked = latest('count(ALERTS{alertstate="firing"}) or vector(0)')
    return number(about, asked, (1, BAD), base=GOOD, mappings=[none], trend=False)


def _first_token_over_time() -> object:
    about = About(
        "Time to first token",
        "How long answers took to begin. The dashed line is the objective's bound.",
        "s",
        nothing="No chat in this time",
    )
    shares = ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))
    asked = [query(promql.percentile(share, FIRST_CHUNK, GATEWAY), name) for share, name in shares]
    return lines_at(timeseries(about, *asked), (TOO_SLOW, BAD))


def _answers() -> object:
    about = About(
        "Answers",
        "Requests that ended, by their outcome: fine, or the gateway's error code.",
        "reqps",
    )
    counted = promql.rate(f"{DURATION}_count", GATEWAY, by="error_type")
    outcome = f'label_replace({counted}, "outcome", "fine", "error_type", "")'
    named = f'label_replace({outcome}, "outcome", "$1", "error_type", "(.+)")'
    return timeseries(about, query(named, "{{outcome}}"), stacked=True)


def _queue() -> object:
    about = About(
        "Requests in the gateway",
        "Being answered, waiting for a slot, and how many may be answered at once.",
        "none",
    )
    return timeseries(
        about,
        query(f"sum({promql.series('foundry_gateway_requests_active')})", "answered now"),
        query(f"sum({promql.series('foundry_gateway_requests_waiting')})", "waiting"),
        query(f"sum({promql.series('foundry_gateway_requests_limit')})", "limit"),
    )


def _burn() -> object:
    about = About(
        "Burn rate of the error budgets",
        "How many times faster than allowed the budget went in the last hour: at 1 it lasts "
        "exactly its seven days, at 14.4 it is gone in half a day and an alert pages.",
        "none",
    )
    asked = query("slo:burn_rate:ratio_rate1h", "{{slo}}")
    return lines_at(timeseries(about, asked), (1, WARN), (PAGE_RATE, BAD))


def _alerts() -> object:
    about = About(
        "Alerts firing",
        "By name; docs/alerts.md says for each what it means and what to do.",
        "none",
        nothing="No alert is firing.",
    )
    columns = {"alertname": "Alert", "severity": "Severity"}
    asked = latest('max by (alertname, severity) (ALERTS{alertstate="firing"})')
    return table(about, asked, columns)
