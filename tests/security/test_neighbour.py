"""A machine beside this one, with a route to the containers, gets nothing from loopback ports.

The neighbour is a network namespace: it has an address of its own, and reaches the containers'
network through this machine as another machine on the same network would.
"""

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from support.edge import SERVICES
from support.stack import PROJECT, RunningStack, get

NAME = "fc-neighbour"
HERE, THERE = "203.0.113.1", "203.0.113.2"
"""Addresses for documentation (RFC 5737): nobody else's."""
SETTINGS = {
    "chainlit": "CHAINLIT_PORT",
    "open-webui": "OPEN_WEBUI_PORT",
    "webgpu-static": "WEBGPU_PORT",
    "healthcheck": "HEALTHCHECK_PORT",
    "prometheus": "PROMETHEUS_PORT",
    "grafana": "GRAFANA_PORT",
    "gateway": "GATEWAY_PORT",
}
ANSWERS = {"open-webui": "/ready", "prometheus": "/-/ready", "gateway": "/health"}

Ask = Callable[[str], tuple[int, str]]


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the system's."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done


@pytest.fixture(scope="module")
def address(stack: RunningStack) -> str:
    """The edge's own address on the network that its ports are published from."""
    networks = stack.inspect("edge")["NetworkSettings"]["Networks"]
    found: str = networks[f"{PROJECT}_published"]["IPAddress"]
    return found


@pytest.fixture(scope="module")
def neighbour(address: str) -> Iterator[Ask]:
    """A machine that routes to the edge; yields how it asks, which returns status and body."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    forwards = ("-s", THERE, "-d", address, "-j", "ACCEPT")
    returns = ("-s", address, "-d", THERE, "-j", "ACCEPT")
    run("ip", "link", "delete", f"{NAME}0", check=False)
    run("ip", "netns", "delete", NAME, check=False)
    try:
        run("ip", "netns", "add", NAME)
        run("ip", "link", "add", f"{NAME}0", "type", "veth", "peer", "name", "eth0", "netns", NAME)
        run("ip", "address", "add", f"{HERE}/30", "dev", f"{NAME}0")
        run("ip", "link", "set", f"{NAME}0", "up")
        inside = ("ip", "netns", "exec", NAME)
        run(*inside, "ip", "address", "add", f"{THERE}/30", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", HERE)
        # Docker Engine 28 and later drops this by itself; what is tested is the edge's own word.
        for rule in (forwards, returns):
            run("iptables", "-I", "DOCKER-USER", *rule)

        def ask(url: str) -> tuple[int, str]:
            curl = ("curl", "-sS", "--max-time", "10", "-w", "\n%{http_code}", url)
            done = run(*inside, *curl)
            body, _, status = done.stdout.rpartition("\n")
            return int(status), body

        yield ask
    finally:
        for rule in (forwards, returns):
            run("iptables", "-D", "DOCKER-USER", *rule, check=False)
        run("ip", "link", "delete", f"{NAME}0", check=False)
        run("ip", "netns", "delete", NAME, check=False)


@pytest.mark.parametrize("service", SERVICES)
def test_a_neighbour_is_refused_on_every_port(
    stack: RunningStack, neighbour: Ask, address: str, service: str
):
    port, path = SERVICES[service], ANSWERS.get(service, "/")
    status, body = neighbour(f"http://{address}:{port}{path}")
    assert status == 403
    assert "BIND_ADDRESS" in body
    here = get(f"http://127.0.0.1:{stack.environment[SETTINGS[service]]}{path}")
    # Grafana cannot be built without a registry; then the edge says so itself.
    assert here.status == 200 or (service, here.status) == ("grafana", 404)


def test_a_neighbour_gets_no_chat_without_a_key(neighbour: Ask, address: str):
    status, body = neighbour(f"http://{address}:{SERVICES['webgpu-static']}/v1/models")
    assert status == 403
    assert '"code":"not_local"' in body


def test_a_container_beside_the_edge_is_no_caller_of_its(stack: RunningStack):
    ask = (
        "import urllib.request as u, urllib.error as e\n"
        "try: print(u.urlopen('http://edge:8000/health', timeout=5).status)\n"
        "except e.HTTPError as error: print(error.code, error.read().decode())"
    )
    done = stack.run_in("chainlit", "python3", "-c", ask)
    assert done.stdout.startswith("403 "), done
    assert "not_local" in done.stdout
