"""The dashboards are what the code makes, what Grafana's schema knows, and what the linter asks.

The rules are those of Grafana's dashboard-linter, and a few of ours.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard, units

import foundry_boards
from foundry_boards.__main__ import main
from foundry_healthcheck.reasons import REASONS
from support import dashboards
from support.dashboards import FILES, FOLDER

UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and name[0] != "_"}
UIDS = {
    "overview.json": "foundry-overview",
    "chat-performance.json": "foundry-chat-performance",
    "probes.json": "foundry-probes",
}
WITHOUT_TARGET_LABELS = ("slo:", "ALERTS")
"""Recorded over all targets, so neither a job nor an instance is left on them."""
SCREEN_ROWS = 24
"""Of 38 pixels: what 1080 of them hold under Grafana's own two bars."""

every_board = pytest.mark.parametrize("file", FILES)


def every_query() -> list[dashboards.Target]:
    return [target for file in FILES for target in dashboards.targets(file)]


def all_selectors(target: dashboards.Target) -> list[dashboards.Selector]:
    return dashboards.selectors(target.expression)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


# ---- The code, the files and the schema ----------------------------------------------------------


def test_the_committed_files_are_what_the_code_makes():
    made = foundry_boards.rendered()
    assert {path.name for path in FOLDER.iterdir()} == set(made) == set(UIDS)
    for name, text in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, (
            f"{name}: run `python -m foundry_boards` in monitoring/grafana"
        )


def test_the_command_writes_them_and_tells_which_are_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "probes.json").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    assert "probes.json" in capsys.readouterr().out
    assert main(["--wrong"], tmp_path) == 2


@every_board
def test_grafanas_schema_reads_and_writes_it_without_loss(file: str):
    register_default_plugins()
    committed = dashboards.read(file)
    decoded = dashboard.Dashboard.from_json(committed)
    again = json.loads(json.dumps(decoded, cls=JSONEncoder))
    for link in again["links"]:
        # The SDK's type has this as a constant; Grafana's schema has it as an option.
        link.pop("placement")
    assert without_nulls(again) == without_nulls(committed)


@every_board
def test_a_setting_that_the_schema_does_not_know_would_be_noticed(file: str):
    register_default_plugins()
    committed = dashboards.read(file)
    next(dashboards.panels(committed))["options"]["invented"] = 1
    decoded = dashboard.Dashboard.from_json(committed)
    assert "invented" not in json.dumps(decoded, cls=JSONEncoder)


# ---- The board -----------------------------------------------------------------------------------


@every_board
def test_uid_title_and_description_are_chosen_and_nobody_edits_it_in_place(file: str):
    board = dashboards.read(file)
    assert board["uid"] == UIDS[file]
    assert board["title"]
    assert board["description"]
    assert board["editable"] is False
    assert "id" not in board
    assert "version" not in board


def test_the_overview_fits_on_one_screen():
    board = dashboards.read("overview.json")
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) <= (
        SCREEN_ROWS
    )
    assert not any(panel["type"] == "row" for panel in board["panels"])


@every_board
def test_no_two_panels_share_a_place_or_a_number(file: str):
    board = dashboards.read(file)
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        for cell in (
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]


# ---- dashboard-linter: template-* ----------------------------------------------------------------


@every_board
def test_the_data_source_is_a_variable(file: str):
    variables = dashboards.variables(dashboards.read(file)).values()
    sources = [variable for variable in variables if variable["type"] == "datasource"]
    assert [(source["name"], source["label"]) for source in sources] == [
        ("datasource", "Data source")
    ]
    assert sources[0]["query"] == "prometheus"


@every_board
@pytest.mark.parametrize("name", ["job", "instance"])
def test_job_and_instance_are_variables(file: str, name: str):
    variable = dashboards.variables(dashboards.read(file))[name]
    assert variable["type"] == "query"
    assert variable["datasource"]["uid"] == "${datasource}"
    assert variable["label"] == name.title()
    assert variable["multi"] is True
    assert variable["includeAll"] is True
    assert variable["allValue"] == ".+"


@every_board
def test_variables_ask_for_label_values_whenever_the_time_changes(file: str):
    for name, variable in dashboards.variables(dashboards.read(file)).items():
        if variable["type"] == "query":
            assert re.fullmatch(r"label_values\(.+, \w+\)", variable["query"]), name
            assert variable["refresh"] == dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED, name


# ---- dashboard-linter: panel-* -------------------------------------------------------------------


@every_board
def test_every_panel_has_a_title_a_description_and_a_query(file: str):
    for panel in dashboards.panels(dashboards.read(file)):
        assert panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]


