"""Every container is hardened: as written in compose.yaml, and as Docker runs it."""

import json

import pytest
import yaml

from support.stack import ROOT, RunningStack, eventually

SERVICES = sorted(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])
ONE_SHOTS = {"secrets"}
# No package of Grafana exists: without a registry there is nothing of it to run.
RUNNING = sorted(set(SERVICES) - {"grafana"})
PUBLISHED = {"edge": {8080, 3000, 5173, 3001, 9090, 9180, 8000}}
# Every network but `private`, and who is on it.
ON_NETWORK = {
    "runtime": {"foundry-local", "gateway", "healthcheck"},
    "downloads": {"foundry-local"},
    "egress": {"gateway", "healthcheck"},
    "published": {"edge"},
}
WITHOUT_THE_HOST = {"private", "runtime"}
SEES_DOCKER = "docker-view"


@pytest.fixture(scope="module")
def written(stack: RunningStack) -> dict:
    return json.loads(stack.compose("--profile", "*", "config", "--format", "json"))


@pytest.mark.parametrize("name", SERVICES)
def test_is_written_hardened(written: dict, name: str):
    service = written["services"][name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged", False)
    assert int(service["mem_limit"]) > 0
    assert service["pids_limit"] > 0
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@pytest.mark.parametrize("name", SERVICES)
def test_has_a_fixed_version(written: dict, name: str):
    _, _, tag = written["services"][name]["image"].rpartition(":")
    assert tag
    assert tag[0].isdigit(), "a tag such as `latest` names a different image every month"


@pytest.mark.parametrize("name", SERVICES)
def test_no_registry_is_asked_for_it(written: dict, name: str):
    assert written["services"][name]["build"]
    assert written["services"][name]["pull_policy"] == "never", (
        "whoever has the name could run here"
    )


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOTS))
def test_is_checked_and_restarted(written: dict, name: str):
    service = written["services"][name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_waits_for_what_it_needs_to_be_well(written: dict, name: str):
    for needed, how in written["services"][name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed in ONE_SHOTS else "service_healthy"
        assert how["condition"] == expected


def test_only_the_edge_publishes_and_only_to_this_machine(written: dict):
    published = {
        name: {port["target"] for port in service["ports"]}
        for name, service in written["services"].items()
        if service.get("ports")
    }
    assert published == PUBLISHED
    for port in written["services"]["edge"]["ports"]:
        assert port["host_ip"] == "127.0.0.1"


def test_each_network_has_those_on_it_that_need_it(written: dict):
    assert set(written["networks"]) == {"private", *ON_NETWORK}
    for network, expected in ON_NETWORK.items():
        services = written["services"].items()
        assert {name for name, service in services if network in service.get("networks", {})} == (
            expected
        )


def test_the_host_has_no_address_where_only_services_meet(written: dict):
    hidden = "com.docker.network.bridge.inhibit_ipv4"
    for name, network in written["networks"].items():
        expected = name in WITHOUT_THE_HOST
        assert network.get("internal", False) is expected
        assert (network.get("driver_opts", {}).get(hidden) == "true") is expected


def test_only_the_view_of_docker_sees_its_socket_and_nobody_a_folder_of_the_host(written: dict):
    mounts = {name: service.get("volumes", []) for name, service in written["services"].items()}
    [socket] = mounts.pop(SEES_DOCKER)
    assert (socket["source"], socket["read_only"]) == ("/var/run/docker.sock", True)
    assert written["services"][SEES_DOCKER]["profiles"] == ["containers"]
    assert list(written["services"][SEES_DOCKER]["networks"]) == ["private"]
    assert {mount["type"] for some in mounts.values() for mount in some} == {"volume"}


@pytest.mark.parametrize("name", RUNNING)
def test_is_run_hardened(stack: RunningStack, name: str):
    container = stack.inspect(name)
    host = container["HostConfig"]
    assert container["Config"]["User"] == "10001:10001"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Privileged"] is False
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["LogConfig"]["Config"]["max-size"]


@pytest.mark.parametrize("name", sorted(set(RUNNING) - ONE_SHOTS))
def test_its_processes_hold_no_capability_and_cannot_write_to_the_image(
    stack: RunningStack, name: str
):
    lines = stack.run_in(name, "cat", "/proc/1/status").stdout.splitlines()
    status = {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}
    assert set(status["Uid"]) == {"10001"}
    assert int(status["CapEff"][0], 16) == 0
    assert status["NoNewPrivs"] == ["1"]
    refused = stack.run_in(name, "sh", "-c", "echo x > /usr/written")
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr


@pytest.mark.parametrize("name", sorted(set(RUNNING) - ONE_SHOTS))
def test_says_that_it_is_healthy(stack: RunningStack, name: str):
    # Docker asks every thirty seconds: its word on a service that was away may be old.
    eventually(lambda: stack.inspect(name)["State"]["Health"]["Status"] == "healthy")
