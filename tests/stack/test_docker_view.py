"""The view of Docker, in its container, on the real Docker engine: what it tells, and what not."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from docker.errors import APIError
from docker.models.containers import Container
from testcontainers.compose import DockerCompose

from foundry_healthcheck.containers import ContainerState, ContainerView
from lib import images, offline
from support import engine
from support.healthcheck import start_healthcheck
from support.processes import free_port
from support.stack import ROOT, SETTINGS_OF_THE_STACK, eventually

SOCKET = Path("/var/run/docker.sock")
PROJECT = "foundry-chat-view-test"
IMAGE = "foundry-chat/docker-view:0.1.0"
SECRET = "the-secret-in-its-environment"
ONLINE_IMAGE = "nginx:1.30-alpine"


@dataclass(frozen=True)
class View:
    """The running view, with a container of its project and one of another beside it."""

    port: int
    our_container: Container
    """Its environment holds the secret."""
    foreign_container: Container

    @property
    def ours(self) -> str:
        """Full id of the container of its project."""
        return engine.id_of(self.our_container)

    @property
    def foreign(self) -> str:
        """Full id of the one of another project."""
        return engine.id_of(self.foreign_container)

    def ask(self, path: str, method: str = "GET", body: str | None = None) -> tuple[int, Any]:
        """Send a path exactly as it stands; returns status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            if body is not None:
                connection.putheader("Content-Type", "application/json")
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body.encode() if body is not None else None)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def listed(self) -> list[dict[str, Any]]:
        """What the list of containers tells."""
        found: list[dict[str, Any]] = self.ask("/containers/json")[1]
        return found


def base_is_here() -> bool:
    """Whether a registry or this machine has what the view is built on."""
    if not images.is_here(ONLINE_IMAGE):
        with contextlib.suppress(APIError):
            engine.client().images.pull(ONLINE_IMAGE)
    return images.is_here(ONLINE_IMAGE)


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, own_settings_only: None
) -> Iterator[DockerCompose]:
    """The project of `docker-view` alone, as compose.yaml has it, with a port to ask it by."""
    files = [ROOT / "compose.yaml"]
    if not base_is_here():
        offline.make_base_images()
        files.append(ROOT / "compose.offline.yaml")
    folder = tmp_path_factory.mktemp("view")
    published = {"ports": [f"127.0.0.1:{free_port()}:8080"], "networks": ["private", "published"]}
    files.append(folder / "published.yaml")
    files[-1].write_text(yaml.safe_dump({"services": {"docker-view": published}}))
    settings = folder / ".env"
    settings.write_text(f"COMPOSE_PROJECT_NAME={PROJECT}\nDOCKER_GID={SOCKET.stat().st_gid}\n")
    whole = DockerCompose(
        ROOT,
        compose_file_name=[str(file) for file in files],
        env_file=str(settings),
        profiles=["containers"],
    )
    whole.stop()
    try:
        dataclasses.replace(whole, services=["docker-view"], build=True).start()
        yield whole
    finally:
        whole.stop()  # of the whole project, since its networks would stay otherwise


@pytest.fixture(scope="module")
def own_settings_only() -> Iterator[None]:
    """No settings from this process's environment: Compose puts them before those of a file."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(SETTINGS_OF_THE_STACK)]:
            patch.delenv(name)
        yield


def neighbour(project: str, service: str) -> Container:
    """A container that sleeps, under the labels of a project's service."""
    return engine.client().containers.run(
        IMAGE,
        ["600"],
        entrypoint="sleep",
        detach=True,
        init=True,
        environment={"SECRET": SECRET},
        mem_limit="64m",
        network_mode="none",
        labels={
            f"{engine.LABEL}.project": project,
            f"{engine.LABEL}.service": service,
            f"{engine.LABEL}.oneoff": "False",
            f"{engine.LABEL}.project.working_dir": "/home/somebody/secret-folder",
        },
    )


@pytest.fixture(scope="module")
def view(project: DockerCompose) -> Iterator[View]:
    """The view, running, beside a container of its project and one of another."""
    port = project.get_service_port("docker-view", 8080)
    assert port is not None
    with contextlib.ExitStack() as started:
        ours = neighbour(PROJECT, "gateway")
        started.callback(ours.remove, force=True)
        foreign = neighbour("another-project", "database")
        started.callback(foreign.remove, force=True)
        yield View(port, ours, foreign)


# ---- What it tells --------------------------------------------------------------------------


def test_says_that_docker_is_there(view: View):
    assert view.ask("/_ping") == (200, "OK")


def test_tells_the_version_and_nothing_of_the_machine(view: View):
    status, told = view.ask("/version")
    assert status == 200
    assert told["Version"] == engine.client().version()["Version"]
    assert set(told) == {"Version", "ApiVersion"}


