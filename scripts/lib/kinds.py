"""Which kind of Docker answers, where it has to be told apart: Podman, remote, Snap, rootless, WSL.

Everything here judges what was told; asking is left to the callers.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from lib.console import StepFailedError

INSTALL = "https://docs.docker.com/engine/install/"
WITHIN_THE_MACHINE = ("unix://", "npipe://", "fd://")
LOOPBACK = re.compile(r"tcp://(127\.[\d.]+|localhost|\[::1\])(:\d+)?/?$")
SNAP_ROOTS = ("/var/snap/", "/snap/")
ROOTLESS = (
    "Docker runs rootless here, so its containers do not reach this machine's own addresses. Let "
    "the stack run Foundry Local itself: {up} --embedded   (your own models: EMBEDDED_MODELS_DIR)"
)


def obstacle(
    client: str, server: Mapping[str, Any], info: Mapping[str, Any], endpoint: str, root: Path
) -> StepFailedError | None:
    """Why this stack cannot run on this Docker, and what to do about it; None where it can.

    Args:
        client: what `docker --version` says.
        server: `docker version --format '{{json .Server}}'`, read; empty if there is none.
        info: `docker info --format '{{json .}}'`, read; empty if there is none.
        endpoint: where the client finds its engine, as in DOCKER_HOST or the chosen context.
        root: this checkout.
    """
    if is_podman(client, server):
        return StepFailedError(
            "What answers as `docker` is Podman, which this stack does not run on: it reads "
            "Dockerfiles and networks differently.",
            f"Install Docker Engine with Compose and Buildx ({INSTALL}); remove the package "
            "podman-docker, and unset DOCKER_HOST if it names Podman's socket.",
        )
    if is_elsewhere(endpoint):
        return StepFailedError(
            f"Docker's engine is on another machine ({endpoint}), so the stack's ports would open "
            "there and not here.",
            "Run this on that machine; or use this machine's engine: `docker context use default`, "
            "and unset DOCKER_HOST and DOCKER_CONTEXT.",
        )
    if info.get("OSType", "linux") == "windows":
        return StepFailedError(
            "Docker runs Windows containers; this stack is made of Linux containers.",
            "Choose “Switch to Linux containers” in the menu of Docker's icon, or run: "
            '& "$Env:ProgramFiles\\Docker\\Docker\\DockerCli.exe" -SwitchLinuxEngine',
        )
    if is_snap(info) and is_hidden_from_snap(root):
        return StepFailedError(
            f"Docker comes from Snap and cannot read {root}: it sees home folders only, and in "
            "them nothing that begins with a dot.",
            "Move this folder below your home folder, or replace Docker: `sudo snap remove "
            f"docker`, then {INSTALL}",
        )
    return None


def is_podman(client: str, server: Mapping[str, Any]) -> bool:
    """Whether Podman stands in for the client or for the engine."""
    components: Sequence[Mapping[str, Any]] = server.get("Components") or []
    named = (str(one.get("Name", "")) for one in components)
    return client.lower().startswith("podman") or any("podman" in name.lower() for name in named)


def is_elsewhere(endpoint: str) -> bool:
    """Whether an engine's address is that of another machine."""
    return bool(endpoint) and not (
        endpoint.startswith(WITHIN_THE_MACHINE) or LOOPBACK.match(endpoint)
    )


def is_rootless(info: Mapping[str, Any]) -> bool:
    """Whether the engine runs without root, in a network of its own."""
    return any("name=rootless" in str(one) for one in info.get("SecurityOptions") or ())


def is_snap(info: Mapping[str, Any]) -> bool:
    """Whether the engine is the one that Snap installs."""
    return str(info.get("DockerRootDir", "")).startswith(SNAP_ROOTS)


def is_hidden_from_snap(root: Path) -> bool:
    """Whether a folder lies where a program from Snap cannot read."""
    parts = PurePosixPath(root).parts
    return parts[1:2] not in (("home",), ("root",)) or any(one.startswith(".") for one in parts)


def is_wsl(kernel: str) -> bool:
    """Whether a kernel, by the text of /proc/version, is that of Windows' Linux."""
    return "microsoft" in kernel.lower()


def read_object(text: str) -> Mapping[str, Any]:
    """A JSON object; empty if it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


# ---- Ports that nobody is seen to hold -----------------------------------------------------------


def is_reserved(listing: str, port: int) -> bool:
    """Whether Windows keeps a port for itself.

    Args:
        listing: `netsh int ipv4 show excludedportrange protocol=tcp`, in any language: a line for
            each range, its first and last port first.
        port: the port.
    """
    ranges = re.findall(r"(?m)^\s*(\d{1,5})\s+(\d{1,5})\b", listing)
    return any(int(first) <= port <= int(last) for first, last in ranges)


def socket_unit(listing: str, port: int) -> str:
    """The systemd unit that listens on a port for a service that is not started yet; or nothing.

    Args:
        listing: `systemctl list-sockets --all --output=json`.
        port: the port.
    """
    try:
        units = json.loads(listing)
    except ValueError:
        return ""
    for one in units if isinstance(units, list) else ():
        if str(one.get("listen", "")).rpartition(":")[2] == str(port):
            return str(one.get("unit", ""))
    return ""
