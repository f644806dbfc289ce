"""Every query of every panel, asked of a real Prometheus that watches a real stack.

Variables are put in as Grafana puts them in. Each query must return figures, with the labels that
its panel's legend or columns name, a minute after the stack's first start.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support import dashboards
from support.dashboards import FILES
from support.monitored import MonitoredStack, chat, monitored_stack, traffic
from support.panel_queries import BOARDS, TARGETS, Asker, all_of, missing_labels, variables

PATIENCE = 90.0

every_target = pytest.mark.parametrize("target", TARGETS, ids=str)


@dataclass(frozen=True)
class Watched:
    """The stack, and what each query has returned."""

    stack: MonitoredStack
    returned: dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The stack after a little use; every query is asked until all have had figures."""
    with monitored_stack(tmp_path_factory.mktemp("monitored")) as stack:
        load_while_the_prober_watches(stack)
        with traffic(stack.gateway):
            returned: dict[str, list[dict[str, str]]] = {}
            deadline = time.monotonic() + PATIENCE
            while len(returned) < len(TARGETS) and time.monotonic() < deadline:
                for target in TARGETS:
                    if str(target) not in returned:
                        labels = asker(stack).ask(target)
                        if labels:
                            returned[str(target)] = labels
                time.sleep(0.5)
        yield Watched(stack, returned)


def load_while_the_prober_watches(stack: MonitoredStack) -> None:
    """A cold load, with the probe's restraint before it."""
    stack.foundry.get_json("/models/unload/foundry-demo")
    skipped = "foundry_healthcheck_skipped_total"
    stack.prober.wait_until(
        lambda _: stack.prober.metric(skipped, probe="chat", reason="model_not_loaded"),
        "the probe leaves a model alone that is not loaded",
    )
    assert chat(stack.gateway, "chainlit") == 200
    assert stack.gateway.metric("foundry_gateway_model_load_seconds_count", outcome="loaded") == 1


def asker(stack: MonitoredStack) -> Asker:
    return Asker(stack.prometheus.api, scrape_seconds=1)


def choices(stack: MonitoredStack, variable: dict[str, Any], values: dict[str, str]) -> list[str]:
    """What a variable offers, asked as Grafana asks for ``label_values(selector, label)``."""
    selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()
    matching = {"match[]": asker(stack).put_in(selector, values)}
    return list(stack.prometheus.api(f"label/{label}/values", **matching))


@every_target
def test_the_query_returns_figures_with_the_labels_its_panel_needs(
    watched: Watched, target: dashboards.Target
):
    series = watched.returned.get(str(target))
    assert series, f"nothing within {PATIENCE:.0f} s: {target.expression}"
    assert missing_labels(target, series) == set()


@pytest.mark.parametrize("file", FILES)
def test_each_variable_offers_what_there_is(watched: Watched, file: str):
    chosen: dict[str, str] = {}
    for name, variable in dashboards.variables(dashboards.read(file)).items():
        if variable["type"] != "query":
            continue
        found = choices(watched.stack, variable, chosen)
        chosen[name] = all_of(variable)
        assert set(EXPECTED[name]) <= set(found), name


EXPECTED = {
    "job": ["gateway", "healthcheck", "prometheus"],
    "instance": ["gateway", "healthcheck", "prometheus"],
    "model": ["foundry-demo"],
    "client": ["chainlit", "healthcheck", "open-webui"],
}


def test_choosing_values_one_by_one_returns_figures_too(watched: Watched):
    empty = []
    for target in TARGETS:
        asked = {name: one for name, one in variables(target).items() if one["type"] == "query"}
        everything = {name: all_of(variable) for name, variable in asked.items()}
        several = {
            name: f"({'|'.join(choices(watched.stack, variable, everything))})"
            for name, variable in asked.items()
        }
        if not asker(watched.stack).ask(target, several):
            empty.append(str(target))
    assert empty == []


def test_choosing_another_installation_leaves_the_boards_empty(watched: Watched):
    nobody = dict.fromkeys(EXPECTED, "elsewhere")
    full = {str(target) for target in TARGETS if asker(watched.stack).ask(target, nobody)}
    recorded = {
        str(t) for t in TARGETS if t.expression.startswith("slo:") or "ALERTS" in t.expression
    }
    assert full == recorded


def test_the_alerts_that_the_boards_mark_are_found(watched: Watched):
    for board in BOARDS.values():
        for annotation in board["annotations"]["list"]:
            found = watched.stack.prometheus.api("query", query=annotation["expr"])["result"]
            assert "Example" in {series["metric"]["alertname"] for series in found}


def test_what_is_down_is_named_with_its_reason(watched: Watched):
    wrong = watched.returned["overview / What is wrong / A"]
    assert {"probe": "webgpu", "reason": "refused"} in wrong


def test_the_probe_is_not_counted_among_the_gateways_answers(watched: Watched):
    (first_token,) = (t for t in TARGETS if str(t) == "overview / First token, p95 / A")
    assert 'job="gateway"' in first_token.expression
    seen = watched.stack.prometheus.api(
        "query", query="count by (job) (gen_ai_client_operation_duration_seconds_count)"
    )["result"]
    assert {series["metric"]["job"] for series in seen} == {"gateway", "healthcheck"}