def test_lists_the_containers_of_this_project_and_no_others(view: View):
    services = {each["Labels"]["com.docker.compose.service"] for each in view.listed()}
    assert services == {"docker-view", "gateway"}
    ids = {each["Id"] for each in view.listed()}
    assert view.ours in ids
    assert view.foreign not in ids


def test_tells_no_command_mount_address_folder_or_environment(view: View):
    for each in view.listed():
        assert set(each) == {"Id", "State", "Status", "Labels"}
        assert set(each["Labels"]) == {"com.docker.compose.service"}


def test_measures_a_container_of_this_project(view: View):
    status, told = view.ask(f"/containers/{view.ours}/stats")
    assert status == 200
    assert told["memory_stats"]["limit"] == 64 * 2**20
    assert 0 < told["memory_stats"]["usage"] < 64 * 2**20
    assert told["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert set(told) == {"cpu_stats", "memory_stats", "pids_stats"}, "no traffic of networks"


def test_tells_what_happened_to_the_containers_of_this_project(view: View):
    view.our_container.restart(timeout=1)
    view.foreign_container.restart(timeout=1)

    def told() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = view.ask("/events")[1]
        ours = [each["Action"] for each in events if each["id"] == view.ours]
        return events if ours[-2:] == ["die", "start"] else []

    events = eventually(told)
    assert view.foreign not in {each["id"] for each in events}
    for each in events:
        assert set(each) <= {"id", "Action", "timeNano", "Labels", "exitCode"}
        assert set(each["Labels"]) == {"com.docker.compose.service"}


def test_events_come_at_once_and_do_not_keep_the_line_open(view: View):
    assert view.ask("/events")[0] == 200  # to its end, or asking would time out


# ---- What it does not tell ------------------------------------------------------------------


def refused(view: View, path: str, method: str = "GET", body: str | None = None) -> None:
    status, told = view.ask(path, method, body)
    assert status in (400, 403, 404, 405, 414), f"{method} {path}: {told}"
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/info",
        "/containers",
        "/containers/{id}",
        "/containers/{id}/json",
        "/containers/{id}/logs?stdout=1",
        "/containers/{id}/top",
        "/containers/{id}/changes",
        "/containers/{id}/export",
        "/containers/{id}/archive?path=/etc/passwd",
        "/containers/{id}/attach/ws",
        "/containers/{id}/stats/",
        "/containers/{id}/stats/../json",
        "/exec/{id}/json",
        "/images/json",
        "/images/foundry-chat/docker-view:0.1.0/json",
        "/networks",
        "/volumes",
        "/secrets",
        "/configs",
        "/system/df",
        "/swarm",
        "/plugins",
        "/session",
        "/docker/containers/{id}/json",
        "/docker/info",
    ],
)
def test_refuses_every_other_question(view: View, path: str):
    refused(view, path.format(id=view.ours))


@pytest.mark.parametrize(
    "path",
    [
        "//containers/{id}/json",
        "/v1.45/containers/{id}/json",
        "/v1.45/containers/json",
        "/containers/json/../{id}/json",
        "/containers/%2e%2e/containers/{id}/json",
        "/containers/json%2f..%2f{id}%2fjson",
        "/containers/{id}/stats/%2e%2e/json",
        "/containers/{id}%2fjson%3f/stats",
        "/containers/{id}/json%00/stats",
        "/containers/{id}/json?/stats",
        "/containers/{id}/json#/stats",
        "/containers/{id}%0d%0aGET%20/containers/{id}/json/stats",
        "/./docker/containers/{id}/json",
        "/%64ocker/containers/{id}/json",
        "/containers/../docker/containers/{id}/json",
        "/_ping/../containers/{id}/json",
        "/events/../containers/{id}/json",
        "http://docker/containers/{id}/json",
    ],
)
def test_refuses_paths_that_pretend(view: View, path: str):
    refused(view, path.format(id=view.ours))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/containers/json", "/_ping", "/containers/{id}/stats"])
def test_only_reads(view: View, method: str, path: str):
    refused(view, path.format(id=view.ours), method)


@pytest.mark.parametrize(
    "path",
    ["/containers/{id}/kill", "/containers/{id}/exec", "/containers/create", "/containers/prune"],
)
def test_does_nothing_to_a_container(view: View, path: str):
    refused(view, path.format(id=view.ours), "POST", '{"Image": "x", "Cmd": ["env"]}')
    view.our_container.reload()
    assert view.our_container.status == "running"


