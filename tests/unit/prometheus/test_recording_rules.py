"""Every recording rule records what it should, and nothing where there is nothing, by promtool."""

import copy
import re
from pathlib import Path

import pytest

from support.rule_tests import (
    Series,
    Story,
    constant,
    counter,
    failures,
    first_chunks,
    first_chunks_in_time,
    of_gateway,
    of_probe,
    operations,
    promtool_says,
    read_rules,
    records,
    rules,
    up,
)

WINDOWS = ("5m", "15m", "30m", "1h", "2h", "6h", "1d", "3d", "7d")
COUNTED = ("15m", "1h", "6h", "1d", "3d")
AVAILABILITY, FIRST_CHUNK = '{slo="availability"}', '{slo="first_chunk"}'
RUNS = of_probe("runs_total", "chat")

NOBODY: Series = {
    name: ""
    for client in ("chainlit", "healthcheck")
    for name in (operations(client=client), first_chunks(client), first_chunks_in_time(client))
}
"""Nobody has ever asked anything; counters with labels are not there yet."""
QUIET: Series = {**NOBODY, RUNS: "5x80"}
"""The stack runs, and for long nobody has asked anything, not even the probe."""
AWAY: Series = {**NOBODY, RUNS: "", up("gateway"): "0x80"}
"""Neither prober nor gateway can be read."""
HALF_BAD: Series = {
    **NOBODY,
    RUNS: counter((2, 20)),
    failures("chat", "bad_answer"): counter((1, 20)),
    first_chunks("healthcheck"): counter((2, 20)),
    first_chunks_in_time("healthcheck"): counter((1, 20)),
}
"""Every second answer fails, and every second of those that come begins late."""
ASKED: Series = {
    **NOBODY,
    operations(): counter((1, 20)),
    operations("cancelled"): counter((7, 20)),
    operations("invalid_request", "curl"): counter((7, 20)),
    operations("foundry_unreachable", "curl"): counter((None, 4), (0.5, 16)),
    operations("upstream_error", "healthcheck"): counter((7, 20)),
    of_gateway("rejected_requests_total", error_type="upstream_error", client="curl"): "3x80",
    of_gateway("rejected_requests_total", error_type="invalid_api_key", client="curl"): "9x80",
}
"""Users' requests that end in every way; and the probe's own, which are not theirs."""


def story(changes: Series, query: str, *values: tuple[str, float | None]) -> Story:
    """At some times a query gives a value, rounded, or nothing."""
    return Story(20, changes, tuple(records(at, query, value) for at, value in values))


def events(kind: str, slo: str, source: str) -> str:
    return f'slo:{kind}_events:sum{{slo="{slo}", source="{source}"}}'


