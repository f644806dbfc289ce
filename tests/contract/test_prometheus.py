"""The shipped Prometheus reads the real services, and its rules ask for what these really tell."""

import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from support.gateway import Gateway
from support.healthcheck import Healthcheck, start_healthcheck
from support.prometheus import Prometheus, run_prometheus
from support.rule_tests import rules


@pytest.fixture(scope="module")
def prober(gateway_v2: Gateway, foundry_v2: Any) -> Iterator[Healthcheck]:
    with start_healthcheck(
        FOUNDRY_URL=foundry_v2.url,
        GATEWAY_URL=gateway_v2.url,
        GATEWAY_API_KEY=gateway_v2.key,
        HEALTHCHECK_CHAT_INTERVAL="5",
        HEALTHCHECK_INTERVAL="2",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(
    gateway_v2: Gateway, prober: Healthcheck, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    targets = {
        "gateway": gateway_v2.url.removeprefix("http://"),
        "healthcheck": prober.url.removeprefix("http://"),
    }
    folder = tmp_path_factory.mktemp("prometheus")
    with run_prometheus(folder, targets, hurry=True) as running:
        yield running


async def ask(gateway: Gateway) -> None:
    async with openai.AsyncOpenAI(
        base_url=gateway.base_url,
        api_key=gateway.key,
        max_retries=0,
        timeout=60,
        default_headers={"X-Client": "chainlit"},
    ) as client:
        stream = await client.chat.completions.create(
            model="foundry-demo", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        assert [chunk async for chunk in stream]


def test_it_reads_every_service_under_its_own_name(prometheus: Prometheus):
    def all_up() -> bool:
        seen = {labels["instance"]: value for labels, value in prometheus.query("up")}
        return seen == {"gateway": 1, "healthcheck": 1, "prometheus": 1}

    prometheus.wait_until(all_up, "three targets up, and no other")


async def test_users_questions_and_the_probes_are_counted_apart(
    prometheus: Prometheus, gateway_v2: Gateway
):
    def counted(source: str) -> float:
        query = f'slo:valid_events:sum{{slo="availability", source="{source}"}}'
        return sum(value for _, value in prometheus.query(query))

    prometheus.wait_until(lambda: counted("probe") >= 1, "the probe's questions are counted")
    # Prometheus must have looked before, as it has where it runs all the time.
    prometheus.wait_until(
        lambda: prometheus.query('slo:valid_events:sum{source="users"}'), "users are counted"
    )
    before = counted("users")
    await ask(gateway_v2)
    await ask(gateway_v2)
    prometheus.wait_until(lambda: counted("users") == before + 2, "both questions are counted")


def test_budgets_are_known_and_untouched(prometheus: Prometheus):
    query = 'slo:error_budget_remaining:ratio{slo="availability"} == 1'
    prometheus.wait_until(lambda: prometheus.query(query), "an untouched budget")
    assert not prometheus.query("slo:error:ratio_rate5m != slo:error:ratio_rate5m"), "no NaN"


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus):
    def evaluated() -> list[dict[str, Any]]:
        return [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]

    prometheus.wait_until(
        lambda: all(rule["health"] != "unknown" for rule in evaluated()), "every rule evaluated"
    )
    found = evaluated()
    assert len(found) == len(rules())
    assert [rule["name"] for rule in found if rule["health"] != "ok"] == []
    assert not prometheus.query("prometheus_rule_evaluation_failures_total > 0")


def test_nothing_fires_while_all_is_well(prometheus: Prometheus):
    assert [alert["labels"] for alert in prometheus.api("alerts")["alerts"]] == []


KEYWORDS = frozenset(("by", "on", "unless", "and", "or", "offset", "sum", "max"))


def names_in_rules() -> set[str]:
    """Every metric that rules read and no rule makes."""
    made = {rule["record"] for rule in rules() if "record" in rule}
    # Without what is quoted, selected by, grouped by, or called.
    noise = r'"[^"]*"|\{[^}]*\}|\b(?:by|on)\s*\([^)]*\)|\b\w+\('
    bare = " ".join(re.sub(noise, " ", rule["expr"]) for rule in rules())
    return set(re.findall(r"\b[a-z_][\w:]*", bare)) - made - KEYWORDS


def families(exposition: str) -> set[str]:
    """Every series name that an exposition declares, also of metrics without a sample yet."""
    kinds = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", exposition))
    histograms = [name for name, kind in kinds.items() if kind == "histogram"]
    parts = {f"{name}{part}" for name in histograms for part in ("_bucket", "_count", "_sum")}
    return {*kinds} | parts


def selected(job: str) -> set[tuple[str, str]]:
    """The metrics that rules read from a job, each with a label that they select by."""
    found = set()
    for rule in rules():
        for name, inside in re.findall(r"([a-z_][\w:]*)\{([^}]*)\}", rule["expr"]):
            if f'job="{job}"' in inside:
                found |= {(name, label) for label in re.findall(r"(\w+)!?=", inside)}
    return {(name, label) for name, label in found if label != "job" and name != "up"}


def labels_of(exposition: str, name: str) -> set[str]:
    """The labels of a metric's samples."""
    samples = re.findall(rf"(?m)^{name}\{{(.*)\}} ", exposition)
    return {label for sample in samples for label in re.findall(r'(\w+)="', sample)}


async def test_every_metric_that_rules_read_is_told_by_somebody(
    prometheus: Prometheus, gateway_v2: Gateway, prober: Healthcheck
):
    expositions = (own_metrics(prometheus), metrics_of(gateway_v2), metrics_of(prober))
    told = {"up"}.union(*map(families, expositions))
    assert len(names_in_rules()) > 18
    assert names_in_rules() - told == set()


async def test_metrics_carry_the_labels_by_which_rules_select_them(
    gateway_v2: Gateway, prober: Healthcheck
):
    await ask(gateway_v2)
    with pytest.raises(openai.AuthenticationError):
        await ask(replace(gateway_v2, key="another"))
    prober.wait_until(lambda status: prober.metric("probe_success", probe="chat"), "a chat probed")
    expositions = {"gateway": metrics_of(gateway_v2), "healthcheck": metrics_of(prober)}
    seen = 0
    for job, exposition in expositions.items():
        for name, label in selected(job):
            if labels := labels_of(exposition, name):
                assert label in labels, f"{name} has no label {label}, only {sorted(labels)}"
                seen += 1
    assert seen >= 8
    bounds = re.findall(r'first_chunk_seconds_bucket\{.*le="([^"]+)"', expositions["gateway"])
    assert "2.56" in bounds, "what the promise says is a bucket's bound"


def metrics_of(service: Gateway | Healthcheck) -> str:
    return str(service.get("/metrics")[1])


def own_metrics(prometheus: Prometheus) -> str:
    with urllib.request.urlopen(f"{prometheus.url}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def test_when_nothing_can_be_stored_the_rules_notice_by_the_absence_of_samples(tmp_path: Path):
    """The mechanism of PrometheusNotRecording: no file may grow, as on a full disk.

    The alert's own window is minutes long, so its expression is asked with a shorter one.
    """
    resource = pytest.importorskip("resource", reason="Linux limits another process")
    (rule,) = (rule for rule in rules() if rule.get("alert") == "PrometheusNotRecording")
    expression = rule["expr"].replace("[3m]", "[10s]")
    assert expression != rule["expr"]
    with run_prometheus(tmp_path, {}, hurry=True) as prometheus:
        prometheus.wait_until(lambda: prometheus.query("up == 1"), "a first sample")
        assert prometheus.query(expression) == []
        resource.prlimit(prometheus.process.pid, resource.RLIMIT_FSIZE, (1, 1))
        prometheus.wait_until(lambda: prometheus.query(expression), "the absence is noticed")
        failed = "prometheus_tsdb_wal_writes_failed_total"
        count = re.search(rf"(?m)^{failed} (\S+)$", own_metrics(prometheus))
        assert count
        assert float(count[1]) > 0, "and Prometheus counts what it could not write"
