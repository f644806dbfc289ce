"""What builds get from this machine."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lib import offline
from lib.console import StepFailedError
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


def test_a_mirror_that_is_written_down_already_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another run may be reading it, and it may be root's."""
    monkeypatch.setattr(offline, "ROOT", tmp_path)
    settings = Settings({}, tmp_path / ".env")
    for configuration, rewritten in (("a", True), ("a", False), ("b", True)):
        monkeypatch.setattr(offline, "pip_configuration", lambda text=configuration: text)
        written = Path(offline.build_settings(settings, offline=False)["BUILD_PIP_CONF"])
        assert written.read_text(encoding="utf-8") == configuration
        assert (written.stat().st_mtime != 0) is rewritten
        os.utime(written, (0, 0))


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins are scripts with a #! line")
@pytest.mark.parametrize("ends", [0, 2])
def test_an_image_that_came_in_part_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: int
):
    """As when the packing is stopped, or meets a full disk: the next run would have built on it."""
    for name, does in (
        ("tar", f"exit {ends}"),
        ("docker", f'echo "$@" >> {tmp_path}/asked; [ "$1" = import ] && echo sha256:1; exit 0'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with contextlib.nullcontext() if ends == 0 else pytest.raises(StepFailedError, match="in part"):
        offline.import_folder(tmp_path, "localhost/base:1")
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert ("localhost/base:1" in asked) is (ends == 0)
    assert ("tag sha256:1 localhost/base:1" in asked) is (ends == 0)


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


def test_every_official_image_stands_in_the_texts_about_them():
    named = {
        str(image).partition("@")[0]
        for service in services().values()
        for name, image in service["build"].get("args", {}).items()
        if name.endswith("_IMAGE")
    }
    proved = (offline.ROOT / "docs/images.md").read_text(encoding="utf-8")
    assert {image for image in named if f"`{image}`" not in proved} == set()
    replaced = (offline.ROOT / "offline/README.md").read_text(encoding="utf-8")
    assert {image for image in named if f"`{image}`" not in replaced} == {"grafana/grafana:13.2.3"}
    for image, (name, _) in offline.BUILT.items():
        assert f"`{image}`" in replaced
        text = (offline.ROOT / "offline" / name).read_text(encoding="utf-8")
        for told in re.findall(r"cannot pull ([a-z/]+:\S+?)\.?(?:\s|$)", text):
            assert told in named


def test_what_is_made_here_is_asked_of_no_registry_elsewhere():
    compose = yaml.safe_load((offline.ROOT / "compose.offline.yaml").read_text(encoding="utf-8"))
    named = {
        image
        for service in compose["services"].values()
        for name, image in service.get("build", {}).get("args", {}).items()
        if name.endswith("_IMAGE")
    }
    assert named == offline.BUILT.keys()
    for name, _ in offline.BUILT.values():
        text = (offline.ROOT / "offline" / name).read_text(encoding="utf-8")
        named.update(re.findall(r"^ARG DEBIAN_IMAGE=(.+)$", text, re.MULTILINE))
    assert all(image.startswith("localhost/") for image in named)


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((offline.ROOT / "compose.yaml").read_text("utf-8"))
    return found["services"]


def dockerfile(service: dict[str, Any]) -> str:
    return (offline.ROOT / service["build"]["context"] / "Dockerfile").read_text("utf-8")


def test_a_build_that_fetches_something_gets_this_machines_proxy():
    fetching = {
        name: service["build"].get("args", {})
        for name, service in services().items()
        if re.search(r"pip install|apt-get|npm-cli", dockerfile(service))
    }
    assert {"gateway", "open-webui", "docker-view", "webgpu-static"} <= fetching.keys()
    for name, arguments in fetching.items():
        given = {one: arguments.get(one, "absent") for one in offline.PROXIES}
        assert given == dict.fromkeys(offline.PROXIES), name


def test_no_build_runs_what_no_hash_stands_for():
    """pip builds a package that comes as source with whatever setuptools is the newest."""
    found = 0
    for name, service in services().items():
        whole = dockerfile(service).replace("\\\n", " ")
        for words in re.findall(r"pip install ([^;&\n]+)", whole):
            options = words.split()
            assert {"--require-hashes", "--no-deps"} <= set(options), name
            assert options[options.index("--only-binary") + 1] == ":all:", name
            assert ("--no-binary" in options) is ("--no-build-isolation" in options), name
            found += 1
    assert found == 7


def test_bytecode_of_ours_is_made_when_its_source_can_be_read():
    """It takes over the mode of its source: of a strict checkout nobody else could read it."""
    compiling = set()
    for name, service in services().items():
        for run in re.findall(r"(?m)^RUN (.*)", dockerfile(service).replace("\\\n", "")):
            steps = [step.split() for step in run.split("&&")]
            compiled = [step[4:] for step in steps if step[1:4] == ["-m", "compileall", "-q"]]
            ours = {
                path for paths in compiled for path in paths if path.startswith(("/app", "/opt"))
            }
            ours.discard("/opt/venv/lib")
            if ours:
                assert steps[0][:3] == ["chmod", "-R", "a+rX"], name
                assert ours <= set(steps[0][3:]), name
                compiling.add(name)
    assert compiling == {"gateway", "healthcheck", "chainlit", "foundry-local"}
