"""Who reaches whom: the apps nothing outside, the host no Foundry Local, the edge what it must."""

import http.server
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from support import engine
from support.outside import Outside, outside_machine
from support.stack import PROJECT, RunningStack, eventually

# Addresses for documentation (RFC 5737): if there were a route, packets would leave for them.
OUTSIDE = ("192.0.2.1:443", "198.51.100.1:443")
NETWORKS = ("private", "runtime", "downloads", "egress", "published")
NAMES = ("host.docker.internal:51211", "foundry-local:51211", "foundry-chat.invalid:443")
PORTS_OF_THE_RUNTIME = (51211, 51212)

WITHOUT_A_WAY_OUT = ("chainlit", "open-webui", "webgpu-static", "prometheus", "docker-view")


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
    networks = ["bridge", *(f"{PROJECT}_{name}" for name in NETWORKS)]
    found = [engine.client().networks.get(name).attrs for name in networks]
    addresses = [entry["Gateway"] for network in found for entry in network["IPAM"]["Config"]]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect((OUTSIDE[0].partition(":")[0], 9))  # sends nothing, chooses a source address
        addresses.append(own.getsockname()[0])
    assert len(addresses) == 7
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


@pytest.mark.parametrize("service", WITHOUT_A_WAY_OUT)
def test_has_one_route_and_no_ipv6(stack: RunningStack, service: str):
    routes = stack.run_in(service, "cat", "/proc/net/route").stdout.splitlines()[1:]
    assert len(routes) == 1
    assert routes[0].split()[1] != "00000000", "a default route leads out"
    interfaces = stack.run_in(service, "cat", "/proc/net/if_inet6").stdout.splitlines()
    assert {line.split()[-1] for line in interfaces} <= {"lo"}


# ---- Foundry Local in its container ----------------------------------------------------------


def addresses_of_the_runtime(stack: RunningStack) -> dict[str, str]:
    """Its address by network, without the project's name."""
    networks = stack.inspect("foundry-local")["NetworkSettings"]["Networks"]
    return {name.removeprefix(f"{PROJECT}_"): one["IPAddress"] for name, one in networks.items()}


def listeners(stack: RunningStack, service: str) -> set[tuple[str, int]]:
    """Where the processes of a container listen: addresses and ports."""
    found = set()
    for line in stack.run_in(service, "cat", "/proc/net/tcp").stdout.splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        if state == "0A":
            address, _, port = local.partition(":")
            found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
    return found


def test_the_runtime_is_not_on_the_network_of_the_apps(stack: RunningStack):
    assert set(addresses_of_the_runtime(stack)) == {"runtime", "downloads"}


def test_the_runtime_listens_on_the_network_without_the_host_and_on_loopback(stack: RunningStack):
    its = addresses_of_the_runtime(stack)["runtime"]
    found = listeners(stack, "foundry-local")
    expected = {(host, port) for host in (its, "127.0.0.1") for port in PORTS_OF_THE_RUNTIME}
    assert expected <= found
    assert {host for host, _ in found} == {its, "127.0.0.1", "127.0.0.11"}  # Docker's resolver
    assert len(stack.run_in("foundry-local", "cat", "/proc/net/tcp6").stdout.splitlines()) == 1


def test_from_this_machine_no_address_of_the_runtime_answers(stack: RunningStack):
    for address in addresses_of_the_runtime(stack).values():
        for port in PORTS_OF_THE_RUNTIME:
            with pytest.raises(OSError, match=r"refused|timed out|unreachable|No route"):
                socket.create_connection((address, port), timeout=2).close()
    # The same two ports answer to whom they are for, and the answers arrive.
    targets = [f"foundry-local:{port}" for port in PORTS_OF_THE_RUNTIME]
    for service in ("gateway", "healthcheck"):
        assert set(stack.reach(service, *targets).values()) == {"reached"}
    assert stack.ask("Hello!").status == 200


def test_a_shutdown_sent_from_this_machine_does_not_reach_the_runtime(stack: RunningStack):
    before = stack.inspect("foundry-local")["State"]["StartedAt"]
    for address in addresses_of_the_runtime(stack).values():
        request = urllib.request.Request(f"http://{address}:51211/shutdown", b"", method="POST")
        with pytest.raises(OSError, match=r"refused|timed out|unreachable|No route"):
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=2)
    assert stack.ask("Hello!").status == 200
    assert stack.inspect("foundry-local")["State"]["StartedAt"] == before