RECORDS: dict[str, list[Story]] = {
    'slo:objective:ratio{slo="availability"}': [
        story({}, 'slo:objective:ratio{slo="availability"}', ("1m", 0.99)),
        story({}, 'slo:objective:ratio{slo!~"availability|first_chunk"}', ("1m", None)),
    ],
    'slo:objective:ratio{slo="first_chunk"}': [
        story({}, 'slo:objective:ratio{slo="first_chunk"}', ("1m", 0.95)),
        story({}, "count(slo:objective:ratio) > 2", ("1m", None)),
    ],
    events("valid", "availability", "probe"): [
        story({}, events("valid", "availability", "probe"), ("19m", 19)),
        story(AWAY, events("valid", "availability", "probe"), ("19m", None)),
    ],
    events("bad", "availability", "probe"): [
        # Zero is there before the first failure: that is what makes rate() see it.
        story(
            {failures("chat", "refused"): constant(("_", 10), (1, 10))},
            events("bad", "availability", "probe"),
            ("9m", 0),
            ("19m", 1),
        ),
        story(AWAY, events("bad", "availability", "probe"), ("19m", None)),
    ],
    events("valid", "availability", "users"): [
        story(ASKED, events("valid", "availability", "users"), ("3m", 6.25), ("19m", 29.875)),
        story(NOBODY, events("valid", "availability", "users"), ("19m", 0)),
        story(AWAY, events("valid", "availability", "users"), ("19m", None)),
    ],
    events("bad", "availability", "users"): [
        story(ASKED, events("bad", "availability", "users"), ("3m", 3), ("19m", 10.625)),
        story({}, events("bad", "availability", "users"), ("19m", 0)),
        story(AWAY, events("bad", "availability", "users"), ("19m", None)),
    ],
    events("valid", "first_chunk", "gateway"): [
        story({}, events("valid", "first_chunk", "gateway"), ("19m", 28.5)),
        story(AWAY, events("valid", "first_chunk", "gateway"), ("19m", None)),
    ],
    events("bad", "first_chunk", "gateway"): [
        story(HALF_BAD, events("bad", "first_chunk", "gateway"), ("19m", 19.25)),
        story(QUIET, events("bad", "first_chunk", "gateway"), ("19m", 0)),
        story(AWAY, events("bad", "first_chunk", "gateway"), ("19m", None)),
    ],
    "gateway:upstream_errors:sum": [
        story(
            {operations("upstream_error"): constant(("_", 10), (2, 10))},
            "gateway:upstream_errors:sum",
            ("9m", 0),
            ("19m", 2),
        ),
        story(AWAY, "gateway:upstream_errors:sum", ("19m", None)),
    ],
    "gateway:turned_away:sum": [
        story(
            {operations("overloaded", "open-webui"): constant(("_", 10), (2, 10))},
            "gateway:turned_away:sum",
            ("9m", 0),
            ("19m", 2),
        ),
        story(AWAY, "gateway:turned_away:sum", ("19m", None)),
    ],
    "gateway:model_load_failures:sum": [
        story(
            {
                of_gateway(
                    "model_load_seconds_count", gen_ai_request_model="phi-4-mini", outcome=outcome
                ): constant(("_", 10), (2, 10))
                for outcome in ("failed", "loaded")
            },
            "gateway:model_load_failures:sum",
            ("9m", 0),
            ("19m", 2),
        ),
        story(AWAY, "gateway:model_load_failures:sum", ("19m", None)),
    ],
    **{
        f"slo:error:ratio_rate{window}": [
            story(HALF_BAD, f"slo:error:ratio_rate{window}{AVAILABILITY}", ("19m", 0.5)),
            story(HALF_BAD, f"slo:error:ratio_rate{window}{FIRST_CHUNK}", ("19m", 0.5)),
            story({}, f"slo:error:ratio_rate{window}{AVAILABILITY}", ("19m", 0)),
            # Nobody asked: neither NaN nor 0.
            story(QUIET, f"slo:error:ratio_rate{window}", ("19m", None)),
            story(AWAY, f"slo:error:ratio_rate{window}", ("19m", None)),
        ]
        for window in WINDOWS
    },
    **{
        f"slo:bad_events:increase{window}": [
            story(
                {failures("chat", "refused"): constant(("_", 8), (5, 12))},
                f"round(slo:bad_events:increase{window}{AVAILABILITY})",
                ("7m", 0),
                ("19m", 5),
            ),
            story(AWAY, f"slo:bad_events:increase{window}", ("19m", None)),
        ]
        for window in COUNTED
    },
    **{
        f"slo:burn_rate:ratio_rate{window}": [
            story(HALF_BAD, f"slo:burn_rate:ratio_rate{window}{AVAILABILITY}", ("19m", 50)),
            story(HALF_BAD, f"slo:burn_rate:ratio_rate{window}{FIRST_CHUNK}", ("19m", 10)),
            story(QUIET, f"slo:burn_rate:ratio_rate{window}", ("19m", None)),
        ]
        for window in ("1h", "6h")
    },
    "slo:error_budget_remaining:ratio": [
        story({}, f"slo:error_budget_remaining:ratio{AVAILABILITY}", ("19m", 1)),
        story(
            {**NOBODY, RUNS: counter((200, 20)), failures("chat", "refused"): counter((1, 20))},
            f"slo:error_budget_remaining:ratio{AVAILABILITY}",
            ("19m", 0.5),
        ),
        story(HALF_BAD, f"slo:error_budget_remaining:ratio{AVAILABILITY}", ("19m", -1)),
        story(QUIET, "slo:error_budget_remaining:ratio", ("19m", None)),
    ],
    "probe_reason:foundry_healthcheck_failures:increase5m": [
        # New, grown, started again; and five minutes after the last failure nothing.
        story(
            {failures("foundry", "refused"): constant(("_", 2), (1, 4), (4, 4), (2, 10))},
            'probe_reason:foundry_healthcheck_failures:increase5m{reason="refused"}',
            ("1m", None),
            ("3m", 1),
            ("8m", 3),
            ("11m", 2),
            ("19m", None),
        ),
        story({}, "probe_reason:foundry_healthcheck_failures:increase5m", ("19m", None)),
    ],
}


