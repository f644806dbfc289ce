"""From inside the chat app nothing outside the stack can be reached, whatever its code tries."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from support.stack import PROJECT, RunningStack

# Addresses for documentation (RFC 5737): if there were a route, packets would leave for them.
OUTSIDE = ("192.0.2.1:443", "198.51.100.1:443")
NAMES = ("host.docker.internal:51211", "foundry-local:51211", "foundry-chat.invalid:443")


@pytest.fixture(scope="module")
def port_of_the_host() -> Iterator[int]:
    """A server on every address of this machine, so that there is something to be reached."""
    server = http.server.ThreadingHTTPServer(
        ("0.0.0.0", 0),
        http.server.SimpleHTTPRequestHandler,
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def addresses_of_the_host(stack: RunningStack) -> list[str]:
    """Every address by which a container could know this machine."""
    networks = ["bridge", *(f"{PROJECT}_{name}" for name in ("private", "egress", "published"))]
    listing = stack._run("docker", "network", "inspect", *networks).stdout
    addresses = [entry["Gateway"] for net in json.loads(listing) for entry in net["IPAM"]["Config"]]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect((OUTSIDE[0].partition(":")[0], 9))  # sends nothing, chooses a source address
        addresses.append(own.getsockname()[0])
    assert len(addresses) == 5
    return addresses


def test_the_chat_app_reaches_the_gateway(stack: RunningStack):
    assert stack.reach("chainlit", "gateway:8000") == {"gateway:8000": "reached"}


def test_the_chat_app_reaches_nothing_outside(stack: RunningStack):
    outcome = stack.reach("chainlit", *OUTSIDE, *NAMES)
    assert len(outcome) == len(OUTSIDE + NAMES)
    assert "reached" not in outcome.values(), outcome


def test_the_chat_app_does_not_reach_this_machine_by_any_of_its_addresses(
    stack: RunningStack, addresses_of_the_host: list[str], port_of_the_host: int
):
    targets = [f"{address}:{port_of_the_host}" for address in addresses_of_the_host]
    outcome = stack.reach("chainlit", *targets)
    assert len(outcome) == len(set(targets))
    assert "reached" not in outcome.values(), outcome


def test_the_same_check_sees_what_the_gateway_reaches(
    stack: RunningStack, addresses_of_the_host: list[str], port_of_the_host: int
):
    targets = [f"host.docker.internal:{port_of_the_host}", "foundry-local:51211"]
    targets += [f"{address}:{port_of_the_host}" for address in addresses_of_the_host[:1]]
    assert set(stack.reach("gateway", *targets).values()) == {"reached"}


def test_the_chat_app_has_one_route_and_no_ipv6(stack: RunningStack):
    routes = stack.run_in("chainlit", "cat", "/proc/net/route").stdout.splitlines()[1:]
    assert len(routes) == 1
    assert routes[0].split()[1] != "00000000", "a default route leads out"
    interfaces = stack.run_in("chainlit", "cat", "/proc/net/if_inet6").stdout.splitlines()
    assert {line.split()[-1] for line in interfaces} <= {"lo"}


def test_the_runtime_is_not_on_the_network_of_the_apps(stack: RunningStack):
    networks = stack.inspect("foundry-local")["NetworkSettings"]["Networks"]
    assert set(networks) == {f"{PROJECT}_egress"}


def test_the_edge_cannot_call_out_either(stack: RunningStack):
    for target in OUTSIDE:
        done = stack.run_in("edge", "curl", "-sS", "--max-time", "3", f"http://{target}/")
        assert done.returncode in {7, 28}, done.stderr  # failed to connect, timed out
    named = stack.run_in("edge", "curl", "-sS", "--max-time", "3", "http://foundry-chat.invalid/")
    assert named.returncode == 6  # could not resolve
