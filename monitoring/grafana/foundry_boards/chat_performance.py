"""*Chat performance*: where the time goes, by model and by client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.models import common

from foundry_boards import promql
from foundry_boards.board import Place, Section, build, choice
from foundry_boards.panels import (
    BAD,
    GOOD,
    About,
    Query,
    heat,
    lines_at,
    number,
    query,
    timeseries,
)
from foundry_boards.shared import (
    DURATION,
    FIRST_CHUNK,
    GATEWAY,
    OUTPUT,
    PER_CHUNK,
    TOKENS,
    TOO_SLOW,
    first_token,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard as dashboards
    from grafana_foundation_sdk.models import dashboard

MODEL, CLIENT = "gen_ai_request_model", "client"
CHOSEN = (GATEWAY, f'{MODEL}=~"$model"', f'{CLIENT}=~"$client"')
SHARES = ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))
QUIET = "No chat in this time"


def board() -> dashboard.Dashboard:
    """Make the board."""
    return build(
        "foundry-chat-performance",
        "Chat performance",
        "Time to the first token, time for each token, whole answers, the queue and cold loads, "
        "by model and by client, as the gateway measures them.",
        [_at_a_glance(), _first_token(), _tokens(), _whole_answers(), _queue(), _loads()],
        [_variable("model", "Model", MODEL), _variable("client", "Client", CLIENT)],
    )


def _variable(name: str, label: str, of: str) -> dashboards.QueryVariable:
    asked = f"label_values({DURATION}_count{{{promql.SELECT}, {GATEWAY}}}, {of})"
    return choice(name, label, asked)


def _percentiles(histogram: str) -> list[Query]:
    return [query(promql.percentile(share, histogram, *CHOSEN), name) for share, name in SHARES]


def _at_a_glance() -> Section:
    speed = About(
        "Speed of one answer",
        "Chunks a second within an answer, on average; a chunk is a token on most models.",
        "none",
        nothing=QUIET,
    )
    total = About("Tokens per second", "Tokens given out, all answers together.", "none")
    rate = About("Answers per minute", "Requests that ended, in a minute.", "none")
    failed = About(
        "Failed",
        "Share of requests that ended in an error, the apps' own mistakes among them. What counts "
        "against the error budget is on the overview.",
        "percentunit",
    )
    errors = promql.rate(f"{DURATION}_count", *CHOSEN, 'error_type!~"|cancelled"')
    all_of_them = promql.rate(f"{DURATION}_count", *CHOSEN)
    none = "0 * " + all_of_them
    return Section(
        [
            Place(first_token(0.5, "First token, median"), 4, 4),
            Place(first_token(0.95, "First token, p95"), 4, 4),
            Place(number(speed, query(f"1 / ({promql.mean(PER_CHUNK, *CHOSEN)})")), 4, 4),
            Place(number(total, query(promql.rate(f"{TOKENS}_sum", *CHOSEN, OUTPUT))), 4, 4),
            Place(number(rate, query(f"60 * {all_of_them}")), 4, 4),
            Place(
                number(
                    failed,
                    query(f"({errors} or {none}) / {all_of_them}"),
                    (0.01, BAD),
                    base=GOOD,
                ),
                4,
                4,
            ),
        ]
    )


def _first_token() -> Section:
    over_time = About(
        "Time to first token",
        "From a request's arrival to the first token of its answer, waiting for a slot and for "
        "the model's loading included. The dashed line is the objective's bound.",
        "s",
        nothing=QUIET,
    )
    spread = About(
        "Spread of the time to first token",
        "How many answers began after how long: two bands tell a warm model from a cold one.",
        "s",
        nothing=QUIET,
    )
    return Section(
        [
            Place(
                lines_at(timeseries(over_time, *_percentiles(FIRST_CHUNK)), (TOO_SLOW, BAD)), 12, 8
            ),
            Place(heat(spread, promql.buckets(FIRST_CHUNK, *CHOSEN)), 12, 8),
            *_by_model_and_client(
                "Time to first token, p95, by {}", "95 % of answers began within this time.", "s"
            ),
        ],
        "First token",
    )


def _by_model_and_client(title: str, description: str, unit: str) -> list[Place]:
    return [
        Place(
            timeseries(
                About(title.format(word), description, unit, nothing=QUIET),
                query(promql.percentile(0.95, FIRST_CHUNK, *CHOSEN, by=label), f"{{{{{label}}}}}"),
            ),
            12,
            7,
        )
        for word, label in (("model", MODEL), ("client", CLIENT))
    ]


def _tokens() -> Section:
    over_time = About(
        "Time per chunk",
        "Between one chunk of an answer and the next; a chunk is a token on most models.",
        "s",
        nothing=QUIET,
    )
    spread = About(
        "Spread of the time per chunk",
        "How many chunks came after how long. A second band shows where answers stall.",
        "s",
        nothing=QUIET,
    )
    by_model = About(
        "Tokens per second, by model", "Tokens given out, all answers of a model together.", "none"
    )
    by_client = About(
        "Tokens per second, by client", "Tokens given out to each app, all its answers.", "none"
    )
    speed = About(
        "Speed of one answer, by model",
        "Chunks a second within an answer, on average.",
        "none",
        nothing=QUIET,
    )
    size = About(
        "Tokens per request",
        "Mean number of tokens read (the question and all before it) and written.",
        "none",
        nothing=QUIET,
    )
    written = f"{TOKENS}_sum"
    return Section(
        [
            Place(timeseries(over_time, *_percentiles(PER_CHUNK)), 12, 8),
            Place(heat(spread, promql.buckets(PER_CHUNK, *CHOSEN)), 12, 8),
            Place(
                timeseries(
                    by_model,
                    query(promql.rate(written, *CHOSEN, OUTPUT, by=MODEL), f"{{{{{MODEL}}}}}"),
                    stacked=True,
                ),
                6,
                7,
            ),
            Place(
                timeseries(
                    by_client,
                    query(promql.rate(written, *CHOSEN, OUTPUT, by=CLIENT), f"{{{{{CLIENT}}}}}"),
                    stacked=True,
                ),
                6,
                7,
            ),
            Place(
                timeseries(
                    speed,
                    query(f"1 / ({promql.mean(PER_CHUNK, *CHOSEN, by=MODEL)})", f"{{{{{MODEL}}}}}"),
                ),
                6,
                7,
            ),
            Place(
                timeseries(
                    size,
                    query(
                        promql.mean(TOKENS, *CHOSEN, by="gen_ai_token_type"),
                        "{{gen_ai_token_type}}",
                    ),
                ),
                6,
                7,
            ),
        ],
        "Tokens",
    )


def _whole_answers() -> Section:
    over_time = About(
        "Time of whole requests",
        "From a request's arrival to its last token, failed ones included.",
        "s",
        nothing=QUIET,
    )
    by_client = About(
        "Requests, by client", "Requests that ended, by the app they are of.", "reqps"
    )
    errors = About(
        "Errors",
        "Requests that ended in an error, by its code; cancelled ones are not the stack's fault.",
        "reqps",
        nothing="No error in this time",
    )
    counted = f"{DURATION}_count"
    return Section(
        [
            Place(timeseries(over_time, *_percentiles(DURATION)), 8, 8),
            Place(
                timeseries(
                    by_client,
                    query(promql.rate(counted, *CHOSEN, by=CLIENT), f"{{{{{CLIENT}}}}}"),
                    stacked=True,
                ),
                8,
                8,
            ),
            Place(
                timeseries(
                    errors,
                    query(
                        promql.rate(counted, *CHOSEN, 'error_type!=""', by="error_type"),
                        "{{error_type}}",
                    ),
                    stacked=True,
                ),
                8,
                8,
            ),
        ],
        "Whole requests",
    )


def _queue() -> Section:
    now = About(
        "Requests in the gateway",
        "Being answered, waiting for a slot, and how many may be answered at once.",
        "none",
    )
    waited = About(
        "Wait for a slot",
        "How long requests stood in the queue before Foundry Local saw them.",
        "s",
        nothing=QUIET,
    )
    refused = About(
        "Refused requests",
        "Refused before they reached Foundry Local, by the error's code and the app.",
        "reqps",
        nothing="None refused in this time",
    )
    wait = "foundry_gateway_queue_wait_seconds"
    return Section(
        [
            Place(
                timeseries(
                    now,
                    *(
                        query(f"sum({promql.series(f'foundry_gateway_requests_{name}')})", word)
                        for name, word in (
                            ("active", "answered now"),
                            ("waiting", "waiting"),
                            ("limit", "limit"),
                        )
                    ),
                ),
                8,
                8,
            ),
            Place(
                timeseries(
                    waited,
                    *(query(promql.percentile(share, wait), name) for share, name in SHARES),
                ),
                8,
                8,
            ),
            Place(
                timeseries(
                    refused,
                    query(
                        promql.rate(
                            "foundry_gateway_rejected_requests_total",
                            f'{CLIENT}=~"$client"',
                            by=f"error_type, {CLIENT}",
                        ),
                        "{{error_type}} to {{client}}",
                    ),
                    stacked=True,
                ),
                8,
                8,
            ),
        ],
        "Queue",
    )


def _loads() -> Section:
    loads = "foundry_gateway_model_load_seconds"
    took = About(
        "Time of a cold load",
        "Mean time that loading a model into memory took. The first message waits for it.",
        "s",
        nothing="No model was loaded in this time",
    )
    counted = About(
        "Cold loads",
        "Models loaded since the gateway started, and loads that failed.",
        "none",
        nothing="No model was loaded since the gateway started",
    )
    both = f"{MODEL}, outcome"
    legend = f"{{{{{MODEL}}}}}, {{{{outcome}}}}"
    total, count = promql.series(f"{loads}_sum"), promql.series(f"{loads}_count")
    # Loads are rare: their totals say more than a rate that is zero nearly all the time.
    mean = f"sum by ({both}) ({total}) / sum by ({both}) ({count})"
    return Section(
        [
            Place(timeseries(took, query(mean, legend)), 12, 7),
            Place(
                timeseries(counted, query(f"sum by ({both}) ({count})", legend)).line_interpolation(
                    common.LineInterpolation.STEP_AFTER
                ),
                12,
                7,
            ),
        ],
        "Cold loads",
    )