def identity(rule: dict) -> str:
    """A record's name, and what tells it from others of that name."""
    labels = ", ".join(f'{key}="{value}"' for key, value in rule.get("labels", {}).items())
    return rule["record"] + (f"{{{labels}}}" if labels else "")


RULES = [rule for rule in rules() if "record" in rule]


def rules_with(expression: str) -> dict:
    """The shipped rules, with one expression in every recording rule."""
    changed = copy.deepcopy(read_rules())
    for groups in changed.values():
        for rule in (rule for group in groups for rule in group["rules"]):
            if "record" in rule:
                rule["expr"] = expression
    return changed


def together(stories: list[Story]) -> list[Story]:
    """Stories of one setting at once: promtool takes its time for the rules, not for queries."""
    settings: dict[str, list[Story]] = {}
    for each in stories:
        settings.setdefault(repr(each.changes), []).append(each)
    return [
        Story(20, same[0].changes, tuple(seen for each in same for seen in each.expected))
        for same in settings.values()
    ]


def test_every_recording_rule_has_stories_both_ways():
    assert sorted(RECORDS) == sorted(map(identity, RULES))
    for record, stories in RECORDS.items():
        seen = [expected.samples for each in stories for expected in each.expected]
        assert any(any(samples.values()) for samples in seen), f"{record} records something"
        assert any(not samples for samples in seen), f"{record} records nothing"


@pytest.mark.parametrize(
    "told", together([each for stories in RECORDS.values() for each in stories])
)
def test_it_records(tmp_path: Path, told: Story):
    assert promtool_says(tmp_path, told) == ""


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_a_rule_reads_the_window_that_its_name_says(rule: dict):
    named = re.search(r"(?:ratio_rate|increase)(\d+[mhd])$", rule["record"])
    read = set(re.findall(r"\[(\w+)\]|ratio_rate(\w+)|offset (\w+)", rule["expr"]))
    windows = {window for found in read for window in found if window}
    if named:
        assert windows == {named[1]}
    else:
        assert windows <= {"7d"}, "only the budget has its window in words"


def test_the_stories_notice_rules_that_record_anything_or_nothing(tmp_path: Path):
    for told in together([stories[0] for stories in RECORDS.values()]):
        said = promtool_says(tmp_path, told, rules_with("vector(1) > 2"))
        wanted = [expected for expected in told.expected if expected.samples]
        assert said.count("got: nil") >= len(wanted)
    # The objectives are constants: there is no setting in which they are not there.
    last = [stories[-1] for record, stories in RECORDS.items() if "objective" not in record]
    for told in together(last):
        empty = [expected for expected in told.expected if not expected.samples]
        said = promtool_says(tmp_path, told, rules_with("vector(12345)"))
        assert said.count("exp: nil") >= len(empty) > 0
