"""Versions of Docker's parts, as each of them tells its own."""

import pytest

from lib import docker
from lib.console import StepFailedError
from lib.docker import OLDEST_ENGINE, require, version_in


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("26.1.5+dfsg1", (26, 1, 5)),
        ("2.26.1-4", (2, 26, 1)),
        ("v2.39.1", (2, 39, 1)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13, 1)),
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
