"""Which kind of Docker answers, by what it says of itself, and ports that nobody is seen to hold.

The texts are shaped as these programs print them: `docker version` and `docker info` of Docker
Engine 26 and of podman-docker 4, `netsh` of Windows 11, `systemctl` of systemd 252.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib import docker, foundry, kinds
from lib.commands import up
from lib.console import StepFailedError
from lib.doctor import engine, ports, runtime
from lib.doctor.local import Sighting
from lib.doctor.results import Result
from lib.doctor.scene import Scene
from lib.doctor.shell import Said
from lib.holders import Unseen
from lib.settings import Settings

CLIENT = "Docker version 26.1.5+dfsg1, build a72d7cd\n"
SERVER = {
    "Version": "26.1.5",
    "Os": "linux",
    "Components": [{"Name": "Engine", "Version": "26.1.5"}, {"Name": "containerd"}],
}
PODMAN_SERVER = {"Version": "4.9.3", "Components": [{"Name": "Podman Engine", "Version": "4.9.3"}]}
INFO: dict[str, Any] = {
    "OSType": "linux",
    "OperatingSystem": "Debian GNU/Linux 13 (trixie)",
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
}
SNAP = {**INFO, "DockerRootDir": "/var/snap/docker/common/var-lib-docker"}
ROOTLESS = {**INFO, "SecurityOptions": [*INFO["SecurityOptions"], "name=rootless"]}
SOCKET = "unix:///var/run/docker.sock"
CHECKOUT = Path("/home/ann/foundry-chat")


@pytest.mark.parametrize(
    ("client", "server", "info", "endpoint", "root", "says"),
    [
        (CLIENT, SERVER, INFO, SOCKET, CHECKOUT, ""),
        (CLIENT, {}, {}, "", CHECKOUT, ""),
        ("", {}, {}, "", CHECKOUT, ""),
        (CLIENT, {"Components": None}, {"SecurityOptions": None}, SOCKET, CHECKOUT, ""),
        (CLIENT, SERVER, ROOTLESS, "unix:///run/user/1000/docker.sock", CHECKOUT, ""),
        (CLIENT, SERVER, INFO, "npipe:////./pipe/dockerDesktopLinuxEngine", CHECKOUT, ""),
        (CLIENT, SERVER, INFO, "tcp://127.0.0.1:2375", CHECKOUT, ""),
        (CLIENT, SERVER, INFO, "tcp://localhost:2375", CHECKOUT, ""),
        ("podman version 4.9.3\n", {}, {}, "", CHECKOUT, "is Podman"),
        (CLIENT, PODMAN_SERVER, INFO, "unix:///run/podman/podman.sock", CHECKOUT, "is Podman"),
        (CLIENT, SERVER, INFO, "ssh://ann@server", CHECKOUT, "another machine (ssh://ann@server)"),
        (CLIENT, SERVER, INFO, "tcp://10.0.0.5:2376", CHECKOUT, "another machine"),
        (CLIENT, SERVER, INFO, "tcp://127.0.0.1.example:1", CHECKOUT, "another machine"),
        (CLIENT, {}, {}, "ssh://ann@server", CHECKOUT, "another machine"),
        (CLIENT, SERVER, {**INFO, "OSType": "windows"}, SOCKET, CHECKOUT, "Windows containers"),
        (CLIENT, SERVER, SNAP, SOCKET, CHECKOUT, ""),
        (CLIENT, SERVER, SNAP, SOCKET, Path("/srv/foundry-chat"), "comes from Snap"),
        (CLIENT, SERVER, SNAP, SOCKET, Path("/home/ann/.src/chat"), "comes from Snap"),
    ],
)
def test_a_docker_that_this_stack_cannot_use_is_told_apart(
    *,
    client: str,
    server: dict[str, Any],
    info: dict[str, Any],
    endpoint: str,
    root: Path,
    says: str,
) -> None:
    found = kinds.obstacle(client, server, info, endpoint, root)
    if not says:
        assert found is None
        return
    assert found is not None
    assert says in found.problem
    assert found.remedy


@pytest.mark.parametrize(
    ("info", "rootless"), [(ROOTLESS, True), (INFO, False), ({}, False), (SNAP, False)]
)
def test_rootless_is_seen(info: dict[str, Any], rootless: bool) -> None:  # noqa: FBT001
    assert kinds.is_rootless(info) is rootless


@pytest.mark.parametrize(
    ("kernel", "wsl"),
    [
        ("Linux version 5.15.167.4-microsoft-standard-WSL2 (root@x) (gcc) #1 SMP", True),
        ("Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc)", True),
        ("Linux version 6.12.48+deb13-amd64 (debian-kernel@lists.debian.org)", False),
        ("", False),
    ],
)
def test_windows_linux_is_told_by_its_kernel(kernel: str, wsl: bool) -> None:  # noqa: FBT001
    assert kinds.is_wsl(kernel) is wsl


NETSH = """
Ausgeschlossene Portbereiche des Protokolls "tcp"

