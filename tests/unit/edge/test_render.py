"""What the edge writes down at its start: host names that are ours, and a name server."""

import subprocess
from pathlib import Path

import pytest

from support.stack import ROOT

SCRIPT = ROOT / "services" / "edge" / "render.sh"


def render(folder: Path, allowed: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "EDGE_RUNTIME": str(folder), "ALLOWED_HOSTS": allowed}
    command = ["sh", str(SCRIPT), "echo", "the server"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("allowed", "lines"),
    [
        ("", []),
        ("chat.example.lan", ["chat.example.lan 1;"]),
        (" chat.example.lan, .home.arpa ", ["chat.example.lan 1;", ".home.arpa 1;"]),
        ("my_box", ["my_box 1;"]),
    ],
)
def test_allowed_hosts_become_lines_of_a_map(tmp_path: Path, allowed: str, lines: list[str]):
    done = render(tmp_path, allowed)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "allowed-hosts.map").read_text().splitlines() == lines
    assert done.stdout == "the server\n", "then it becomes its command"


@pytest.mark.parametrize("allowed", ["http://chat.lan", "chat.lan:8080", "~.*", "a;include x", "*"])
def test_what_is_no_host_name_is_refused_by_name(tmp_path: Path, allowed: str):
    done = render(tmp_path, allowed)
    assert done.returncode == 1
    assert "ALLOWED_HOSTS" in done.stderr
    assert done.stdout == ""


def test_the_name_server_is_that_of_the_container(tmp_path: Path):
    render(tmp_path, "")
    line = (tmp_path / "resolver.conf").read_text().splitlines()[0]
    assert line.startswith("resolver ")
    assert "valid=2s" in line