@every_board
def test_every_panel_and_query_uses_the_variable_data_source(file: str):
    for panel in dashboards.panels(dashboards.read(file)):
        for user in (panel, *panel["targets"]):
            assert user["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@every_board
def test_every_panel_has_a_unit_that_grafana_knows(file: str):
    for panel in dashboards.panels(dashboards.read(file)):
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


def test_the_schema_brings_grafanas_units():
    assert {"s", "bytes", "percentunit", "reqps", "none"} <= UNITS
    assert "seconds" not in UNITS


# ---- dashboard-linter: target-* ------------------------------------------------------------------


@pytest.mark.parametrize("target", every_query(), ids=str)
def test_every_selector_names_job_and_instance_by_variable(target: dashboards.Target):
    found = all_selectors(target)
    assert found
    for selector in found:
        if selector.metric.startswith(WITHOUT_TARGET_LABELS):
            continue
        for name in ("job", "instance"):
            # The first matcher of a label is the one that the linter looks at.
            first = next((m for m in selector.matchers if m[0] == name), None)
            assert first == (name, "=~", f"${name}"), f"{selector.metric}: {name}"


@pytest.mark.parametrize("target", every_query(), ids=str)
def test_every_rate_looks_back_over_the_rate_interval(target: dashboards.Target):
    for function, rest in re.findall(r"\b(i?rate)\((.*?\])", target.expression):
        assert rest.endswith("[$__rate_interval]"), f"{function}({rest}"
    assert "[$__interval]" not in target.expression


@pytest.mark.parametrize("target", every_query(), ids=str)
def test_counters_are_read_by_what_they_gain(target: dashboards.Target):
    for selector in all_selectors(target):
        if selector.metric.endswith("_total") and not selector.window:
            # Docker's count of restarts is read as it is; a reason's first failure has no gain.
            assert selector.metric in {
                "foundry_healthcheck_container_restarts_total",
                "foundry_healthcheck_failures_total",
            }


@pytest.mark.parametrize("target", every_query(), ids=str)
def test_legends_name_labels_that_the_query_keeps(target: dashboards.Target):
    kept = {
        label.strip()
        for labels in re.findall(r"\bby \(([^)]*)\)", target.expression)
        for label in labels.split(",")
    }
    kept |= set(re.findall(r'"(\w+)", "[^"]*", "\w+", "[^"]*"\)', target.expression))
    kept |= {"slo"} if target.expression.startswith("slo:") else set()
    assert dashboards.legend_labels(target.target) <= kept


def test_the_reader_of_expressions_finds_every_selector():
    expression = (
        'sum by (a, b) (rate(x_total{job=~"$job", a!=""}[$__rate_interval])) / on (a) slo:y:z '
        'or label_replace(vector(0), "a", "up", "", "") and time() - q > 0'
    )
    assert dashboards.selectors(expression) == [
        dashboards.Selector(
            "x_total", (("job", "=~", "$job"), ("a", "!=", "")), "$__rate_interval"
        ),
        dashboards.Selector("slo:y:z", ()),
        dashboards.Selector("q", ()),
    ]


# ---- What a person reads -------------------------------------------------------------------------


def test_each_reason_of_the_probe_has_a_remedy_in_one_line():
    assert set(foundry_boards.REMEDIES) == set(REASONS)
    for reason, remedy in foundry_boards.REMEDIES.items():
        assert remedy.endswith(".") or "docker compose" in remedy, reason
        assert len(remedy) < 80, reason


@pytest.mark.parametrize("file", ["overview.json", "probes.json"])
def test_what_is_wrong_says_reason_and_remedy(file: str):
    (panel,) = (
        panel
        for panel in dashboards.panels(dashboards.read(file))
        if panel["title"] == "What is wrong"
    )
    (override,) = panel["fieldConfig"]["overrides"]
    (mappings,) = (item["value"] for item in override["properties"] if item["id"] == "mappings")
    told = {reason: shown["text"] for reason, shown in mappings[0]["options"].items()}
    assert told == {
        reason: f"{reason}: {remedy}" for reason, remedy in foundry_boards.REMEDIES.items()
    }


def test_without_the_view_of_containers_their_panels_say_that_it_is_off():
    quiet = [
        panel
        for panel in dashboards.panels(dashboards.read("probes.json"))
        if any("_container_" in target["expr"] for target in panel["targets"])
    ]
    assert len(quiet) == 5
    assert all("is off" in panel["fieldConfig"]["defaults"]["noValue"] for panel in quiet)
