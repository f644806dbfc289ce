"""What is asked of the docker client, and how its answers are read."""

import json
import os
import re
from pathlib import Path

import pytest

from lib import docker
from lib.console import StepFailedError
from lib.docker import OLDEST_ENGINE, require, version_in
from support.stack import ROOT


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("26.1.5+dfsg1", (26, 1, 5)),
        ("2.26.1-4", (2, 26, 1)),
        ("v2.39.1", (2, 39, 1)),
        ("0.13.1+ds1", (0, 13, 1)),
        ("28.0", (28, 0, 0)),
        ("", ()),
    ],
)
def test_the_version_is_read(answer: str, version: tuple[int, ...]):
    assert version_in(answer) == version


def test_an_old_engine_is_refused_with_both_versions():
    with pytest.raises(StepFailedError) as refused:
        require("Docker Engine", "20.10.24+dfsg1", OLDEST_ENGINE)
    assert "25.0.5" in refused.value.problem
    assert "20.10.24" in refused.value.problem
    assert refused.value.remedy


def test_a_missing_part_is_refused():
    with pytest.raises(StepFailedError, match="found none"):
        require("Docker Compose", "", (2, 24, 0))


def test_a_new_enough_part_passes():
    require("Docker Compose", "v2.24.0", (2, 24, 0))


def test_an_engine_that_refuses_this_user_is_told_from_one_that_is_not_running(
    monkeypatch: pytest.MonkeyPatch,
):
    said = "permission denied while trying to connect to the Docker daemon socket"
    assert "usermod -aG docker" in docker.why_silent(said).remedy
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody/listens.sock")
    problem = docker.why_silent("Cannot connect to the Docker daemon")
    assert "DOCKER_HOST=unix:///nobody/listens.sock" in problem.problem
    assert "unset DOCKER_HOST" in problem.remedy


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a #! line")
def test_an_engine_that_hangs_is_not_taken_for_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Docker Desktop may come to do so: then its client answers, and the engine nothing."""
    client = tmp_path / "docker"
    client.write_text('#!/bin/sh\ncase "$*" in version*) exec sleep 600;; esac\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(docker, "ANSWER_SECONDS", 0.5)
    with pytest.raises(StepFailedError, match="does not answer") as stopped:
        docker.ensure_engine(install=False)
    assert stopped.value.remedy.startswith("Restart it: ")


# ---- Published ports -----------------------------------------------------------------------------


def container(name: str, ports: object, project: str | None = None) -> dict[str, object]:
    """A container as `docker container inspect` shows it, as far as its ports go."""
    labels = {"com.docker.compose.project": project} if project else None
    return {
        "Name": f"/{name}",
        "Config": {"Labels": labels},
        "NetworkSettings": {"Ports": ports},
    }


def bound(*ports: int, host: str = "127.0.0.1") -> list[dict[str, str]]:
    return [{"HostIp": host, "HostPort": str(port)} for port in ports]


INSPECTED = [
    ("none", [], {}),
    ("none that publishes", [container("a", {}, "p"), container("b", None)], {}),
    ("exposed, not published", [container("a", {"80/tcp": None, "81/tcp": []}, "p")], {}),
    (
        "neighbours, which the listing for people shows as 3000-3001->3000-3001/tcp",
        [container("e", {"3000/tcp": bound(3000), "3001/tcp": bound(3001)}, "foundry-chat")],
        {3000: "foundry-chat", 3001: "foundry-chat"},
    ),
    (
        "two addresses of one port, an IPv6 one among them",
        [container("e", {"80/tcp": bound(8080) + bound(8080, host="::1")}, "p")],
        {8080: "p"},
    ),
    (
        "every address, of both kinds",
        [container("e", {"53/udp": bound(53, host="0.0.0.0") + bound(53, host="::")}, "p")],
        {53: "p"},
    ),
    (
        "one port of a container on several of the machine's",
        [container("e", {"80/tcp": bound(80, 8080)}, "p")],
        {80: "p", 8080: "p"},
    ),
    (
        "several projects, and a container of none",
        [
            container("a", {"1/tcp": bound(3000)}, "p"),
            container("b", {"1/tcp": bound(3001)}, "q"),
            container("lone", {"1/tcp": bound(3002)}),
        ],
        {3000: "p", 3001: "q", 3002: "lone"},
    ),
    ("a port not drawn yet", [container("a", {"1/tcp": [{"HostIp": "", "HostPort": ""}]})], {}),
]


@pytest.mark.parametrize(
    ("containers", "ports"),
    [one[1:] for one in INSPECTED],
    ids=[one[0] for one in INSPECTED],
)
def test_published_ports_are_read_with_their_owners(
    containers: list[object], ports: dict[int, str]
):
    assert docker.ports_in(json.dumps(containers)) == ports


@pytest.mark.parametrize("told", ["", "[]", "[{", "Cannot connect to the Docker daemon"])
def test_an_answer_that_is_no_list_of_containers_has_no_ports(told: str):
    assert docker.ports_in(told) == {}


def docker_client(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A client that answers as told: no real engine loses a container at the right moment."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_container_that_goes_meanwhile_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "told").write_text(json.dumps([container("a", {"1/tcp": bound(3001)}, "p")]))
    docker_client(
        tmp_path,
        monkeypatch,
        f'if [ "$1" = ps ]; then printf "gone\\nhere\\n"; else cat {tmp_path}/told; exit 1; fi',
    )
    assert docker.published_ports() == {3001: "p"}


@pytest.mark.parametrize("script", ["exit 1", "sleep 60", "echo '<html>'", "kill -9 $$"])
def test_an_engine_that_does_not_answer_holds_no_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
):
    docker_client(tmp_path, monkeypatch, f"exec 2>/dev/null; {script}")
    assert docker.published_ports(seconds=0.3) == {}


def test_without_a_client_there_are_no_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert docker.published_ports() == {}
    assert docker.plugin_version("buildx") == ""


@pytest.mark.parametrize(
    ("told", "version"),
    [
        (
            '[{"Name":"compose","Version":"2.26.1-4"},{"Name":"buildx","Version":"v0.17.1"}]',
            "v0.17.1",
        ),
        ('[{"Name":"compose","Version":"2.26.1-4"}]', ""),
        ("null", ""),
        ("[]", ""),
        ("<no value>", ""),
        ('[{"Name":"buildx"}]', ""),
    ],
)
def test_a_plugin_tells_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, version: str
):
    docker_client(tmp_path, monkeypatch, f"echo '{told}'")
    assert docker.plugin_version("buildx") == version


FOR_PEOPLE = re.compile(r'"(?:ps|images|version|info|network|container|volume|ls|stats|port)"')
SPEAKS = re.compile(r'"docker"|answer\(|printed\(|output\(|_asked\(|_ran\(')
FOR_PROGRAMS = ("--quiet", "-q", "--format", "--short", "inspect")


def test_no_listing_for_people_is_read():
    """Every question to the docker client names the form in which a program is answered."""
    asked = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "scripts").rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if FOR_PEOPLE.search(line) and SPEAKS.search(line)
    ]
    assert len(asked) > 10, "the questions are found at all"
    plain = [line for line in asked if not any(word in line for word in FOR_PROGRAMS)]
    # Its complaint, the one thing for which Docker has no other form.
    assert [line for line in plain if '_ran(("version",)' not in line] == []
