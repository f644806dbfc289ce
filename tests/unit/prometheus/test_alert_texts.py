"""What an alert says to the person who reads it."""

import re
from pathlib import Path

import pytest
import yaml

from foundry_healthcheck import runbook
from support.rule_tests import (
    UPSTREAM,
    Story,
    constant,
    counter,
    failures,
    loaded,
    promtool_says,
    rules,
    success,
)
from support.stack import ROOT

ALERTS = [rule for rule in rules() if "alert" in rule]
LABEL = re.compile(r"\$labels\.(\w+)")
NAMES = sorted({rule["alert"] for rule in ALERTS})


def headings(path: Path) -> list[str]:
    """The anchors of a Markdown file."""
    titles = re.findall(r"(?m)^#+ (.+)$", path.read_text(encoding="utf-8"))
    return [re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_it_means_and_what_to_do(rule: dict):
    texts = rule["annotations"]
    assert set(texts) == {"summary", "description", "remedy", "runbook_url"}
    assert all(text.strip() for text in texts.values())
    assert len(texts["summary"]) < 120
    assert not texts["summary"].endswith("."), "a summary is a headline"
    assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_runbook_link_leads_to_a_heading(rule: dict):
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == "http://localhost:9180/alerts"
    assert anchor == rule["alert"].lower()
    assert headings(ROOT / "docs" / "alerts.md").count(anchor) == 1
    assert runbook.page().count(f'id="{anchor}"') == 1


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_no_text_asks_for_a_label_that_the_rule_itself_adds(rule: dict):
    """Prometheus fills in the labels of what was measured: the rule's own come later."""
    asked = {name for text in rule["annotations"].values() for name in LABEL.findall(text)}
    assert asked & set(rule["labels"]) == set()


def runbook_text() -> str:
    return (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_what_is_to_be_done_can_be_done_on_every_system_and_with_every_foundry_local():
    """Neither Linux nor a container has the Foundry command line; ports are settings."""
    told = [text for rule in ALERTS for text in rule["annotations"].values()]
    for text in (*told, runbook_text()):
        assert "`foundry " not in text
    for text in told:
        assert not re.search(r"\bport \d", text), text


def test_every_command_names_a_service_that_there_is():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    commands = [
        command
        for text in (*(str(rule["annotations"]) for rule in ALERTS), runbook_text())
        for command in re.findall(r"`docker compose ([^`]+)`", text)
    ]
    named = {
        command.split()[-1]
        for command in commands
        if not command.endswith(("}}", ">", "-d", "stop", "ps"))
    }
    assert len(named) > 3
    assert named <= {*services, "--force-recreate"}


@pytest.mark.parametrize(
    ("probe", "service"), [("webgpu", "webgpu-static"), ("open-webui", "open-webui")]
)
def test_a_page_that_is_down_is_looked_up_by_its_service(tmp_path: Path, probe: str, service: str):
    rule = next(rule for rule in ALERTS if rule["alert"] == "PageDown" and probe in rule["expr"])
    texts = {
        name: text.replace("{{ $labels.probe }}", probe)
        for name, text in rule["annotations"].items()
    }
    choice = re.compile(r"\{\{ if .*\{\{ end \}\}")
    assert choice.search(texts["remedy"])
    texts["remedy"] = choice.sub(service, texts["remedy"])
    told = Story(
        6,
        {success(probe): constant((0, 6))},
        (),
        annotations=(
            {
                "eval_time": "4m",
                "alertname": "PageDown",
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": rule["labels"]["severity"], "probe": probe},
                        "exp_annotations": texts,
                    }
                ],
            },
        ),
    )
    assert promtool_says(tmp_path, told) == ""


def test_the_runbook_speaks_of_no_alert_that_is_gone():
    told = re.findall(r"(?m)^### (\w+)$", (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8"))
    assert sorted(told) == NAMES


def test_the_table_of_burn_rates_is_that_of_the_rules():
    text = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| `(page|ticket)` \| ([\d.]+) times? \| .* \| (\d+) failures \|", text)
    assert len(rows) == 4
    for name in ("ChatErrorBudgetBurn", "ChatFirstChunkBudgetBurn"):
        burns = [rule for rule in ALERTS if rule["alert"] == name]
        for rule, (severity, factor, least) in zip(burns, rows, strict=True):
            assert rule["labels"]["severity"] == severity
            factors = re.findall(r"> on \(slo\) (?:([\d.]+) \* )?\(1 -", rule["expr"])
            assert [found or "1" for found in factors] == [factor, factor]
            assert f">= {least}" in rule["expr"]
            windows = set(re.findall(r"ratio_rate(\w+)\{", rule["expr"]))
            assert windows == {rule["labels"]["long_window"], rule["labels"]["short_window"]}


def test_the_reason_of_the_probe_stands_in_the_text(tmp_path: Path):
    rule = next(rule for rule in ALERTS if rule["alert"] == "FoundryLocalDown")
    described = rule["annotations"]["description"]
    spoken = re.sub(r"\{\{ range.*\{\{ end \}\}", " name_not_resolved", described)
    assert spoken != described
    told = Story(
        6,
        {
            success("foundry"): constant((0, 6)),
            loaded(): constant(("NaN", 6)),
            UPSTREAM: constant((0, 6)),
            failures("foundry", "name_not_resolved"): counter((None, 1), (6, 5)),
        },
        (),
        annotations=(
            {
                "eval_time": "4m",
                "alertname": "FoundryLocalDown",
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": "page"},
                        "exp_annotations": {**rule["annotations"], "description": spoken},
                    }
                ],
            },
        ),
    )
    assert promtool_says(tmp_path, told) == ""