Startport      Endport
----------    --------
      2955        3054
      5357        5357
     50000       50059     *

* - Verwaltete Portausschlüsse.
"""


@pytest.mark.parametrize(
    ("port", "reserved"),
    [(2954, False), (2955, True), (3000, True), (3054, True), (3055, False), (5357, True)],
)
def test_ports_that_windows_reserves_are_read_in_any_language(
    port: int,
    reserved: bool,  # noqa: FBT001
) -> None:
    assert kinds.is_reserved(NETSH, port) is reserved
    assert not kinds.is_reserved("", port)


SOCKETS = json.dumps(
    [
        {"listen": "/run/docker.sock", "unit": "docker.socket", "activates": "docker.service"},
        {"listen": "[::]:9090", "unit": "cockpit.socket", "activates": "cockpit.service"},
        {"listen": "0.0.0.0:19090", "unit": "other.socket", "activates": "other.service"},
    ]
)


@pytest.mark.parametrize(
    ("listing", "unit"),
    [(SOCKETS, "cockpit.socket"), ("[]", ""), ("", ""), ("{}", ""), ("0 sockets listed.", "")],
)
def test_the_socket_unit_behind_a_port_is_named(listing: str, unit: str) -> None:
    assert kinds.socket_unit(listing, 9090) == unit


@pytest.mark.parametrize(
    ("compose", "buildx"),
    [
        ("2.24.0", (0, 12, 0)),
        ("v2.40.3-desktop.1", (0, 12, 0)),
        ("5.0.0", (0, 17, 0)),
        ("v5.1.2", (0, 17, 0)),
        ("", (0, 12, 0)),
    ],
)
def test_the_buildx_that_compose_needs(compose: str, buildx: tuple[int, ...]) -> None:
    assert docker.oldest_buildx(compose) == buildx


# ---- What the doctor and up.py say ---------------------------------------------------------------


def scene(tmp_path: Path, info: dict[str, Any], server: dict[str, Any] | None = None) -> Scene:
    here = Scene(Settings({}, tmp_path / ".env"))
    here.remembered("docker_version", lambda: Said(0, json.dumps(server or SERVER)))
    here.remembered("docker_info", lambda: info)
    here.remembered("containers", list)
    here.remembered("is_started", bool)
    return here


def test_the_doctor_names_podman_before_it_speaks_of_starting_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda _: "/usr/bin/docker")
    monkeypatch.setattr(engine, "ask", lambda *_: Said(0, "podman version 4.9.3\n"))
    monkeypatch.setattr(docker, "endpoint", lambda: "")
    found = engine.check_docker(scene(tmp_path, {}))
    assert found.state == "failed"
    assert "Podman" in found.message
    assert "Install Docker Engine" in str(found.remedy)


def test_up_refuses_podman_before_it_looks_for_missing_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(docker, "answer", lambda *_: "podman version 4.9.3")
    with pytest.raises(StepFailedError, match="Podman"):
        docker.ensure_engine(install=False)


def test_a_rootless_engine_does_not_reach_foundry_local_on_this_machine(tmp_path: Path) -> None:
    one = Sighting("http://host.docker.internal:51211", "127.0.0.1", 51211, "v2")
    found = runtime._out_of_reach(scene(tmp_path, ROOTLESS), one, {})
    assert found.state == "failed"
    assert "rootless" in found.message
    assert "--embedded" in str(found.remedy)


@pytest.mark.parametrize(
    ("system", "state"), [("Docker Desktop", "ok"), ("Ubuntu 24.04.1 LTS", "failed")]
)
def test_foundry_local_on_windows_is_found_from_wsl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, state: str
) -> None:
    monkeypatch.setattr(foundry, "is_wsl", lambda: True)
    monkeypatch.setattr(foundry, "runs_on_windows", lambda _: True)
    url = "http://host.docker.internal:51211"
    here = scene(tmp_path, {**INFO, "OperatingSystem": system})
    here.remembered("sightings", lambda: [Sighting(url, "127.0.0.1", 51211, problem="refused")])
    here.remembered("elsewhere", list)
    found = runtime.check_foundry(here)
    assert isinstance(found, Result)
    assert (found.state, "on Windows" in found.message) == (state, True)


def test_up_uses_foundry_local_on_windows_from_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundry, "candidates", list)
    monkeypatch.setattr(foundry, "is_wsl", lambda: True)
    monkeypatch.setattr(foundry, "runs_on_windows", lambda _: True)
    assert foundry.find(in_virtual_machine=True).reachable
    inside = foundry.find(in_virtual_machine=False)
    assert (inside.port, inside.reachable) == (51211, False)
    assert "Docker Desktop" in inside.remedy


def test_a_port_that_systemd_holds_is_told_with_its_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Unseen("held by systemd for cockpit.socket", "Run `systemctl disable cockpit.socket`")
    monkeypatch.setattr(ports.holders, "unseen", lambda _: held)
    monkeypatch.setattr(ports, "is_free", lambda *_: False)
    monkeypatch.setattr(ports, "_is_ours", lambda *_: False)
    here = scene(tmp_path, INFO)
    here.remembered("published", dict)
    here.remembered("listeners", list)
    part = next(one for one in ports.PARTS if one.name == "prometheus")
    found = ports._taken(here, "127.0.0.1", part)
    assert found is not None
    assert found.message.endswith("is held by systemd for cockpit.socket")
    assert str(found.remedy).startswith("Run `systemctl disable cockpit.socket`, or set PROMETHEUS")


@pytest.mark.parametrize(("system", "told"), [("Docker Desktop", True), ("Ubuntu 24.04", False)])
def test_from_wsl_a_port_that_windows_keeps_is_told_where_docker_desktop_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, *, told: bool
) -> None:
    """In WSL itself it is free; only Docker Desktop, which publishes on Windows, cannot have it."""
    monkeypatch.setattr(foundry, "is_wsl", lambda: True)
    monkeypatch.setattr(docker, "runs_in_virtual_machine", lambda: told)
    monkeypatch.setattr(docker, "published_ports", dict)
    monkeypatch.setattr(ports.holders, "_reserved_ranges", lambda: "  9000   9100  *\n")
    monkeypatch.setattr(ports, "is_free", lambda *_: True)
    monkeypatch.setattr(up, "is_free", lambda *_: True)
    monkeypatch.setattr(ports, "_is_ours", lambda *_: False)
    here = scene(tmp_path, {**INFO, "OperatingSystem": system})
    here.remembered("published", dict)
    here.remembered("listeners", list)
    found = [ports._taken(here, "127.0.0.1", one) for one in ports.PARTS]
    named = [one.message for one in found if one is not None]
    assert ["reserved by Windows" in one for one in named] == ([True] if told else [])
    if told:
        with pytest.raises(StepFailedError, match=r"Port 9090 .* is reserved by Windows"):
            up.check_ports(here.settings)
    else:
        up.check_ports(here.settings)
