"""What the edge makes of its settings at its start, and that nginx then always starts."""

import ipaddress
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from foundry_common import values
from support.edge import OWN_KERNEL, ROUTES, SOURCE, nginx_program

SCRIPT = SOURCE / "render.sh"
NAME = r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+"
PORT = r"(?::\d{1,5})?\z"
NEVER = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def render(
    folder: Path, *command: str, routes: str = ROUTES, kernel: str = OWN_KERNEL, **given: str
) -> subprocess.CompletedProcess[str]:
    (folder / "routes").write_text(routes)
    (folder / "kernel").write_text(kernel)
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "EDGE_RUNTIME": str(folder),
        "EDGE_ROUTES": str(folder / "routes"),
        "EDGE_KERNEL": str(folder / "kernel"),
        **given,
    }
    run = ["sh", str(SCRIPT), *(command or ("echo", "the server"))]
    return subprocess.run(run, env=environment, capture_output=True, text=True, check=False)


def check(folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Have nginx read the configuration as it would at its start."""
    # Only the master may need what a check cannot have: the standard output as a log.
    test = (nginx_program(), "-t", "-q", "-e", "stderr", "-p", str(folder), "-c", "nginx.conf")
    return render(folder, *test, **given)


# ---- ALLOWED_HOSTS -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "patterns"),
    [
        ("", []),
        ("chat.example.lan", [rf"chat\.example\.lan{PORT}"]),
        (
            " chat.example.lan, .home.arpa ",
            [rf"chat\.example\.lan{PORT}", rf"{NAME}home\.arpa{PORT}"],
        ),
        ("my_box", [rf"my_box{PORT}"]),
        ("Box.LAN,box.lan,,box.lan", [rf"box\.lan{PORT}"]),
    ],
)
def test_allowed_hosts_become_lines_of_a_map(tmp_path: Path, allowed: str, patterns: list[str]):
    done = render(tmp_path, ALLOWED_HOSTS=allowed)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "allowed-hosts.map").read_text().splitlines()
    assert lines == [f'"~*^{pattern}" 1;' for pattern in patterns]
    assert done.stdout == "the server\n", "then it becomes its command"


@pytest.mark.parametrize(
    "allowed",
    [
        *("localhost", "LOCALHOST,localhost", ".localhost", "example.com,.example.com", "a,A,.a"),
        *("10.0.0.5", "_", "a" * 63, ".".join(["a" * 63] * 3), "x-y.z_0,.x-y.z_0", ",,"),
    ],
)
def test_names_of_this_machine_repeats_and_overlaps_are_harmless(tmp_path: Path, allowed: str):
    done = check(tmp_path, ALLOWED_HOSTS=allowed)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "allowed",
    [
        *("http://chat.lan", "chat.lan:8080", "~.*", "a;include x", "*", "*.lan", "a..b", "..a"),
        *(
            "a.",
            "-x",
            "x-",
            "a.-b",
            "a-.b",
            ".",
            "two words",
            "a\nb",
            'a"b',
            "a{b",
            "$host",
            "a\\b",
        ),
        *("a" * 64, ".".join(["a" * 63] * 4) + ".a", "[::1]", "ä.lan", "a,b c", "a'b", "`a`"),
    ],
)
def test_what_is_no_host_name_is_refused_by_name(tmp_path: Path, allowed: str):
    done = render(tmp_path, ALLOWED_HOSTS=allowed)
    assert done.returncode == 1
    assert "ALLOWED_HOSTS" in done.stderr
    assert done.stdout == ""


@NEVER
@given(st.lists(st.text(alphabet="aB0-_. \n\"';${}~*,:", max_size=12), max_size=4))
def test_whatever_is_written_either_nginx_starts_or_words_say_why_not(
    tmp_path: Path, written: list[str]
):
    allowed = ",".join(written)
    done = check(tmp_path, ALLOWED_HOSTS=allowed)
    assert (done.returncode == 0) == is_taken(values.host_names, allowed), done.stderr
    assert done.returncode == 0 or done.stderr.startswith("ALLOWED_HOSTS: ")


def is_taken(rule, text: str) -> bool:
    """Whether the Python services take a value that the edge is given."""
    try:
        rule(text)
    except values.ValueRefusedError:
        return False
    return True


# ---- BIND_ADDRESS --------------------------------------------------------------------------------


def clients(folder: Path) -> list[str]:
    return (folder / "clients.geo").read_text().splitlines()


LOCAL_ONLY = ["default 0;", "127.0.0.1 1;", "::1 1;", "127.0.0.3 1;"]


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::0001", " 127.0.0.1 "],
)
def test_a_loopback_address_lets_in_this_machine_and_docker_on_its_behalf(
    tmp_path: Path, address: str
):
    done = check(tmp_path, BIND_ADDRESS=address)
    assert done.returncode == 0, done.stderr
    assert clients(tmp_path) == LOCAL_ONLY


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "192.168.1.20", "::", "[::]", "fd00::1", "10.0.0.1"]
)
def test_any_other_address_lets_everybody_in(tmp_path: Path, address: str):
    done = check(tmp_path, BIND_ADDRESS=address)
    assert done.returncode == 0, done.stderr
    assert clients(tmp_path) == ["default 1;"]


@pytest.mark.parametrize(
    "address",
    [
        *(
            "localhost",
            "127.0.0",
            "127.0.0.1.1",
            "127.0.0.256",
            "127.0.0.01",
            "1:2",
            ":::",
            "::1::",
        ),
        *("0x7f.0.0.1", "2130706433", "12345::", "1:2:3:4:5:6:7:8:9", "::g", "*", "127.0.0.1:80"),
        *("127.0.0.1;", "fe80::1%eth0", "[127.0.0.1", "$x", "127.0.0.1\n127.0.0.1", "::1.2.3"),
    ],
)
def test_what_is_no_ip_address_is_refused_with_what_is_allowed(tmp_path: Path, address: str):
    done = render(tmp_path, BIND_ADDRESS=address)
    assert done.returncode == 1, clients(tmp_path)
    assert done.stderr.startswith("BIND_ADDRESS: expected an IP address: 127.0.0.1")
    assert "0.0.0.0" in done.stderr
    assert done.stdout == ""


@NEVER
@given(
    st.one_of(
        st.ip_addresses().map(str),
        st.ip_addresses(v=6).map(lambda one: f"[{one.exploded}]"),
        st.text(alphabet="0127.:af[]", max_size=12),
    )
)
@example(address="224.0.0.0")
@example(address="239.255.255.255")
@example(address="240.0.0.1")
@example(address="[ff02::1]")
@example(address="[00ff::1]")
@example(address="[fe80::1]")
@example(address="[::ffff:224.0.0.1]")
@example(address="[::ffff:127.0.0.1]")
@example(address="[::ffff:0ef.1.2.3]")
@example(address="[::ffff:e1.2.3.4]")
@example(address="[::")
@example(address="::]")
@example(address="[]")
@example(address="[[::1]]")
def test_the_edge_and_the_services_agree_on_what_an_address_is(tmp_path: Path, address: str):
    done = render(tmp_path, BIND_ADDRESS=address)
    if not address.strip():
        return
    assert (done.returncode == 0) == is_taken(values.bind_address, address), address
    if done.returncode == 0:
        bare = ipaddress.ip_address(address.strip("[]"))
        mapped = getattr(bare, "ipv4_mapped", None) or bare
        assert (clients(tmp_path)[0] == "default 0;") == mapped.is_loopback, address


@pytest.mark.parametrize(
    "kernel",
    [
        "Linux version 6.10.14-linuxkit (root@buildkitsandbox)",
        "Linux version 5.15.153.1-microsoft-standard-WSL2 (root@941d701f84f1)",
        "Linux version 6.12.5-orbstack-00287 (orbstack@builder)",
    ],
)
def test_in_a_virtual_machine_of_dockers_nobody_is_a_neighbour(tmp_path: Path, kernel: str):
    assert check(tmp_path, kernel=kernel).returncode == 0
    assert clients(tmp_path) == ["default 1;"]


@pytest.mark.parametrize("routes", ["", ROUTES.replace("0300007F", "00000000")])
def test_without_a_gateway_only_loopback_is_this_machine(tmp_path: Path, routes: str):
    assert check(tmp_path, routes=routes).returncode == 0
    assert clients(tmp_path) == LOCAL_ONLY[:-1]


def test_the_name_server_is_that_of_the_container(tmp_path: Path):
    render(tmp_path)
    line = (tmp_path / "resolver.conf").read_text().splitlines()[0]
    assert line.startswith("resolver ")
    assert "valid=2s" in line
