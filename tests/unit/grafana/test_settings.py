"""Grafana's settings, data source and place in the stack, as they are written.

No test here starts Grafana: there is no package of it, only the image of a registry.
"""

import configparser
import json
from typing import Any

import pytest
import yaml

from support.dashboards import FILES, GRAFANA
from support.stack import ROOT

PASSWORD_FILE = "/run/foundry-chat/grafana/admin-password"
CALLS_HOME = {
    ("analytics", "reporting_enabled"): "false",
    ("analytics", "check_for_updates"): "false",
    ("analytics", "check_for_plugin_updates"): "false",
    ("analytics", "feedback_links_enabled"): "false",
    ("news", "news_feed_enabled"): "false",
    ("security", "disable_gravatar"): "true",
    ("snapshots", "external_enabled"): "false",
    ("plugins", "preinstall_disabled"): "true",
    ("plugins", "preinstall_auto_update"): "false",
    ("plugins", "plugin_admin_enabled"): "false",
    ("plugins", "public_key_retrieval_disabled"): "true",
    ("cloud_migration", "enabled"): "false",
}
OPENS_UP = {
    ("auth.anonymous", "enabled"): "true",
    ("auth.anonymous", "org_role"): "Viewer",
    ("users", "allow_sign_up"): "false",
    ("users", "allow_org_create"): "false",
    ("users", "viewers_can_edit"): "false",
    ("security", "allow_embedding"): "false",
    ("security", "content_security_policy"): "true",
    ("public_dashboards", "enabled"): "false",
    ("snapshots", "enabled"): "false",
}


@pytest.fixture(scope="module")
def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((GRAFANA / "grafana.ini").read_text(encoding="utf-8"))
    return parser


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = compose["services"]
    return found


@pytest.mark.parametrize(("where", "value"), {**CALLS_HOME, **OPENS_UP}.items())
def test_it_calls_nobody_and_lets_a_stranger_only_look(
    settings: configparser.ConfigParser, where: tuple[str, str], value: str
):
    assert settings.get(*where) == value


def test_the_page_loads_nothing_from_elsewhere(settings: configparser.ConfigParser):
    policy = settings.get("security", "content_security_policy_template").strip('"')
    sources = {
        source
        for directive in policy.split(";")
        for source in directive.split()[1:]
        if not source.startswith("'")
    }
    assert sources == {"$NONCE", "data:", "blob:", "ws://$ROOT_PATH", "wss://$ROOT_PATH"}


def test_the_password_stands_in_no_setting(settings: configparser.ConfigParser):
    said = [settings[name][key] for name in settings for key in settings[name] if "password" in key]
    assert said == [f"$__file{{{PASSWORD_FILE}}}"]


def test_prometheus_alone_evaluates_alerts(settings: configparser.ConfigParser):
    assert settings.get("unified_alerting", "enabled") == "true"
    assert settings.get("unified_alerting", "execute_alerts") == "false"


def test_the_home_page_is_the_overview(settings: configparser.ConfigParser):
    home = settings.get("dashboards", "default_home_dashboard_path")
    provider = provisioning("dashboards/foundry-chat.yaml")["providers"][0]
    assert home == f"{provider['options']['path']}/overview.json"
    board = json.loads((GRAFANA / "dashboards" / "overview.json").read_text(encoding="utf-8"))
    assert board["uid"] == "foundry-overview"


def test_the_boards_find_their_data_source():
    (source,) = provisioning("datasources/prometheus.yaml")["datasources"]
    assert source["uid"] == "prometheus"
    assert source["isDefault"] is True
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == "${PROMETHEUS_SCRAPE_INTERVAL}"


def test_the_image_holds_every_board_and_ends_as_the_user_of_this_stack():
    lines = (GRAFANA / "Dockerfile").read_text(encoding="utf-8")
    assert all(f"dashboards/{name}" in lines for name in FILES)
    users = [line for line in lines.splitlines() if line.startswith("USER ")]
    assert users[-1] == "USER 10001:10001"


def test_the_container_is_hardened_and_reaches_the_private_network_alone(
    services: dict[str, Any],
):
    grafana = services["grafana"]
    assert grafana["read_only"] is True
    assert grafana["cap_drop"] == ["ALL"]
    assert grafana["user"] == "10001:10001"
    assert grafana["networks"] == ["private"]
    assert "ports" not in grafana
    assert "mem_limit" in grafana
    assert "pids_limit" in grafana
    assert not any(
        isinstance(volume, str) and volume.startswith((".", "/")) for volume in grafana["volumes"]
    )


def test_its_password_comes_as_a_file_from_the_volume_of_the_secrets(services: dict[str, Any]):
    # A variable of a file that is not there yet would be empty, and the password Grafana's default.
    assert not any("PASSWORD" in name for name in services["grafana"]["environment"])
    needed = services["grafana"]["depends_on"]["secrets"]
    assert needed["condition"] == "service_completed_successfully"
    mounted = [volume for volume in services["grafana"]["volumes"] if isinstance(volume, dict)]
    assert [volume["source"] for volume in mounted] == ["grafana-admin"]
    assert mounted[0]["read_only"] is True
    assert PASSWORD_FILE.startswith(mounted[0]["target"])
    assert "grafana-admin:/run/foundry-chat/grafana" in services["secrets"]["volumes"]


def test_the_version_is_the_same_wherever_it_stands(services: dict[str, Any]):
    image = services["grafana"]["build"]["args"]["GRAFANA_IMAGE"]
    assert f"ARG GRAFANA_IMAGE={image}\n" in (GRAFANA / "Dockerfile").read_text(encoding="utf-8")
    assert image.rpartition(":")[2] not in {"", "latest"}


def test_without_a_registry_it_is_left_out_unless_asked_for():
    offline = yaml.safe_load((ROOT / "compose.offline.yaml").read_text(encoding="utf-8"))
    assert offline["services"]["grafana"] == {"profiles": ["grafana"]}


def provisioning(name: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / name).read_text(encoding="utf-8"))
