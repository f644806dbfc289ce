"""What Prometheus' start makes of the settings, and what it refuses."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from foundry_gateway.metrics import SECONDS_BUCKETS
from lib.rules import PROMISES
from support.prometheus import FOLDER, SERVICES, environment
from support.stack import ROOT


def check(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """`start.sh check`: writes the configuration and lets promtool judge it."""
    command = ["sh", str(FOLDER / "start.sh"), "check"]
    env = environment(PROMETHEUS_RUNTIME=str(folder), **settings)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def written(folder: Path) -> dict:
    return yaml.safe_load((folder / "prometheus.yml").read_text(encoding="utf-8"))


def jobs(folder: Path) -> list[str]:
    return [each["job_name"] for each in written(folder)["scrape_configs"]]


def test_without_settings_the_configuration_is_the_file_as_it_stands(tmp_path: Path):
    done = check(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    shipped = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    assert written(tmp_path) == shipped
    assert {path.name for path in (tmp_path / "rules").iterdir()} == {"alerts.yml", "slo.yml"}


def test_every_service_is_a_job_whose_instance_is_its_name(tmp_path: Path):
    check(tmp_path)
    assert set(jobs(tmp_path)) == {*SERVICES, "prometheus"}
    for job in written(tmp_path)["scrape_configs"]:
        (target,) = job["static_configs"]
        assert target["labels"] == {"instance": job["job_name"]}
        assert target["targets"] == [SERVICES.get(job["job_name"], "localhost:9090")]


@pytest.mark.parametrize(
    ("interval", "timeout"), [("5s", "5s"), ("10s", "10s"), ("15s", "10s"), ("60s", "10s")]
)
def test_the_interval_is_a_setting_and_no_scrape_outlasts_it(
    tmp_path: Path, interval: str, timeout: str
):
    done = check(tmp_path, PROMETHEUS_SCRAPE_INTERVAL=interval)
    assert done.returncode == 0, done.stderr
    assert written(tmp_path)["global"]["scrape_interval"] == interval
    assert written(tmp_path)["global"]["scrape_timeout"] == timeout


@pytest.mark.parametrize(("without", "left"), [("grafana", 4), (" grafana, chainlit ", 3)])
def test_jobs_that_are_away_on_purpose_are_left_out(tmp_path: Path, without: str, left: int):
    done = check(tmp_path, PROMETHEUS_WITHOUT=without)
    assert done.returncode == 0, done.stderr
    assert len(jobs(tmp_path)) == left
    assert "grafana" not in (tmp_path / "prometheus.yml").read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PROMETHEUS_SCRAPE_INTERVAL", "often", "5s to 60s"),
        ("PROMETHEUS_SCRAPE_INTERVAL", "15", "15s"),
        ("PROMETHEUS_SCRAPE_INTERVAL", "1m", "5s to 60s"),
        ("PROMETHEUS_SCRAPE_INTERVAL", "4s", "out of range"),
        ("PROMETHEUS_SCRAPE_INTERVAL", "61s", "out of range"),
        ("PROMETHEUS_SCRAPE_INTERVAL", "15s\nrule_files: []", "5s to 60s"),
        ("PROMETHEUS_RETENTION", "forever", "15d"),
        ("PROMETHEUS_RETENTION", "0d", "15d"),
        ("PROMETHEUS_RETENTION_SIZE", "1G", "1GB"),
        ("PROMETHEUS_RETENTION_SIZE", "-1GB", "1GB"),
        ("PROMISE_FIRST_TOKEN_SECONDS", "3", "2.56 5.12"),
        ("PROMISE_FIRST_TOKEN_SECONDS", "2.56 5.12", "2.56 5.12"),
        ("PROMISE_FIRST_TOKEN_SECONDS", "2/g;e", "2.56 5.12"),
        ("PROMETHEUS_WITHOUT", "graphana", "gateway healthcheck chainlit prometheus grafana"),
        ("PROMETHEUS_WITHOUT", ".*", "no job '.*'"),
    ],
)
def test_a_bad_setting_is_refused_by_name_with_an_example(
    tmp_path: Path, name: str, value: str, says: str
):
    done = check(tmp_path, **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: ")
    assert says in done.stderr
    assert not (tmp_path / "prometheus.yml").exists()


@pytest.mark.parametrize("promise", ["0.32", "5.12", "163.84"])
def test_the_promise_of_a_beginning_is_a_setting(tmp_path: Path, promise: str):
    done = check(tmp_path, PROMISE_FIRST_TOKEN_SECONDS=promise)
    assert done.returncode == 0, done.stderr
    rules = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "rules").iterdir())
    assert f'le="{promise}"' in rules
    assert f"within {promise} s" in rules
    assert "2.56" not in rules
    assert float(promise) in SECONDS_BUCKETS


def test_links_lead_to_where_the_edge_publishes_the_runbook(tmp_path: Path):
    done = check(tmp_path, HEALTHCHECK_PORT="19180")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "rules" / "alerts.yml").read_text(encoding="utf-8")
    assert "runbook_url: http://localhost:19180/alerts#" in text
    assert "9180/alerts#" not in text.replace("19180", "")


@pytest.mark.parametrize(
    ("bound", "host"),
    [
        ("", "localhost"),
        ("127.0.0.1", "localhost"),
        ("0.0.0.0", "localhost"),
        ("[::]", "localhost"),
        ("192.168.1.5", "192.168.1.5"),
        ("127.0.0.2", "127.0.0.2"),
        ("fd00::5", "[fd00::5]"),
        ("[fd00::5]", "[fd00::5]"),
        ("s/x;e y", "localhost"),
    ],
)
def test_links_name_the_address_on_which_ports_are_published(tmp_path: Path, bound: str, host: str):
    done = check(tmp_path, BIND_ADDRESS=bound)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "rules" / "alerts.yml").read_text(encoding="utf-8")
    found = set(re.findall(r"runbook_url: http://(.*):9180/alerts#", text))
    assert found == {host}


def test_what_can_be_promised_is_the_same_wherever_it_is_asked_for():
    start = (FOLDER / "start.sh").read_text(encoding="utf-8")
    (bounds,) = re.findall(r"(?m)^bounds='(.*)'$", start)
    assert tuple(bounds.split()) == PROMISES


def test_the_example_settings_are_those_that_hold_without_any():
    shown = (ROOT / ".env.example").read_text(encoding="utf-8")
    start = (FOLDER / "start.sh").read_text(encoding="utf-8")
    for name in ("PROMETHEUS_SCRAPE_INTERVAL", "PROMETHEUS_RETENTION", "PROMETHEUS_RETENTION_SIZE"):
        (default,) = re.findall(rf"\${{{name}:-(\w+)}}", start)
        assert f"#{name}={default}\n" in shown


def test_the_image_is_the_same_wherever_it_is_named():
    named = {
        found
        for path in ("compose.yaml", "monitoring/prometheus/Dockerfile")
        for found in re.findall(r"prom/prometheus:v\S+", (ROOT / path).read_text(encoding="utf-8"))
    }
    (image,) = named
    assert "@sha256:" in image
