"""What builds get from this machine."""

import re
from pathlib import Path

import pytest
import yaml

from lib import offline
from lib.settings import Settings

LISTING = """\
:env:.disable-pip-version-check='1'
:env:.index-url='https://mirror.example/simple'
global.cert='/etc/ssl/certs/ca-certificates.crt'
global.extra-index-url='file:///opt/more https://more.example/simple'
"""


def test_a_mirror_is_passed_on_but_not_what_only_this_machine_has():
    configuration = offline.configuration_from(LISTING)
    assert "index-url = https://mirror.example/simple" in configuration
    assert "extra-index-url = https://more.example/simple" in configuration
    assert "file:" not in configuration
    assert "cert" not in configuration


@pytest.mark.parametrize("listing", ["", "global.extra-index-url='file:///opt/more'\n"])
def test_the_usual_index_needs_no_configuration(listing: str):
    assert offline.configuration_from(listing) == ""


@pytest.mark.parametrize(
    ("listing", "configuration"),
    [
        (
            '; "user" config\n\nregistry = "https://mirror.example/npm/"\n; node version = v22\n',
            "registry=https://mirror.example/npm/\n",
        ),
        ('; "user" config\n\naudit = false\n', ""),
        ('registry = "file:///opt/npm"\n', ""),
        ("", ""),
    ],
)
def test_a_mirror_of_npm_packages_is_passed_on(listing: str, configuration: str):
    assert offline.npm_configuration(listing) == configuration


def test_certificates_named_in_the_environment_are_passed_on(tmp_path: Path):
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    settings = Settings({"SSL_CERT_FILE": str(bundle)}, tmp_path / ".env")
    assert offline.build_settings(settings, offline=False)["BUILD_CA_BUNDLE"] == str(bundle)


def test_what_the_user_has_set_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What `up.py` chooses wins over .env where Compose runs."""
    monkeypatch.setattr(offline, "ROOT", tmp_path)
    monkeypatch.setattr(offline, "pip_configuration", lambda: "[global]\n")
    monkeypatch.setattr(offline, "npm_listing", lambda: "registry = https://mirror.example\n")
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    path = tmp_path / ".env"
    own = ("BUILD_CA_BUNDLE", "BUILD_PIP_CONF", "BUILD_NPMRC")
    assert set(offline.build_settings(Settings({"PIP_CERT": str(bundle)}, path), offline=True)) == {
        *own
    }
    path.write_text("".join(f"{name}=./mine\n" for name in own))
    assert offline.build_settings(Settings({"PIP_CERT": str(bundle)}, path), offline=True) == {}


def test_certificates_that_are_not_there_are_not_passed_on(tmp_path: Path):
    settings = Settings({"SSL_CERT_FILE": str(tmp_path / "absent.pem")}, tmp_path / ".env")
    assert "BUILD_CA_BUNDLE" not in offline.build_settings(settings, offline=False)


def test_a_dockerfile_by_itself_builds_on_what_compose_names():
    compose = yaml.safe_load((offline.ROOT / "compose.yaml").read_text(encoding="utf-8"))
    named = {
        (name, image)
        for service in compose["services"].values()
        for name, image in service["build"].get("args", {}).items()
        if name.endswith("_IMAGE")
    }
    written = {
        found
        for context in {service["build"]["context"] for service in compose["services"].values()}
        for found in re.findall(
            r"^ARG (\w+_IMAGE)=(.+)$",
            (offline.ROOT / context / "Dockerfile").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    }
    # Open WebUI's other source, which compose.yaml does not choose.
    assert written - named == {("PYTHON_IMAGE", "python:3.11-slim-bookworm")}
    assert named <= written