def test_the_runtime_is_found_again_after_a_restart_with_another_address(stack: RunningStack):
    network = engine.client().networks.get(f"{PROJECT}_runtime")
    container = stack.container_id("foundry-local")
    before = addresses_of_the_runtime(stack)["runtime"]
    image = stack.inspect("gateway")["Image"]
    stack.compose("stop", "--timeout", "5", "foundry-local")
    other = None
    try:
        network.disconnect(container)
        # Another container takes the address that has become free.
        sleep = ["python", "-c", "import time; time.sleep(600)"]
        how = {"detach": True, "auto_remove": True, "network": network.name}
        other = engine.client().containers.run(image, sleep, **how)
        network.connect(container, aliases=["foundry-local", "foundry-local.runtime"])
        stack.compose("start", "foundry-local")
        after = addresses_of_the_runtime(stack)["runtime"]
        assert after != before
        eventually(lambda: (after, 51211) in listeners(stack, "foundry-local"))
        eventually(lambda: stack.status()["ready"])
        assert stack.ask("Hello!").status == 200
    finally:
        if other:
            other.kill()
        stack.compose("up", "--detach", "--no-build", "--force-recreate", "--wait", "foundry-local")
    eventually(lambda: stack.status()["ready"])


# ---- The edge --------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["edge", "webgpu-static", "docker-view"])
def test_nor_does_any_web_server_call_out(stack: RunningStack, service: str):
    for target in OUTSIDE:
        done = stack.run_in(service, "curl", "-sS", "--max-time", "3", f"http://{target}/")
        assert done.returncode in {7, 28}, done.stderr  # failed to connect, timed out
    named = stack.run_in(service, "curl", "-sS", "--max-time", "3", "http://foundry-chat.invalid/")
    assert named.returncode == 6  # could not resolve


def test_the_edge_alone_reaches_this_machine_on_the_network_of_the_published_ports(
    stack: RunningStack, addresses_of_the_host: list[str], port_of_the_host: int
):
    """What is not prevented: that network has an address of the host, and its ports answer."""
    answered = set()
    for address in addresses_of_the_host:
        url = f"http://{address}:{port_of_the_host}/"
        done = stack.run_in("edge", "curl", "-sS", "-o", "/dev/null", "--max-time", "2", url)
        if done.returncode == 0:
            answered.add(address)
    assert addresses_of_the_host[NETWORKS.index("published") + 1] in answered


@pytest.fixture
def outside() -> Iterator[Outside]:
    """A machine beside this one, which the gateway reaches as it reaches any other."""
    with outside_machine() as machine:
        yield machine


def test_the_edge_gets_no_answer_from_outside_but_could_send_datagrams(
    stack: RunningStack, outside: Outside
):
    """Nothing translates the edge's address, so whoever is outside does not know the way back.

    A machine that has a route to Docker's networks could answer it nevertheless.
    """
    target = f"{outside.address}:{outside.port}"
    assert stack.reach("gateway", target) == {target: "reached"}
    done = stack.run_in("edge", "curl", "-sS", "--max-time", "3", f"http://{target}/")
    assert done.returncode == 28, done.stderr  # timed out

    its = stack.inspect("edge")["NetworkSettings"]["Networks"][f"{PROJECT}_published"]["IPAddress"]
    stack.run_in("edge", "curl", "-sS", "--max-time", "2", f"tftp://{target}/from-the-edge")
    seen = eventually(outside.datagrams, 10)
    assert seen[0]["from"] == its
    assert "from-the-edge" in seen[0]["data"]


@pytest.mark.parametrize("service", ["webgpu-static", "docker-view"])
def test_no_other_web_server_sends_anything_out(
    stack: RunningStack, outside: Outside, service: str
):
    target = f"{outside.address}:{outside.port}"
    for url in (f"http://{target}/", f"tftp://{target}/from-inside"):
        done = stack.run_in(service, "curl", "-sS", "--max-time", "2", url)
        assert done.returncode in {7, 28}, done.stderr  # failed to connect
    assert outside.datagrams() == []