def test_a_caller_cannot_replace_the_filters(view: View):
    everything = "all=1&filters=%7B%7D&label=x&size=1"
    ids = {each["Id"] for each in view.ask(f"/containers/json?{everything}")[1]}
    assert view.foreign not in ids
    since = "since=0&until=4000000000&filters=%7B%22type%22%3A%5B%22image%22%5D%7D"
    told = {each["id"] for each in view.ask(f"/events?{since}")[1]}
    assert view.foreign not in told
    status, stats = view.ask(f"/containers/{view.ours}/stats?stream=true&one-shot=false")
    assert status == 200
    assert "memory_stats" in stats, "one answer, not a stream of them"


def test_a_body_goes_nowhere(view: View):
    status, told = view.ask("/version", body='{"filters": {}}')
    assert (status, set(told)) == (200, {"Version", "ApiVersion"})


def test_a_container_of_another_project_is_not_measured(view: View):
    status, told = view.ask(f"/containers/{view.foreign}/stats")
    assert status == 404
    assert told == {"message": "No container of this project has this id."}


@pytest.mark.parametrize("name", ["short id", "name", "unknown id"])
def test_a_container_goes_by_its_whole_id(view: View, name: str):
    given = {
        "short id": view.ours[:12],
        "name": view.our_container.name,
        "unknown id": "0" * 64,
    }
    refused(view, f"/containers/{given[name]}/stats")


# ---- In its container -----------------------------------------------------------------------


def test_is_off_unless_asked_for():
    written = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["docker-view"]
    assert written["profiles"] == ["containers"]
    assert written["networks"] == ["private"], "no way out, and no published port"
    assert "ports" not in written
    (mount,) = written["volumes"]
    assert (mount["target"], mount["read_only"]) == ("/run/docker.sock", True)


def test_runs_hardened(view: View):
    container = engine.container(PROJECT, "docker-view").attrs
    host = container["HostConfig"]
    assert container["Config"]["User"] == "10001:10001"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["GroupAdd"] == [str(SOCKET.stat().st_gid)]
    assert host["Memory"] == 64 * 2**20
    assert container["State"]["Health"]["Status"] == "healthy"


def test_says_what_to_do_where_the_socket_may_not_be_opened(view: View):
    started = engine.client().containers.run(
        IMAGE,
        detach=True,
        init=True,
        user="10001:10001",
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},
        environment={"COMPOSE_PROJECT_NAME": PROJECT},
        network_mode="none",
        volumes=[f"{SOCKET}:/run/docker.sock"],
    )
    ask = ("curl", "--silent", "--max-time", "5", "http://127.0.0.1:8080/containers/json")
    try:
        answer = json.loads(eventually(lambda: engine.run_in(started, *ask).stdout))
    finally:
        started.remove(force=True)
    assert "DOCKER_GID" in answer["message"]
    assert "stat -c %g /var/run/docker.sock" in answer["message"]


# ---- What the prober makes of it ------------------------------------------------------------


async def test_the_prober_sees_state_memory_and_restarts(view: View):
    reader = ContainerView(f"http://127.0.0.1:{view.port}")

    async def gateway() -> ContainerState:
        states = await reader.read(session)
        assert states.error is None
        found = {each.service: each for each in states.items}
        assert set(found) == {"docker-view", "gateway"}
        assert found["docker-view"].health == "healthy"
        return found["gateway"]

    async with aiohttp.ClientSession() as session:
        before = await gateway()
        assert before.running
        assert before.memory_limit_bytes == 64 * 2**20
        assert before.memory_bytes is not None
        assert 0 < before.memory_bytes < 64 * 2**20
        assert before.cpu_seconds is not None
        view.our_container.kill()
        view.our_container.wait()
        dead = await gateway()
        assert (dead.running, dead.state, dead.exit_code) == (False, "exited", 137)
        view.our_container.start()
        after = await gateway()
        assert after.running
        assert after.restarts == before.restarts + 1


def test_the_status_and_the_metrics_of_the_prober_show_the_containers(view: View):
    nowhere = "http://127.0.0.1:9"
    with start_healthcheck(
        FOUNDRY_URL=nowhere,
        GATEWAY_URL=nowhere,
        HEALTHCHECK_INTERVAL="1",
        DOCKER_VIEW_URL=f"http://127.0.0.1:{view.port}",
    ) as prober:
        status = prober.wait_until(
            lambda status: status["containers"]["items"], "the containers are known"
        )
        assert status["containers"]["enabled"] is True
        assert status["containers"]["error"] is None
        shown = {each["service"]: each for each in status["containers"]["items"]}
        assert shown["gateway"]["memory_limit_bytes"] == 64 * 2**20
        limit = "foundry_healthcheck_container_memory_limit_bytes"
        assert prober.metric(limit, service="gateway") == 64 * 2**20
        assert prober.metric("foundry_healthcheck_container_running", service="gateway") == 1
