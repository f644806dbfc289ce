"""The Docker engine: found, installed where we may, started where nothing else does, checked."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import debian, kinds
from lib.console import StepFailedError, note, run
from lib.environment import ROOT, hand_over

OLDEST_ENGINE = (25, 0, 5)
"""First with health checks that ask often while starting, and whose internal networks do not
pass name queries out (CVE-2024-29018)."""
OLDEST_COMPOSE = (2, 24, 0)
OLDEST_BUILDX = (0, 12, 0)
OLDEST_BUILDX_FOR_COMPOSE_5 = (0, 17, 0)
"""Compose 5 builds through a newer Buildx only."""
COMPOSE_5 = (5, 0, 0)
START_SECONDS = 60
STOP_SECONDS = 30
ANSWER_SECONDS = 20.0
RECORD = ROOT / ".cache" / "docker-engine.json"
LOG = Path("/var/log/foundry-chat-dockerd.log")


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers.

    Attributes:
        version: of the engine.
        process: the engine, where this very process has started it.
    """

    version: str
    process: "subprocess.Popen[bytes] | None" = None

    def stop_if_started_here(self) -> None:
        """Stop the engine if this process has started it; anything else is left alone."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        RECORD.unlink(missing_ok=True)


def ensure_engine(*, install: bool = True) -> Engine:
    """Have a Docker engine with Compose and Buildx at hand, and running.

    Args:
        install: whether missing parts may be installed.

    Raises:
        StepFailedError: something is missing, stopped or too old and cannot be mended from here.
    """
    refuse_kind({}, {})  # an engine elsewhere, or Podman, is not one to be started
    refuse_frozen()
    lacking = missing_parts()
    if lacking:
        if not install or not can_install():
            raise StepFailedError(f"Missing: {', '.join(lacking)}.", how_to_install())
        note(f"missing: {', '.join(lacking)}; installing from the distribution's packages")
        debian.install_docker(debian.release())
    engine = running_engine() or start_engine()
    server = kinds.read_object(answer("version", "--format", "{{json .Server}}"))
    refuse_kind(server, kinds.read_object(answer("info", "--format", "{{json .}}")))
    require("Docker Engine", engine.version, OLDEST_ENGINE)
    compose = answer("compose", "version", "--short")
    require("Docker Compose", compose, OLDEST_COMPOSE)
    require("Docker Buildx", plugin_version("buildx"), oldest_buildx(compose))
    return engine


def oldest_buildx(compose: str) -> tuple[int, ...]:
    """The oldest Buildx that this version of Compose builds with."""
    return OLDEST_BUILDX_FOR_COMPOSE_5 if version_in(compose) >= COMPOSE_5 else OLDEST_BUILDX


def refuse_kind(server: Mapping[str, Any], info: Mapping[str, Any]) -> None:
    """Refuse a Docker on which this stack cannot run.

    Args:
        server: what the engine says of its version; empty before it is asked.
        info: what it says of itself; empty before it is asked.

    Raises:
        StepFailedError: with what it is, and what to do about it.
    """
    found = kinds.obstacle(answer("--version"), server, info, endpoint(), ROOT)
    if found is not None:
        raise found


def refuse_frozen() -> None:
    """Refuse an engine that takes a question and never answers, as Docker Desktop may come to do.

    Raises:
        StepFailedError: with what wakes it.
    """
    asked = ("version", "--format", "{{.Server.Version}}")
    if shutil.which("docker") and _asked(asked, ANSWER_SECONDS)[0] is None:
        raise StepFailedError(
            f"The Docker engine does not answer (no word within {ANSWER_SECONDS:.0f} s).",
            f"Restart it: {how_to_restart()} Then run this again.",
        )


def endpoint() -> str:
    """Where the docker client finds its engine; DOCKER_HOST wins over a context."""
    told = answer("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return os.environ.get("DOCKER_HOST") or told


def missing_parts() -> list[str]:
    """What of Docker is not on this machine."""
    if shutil.which("docker") is None:
        return ["Docker Engine", "Docker Compose", "Docker Buildx"]
    lacking = []
    if shutil.which("dockerd") is None and not answer("version", "--format", "{{.Server.Version}}"):
        lacking.append("Docker Engine")
    if not answer("compose", "version", "--short"):
        lacking.append("Docker Compose")
    if not plugin_version("buildx"):
        lacking.append("Docker Buildx")
    if lacking == ["Docker Engine"] and (not can_install() or is_desktop_client()):
        return []  # a Docker Desktop that is not running: said when it does not answer
    return lacking


def can_install() -> bool:
    """Whether this machine is one on which Docker can be installed from here."""
    foreign = any(map(debian.package_is_installed, ("docker-ce", "docker-ce-cli")))
    return bool(debian.docker_packages(debian.release())) and debian.is_root() and not foreign


def is_desktop_client() -> bool:
    """Whether the chosen context belongs to Docker Desktop."""
    return "desktop" in answer("context", "show")


def how_to_install() -> str:
    """What a person has to do on this system to get Docker."""
    if sys.platform in {"win32", "darwin"}:
        return (
            "Install Docker Desktop (https://docs.docker.com/desktop/), start it, and run this "
            "again."
        )
    packages = debian.docker_packages(debian.release())
    if packages and not debian.is_root():
        return f"Run this once as root (sudo {sys.executable} scripts/up.py): it installs them."
    return (
        "Install Docker Engine with the Compose and Buildx plugins "
        "(https://docs.docker.com/engine/install/), and run this again."
    )


def answer(*arguments: str) -> str:
    """What the docker client prints for these arguments; nothing when it fails."""
    code, out = _asked(arguments, ANSWER_SECONDS)
    return out if code == 0 else ""


def printed(*arguments: str, seconds: float = ANSWER_SECONDS) -> str:
    """What the docker client prints even if a part of it failed: a container may just have gone."""
    return _asked(arguments, seconds)[1]


def _asked(arguments: Sequence[str], seconds: float) -> tuple[int | None, str]:
    done = _ran(arguments, seconds)
    return (done.returncode, done.stdout.strip()) if done else (None, "")


def _ran(arguments: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[str] | None":
    """The docker client's whole answer; None where there is no client, or no answer in time."""
    try:
        return subprocess.run(
            ["docker", *arguments],
            cwd=ROOT,  # where COMPOSE_FILE and COMPOSE_ENV_FILES lead from
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def plugin_version(name: str) -> str:
    """The version of a plugin of the docker client; nothing where it is not installed.

    Needs no engine. Buildx prints its own version for people only.
    """
    try:
        plugins = json.loads(answer("info", "--format", "{{json .ClientInfo.Plugins}}") or "[]")
        found = (one["Version"] for one in plugins or () if one["Name"] == name)
        return str(next(found, ""))
    except (ValueError, KeyError, TypeError):
        return ""


def published_ports(seconds: float = ANSWER_SECONDS) -> dict[int, str]:
    """The ports that running containers hold on this machine; none while no engine answers.

    Asked as JSON: the listing for people writes neighbouring ports as a range.

    Args:
        seconds: how long each of two questions may take.

    Returns:
        For each port the Compose project of its container, or the container's own name.
    """
    listed = printed("ps", "--quiet", "--no-trunc", seconds=seconds).split()
    told = printed("container", "inspect", *listed, seconds=seconds) if listed else ""
    return ports_in(told)


def ports_in(inspected: str) -> dict[int, str]:
    """Read the published ports, with their owners, out of `docker container inspect`.

    Args:
        inspected: its output, a JSON list of containers.
    """
    try:
        containers = json.loads(inspected or "[]")
    except ValueError:
        return {}
    return {
        int(binding["HostPort"]): _owner(container)
        for container in containers
        for bindings in (container["NetworkSettings"].get("Ports") or {}).values()
        for binding in bindings or ()
        if binding["HostPort"].isdecimal()
    }


def _owner(container: Mapping[str, Any]) -> str:
    labels = container["Config"].get("Labels") or {}
    project = labels.get("com.docker.compose.project")
    return str(project or container["Name"].removeprefix("/"))


def running_engine() -> Engine | None:
    """The engine that answers now, if one does."""
    version = answer("version", "--format", "{{.Server.Version}}")
    return Engine(version) if version else None


def start_engine() -> Engine:
    """Start the installed engine: by systemd where it runs, else as a process of its own.

    Raises:
        StepFailedError: it cannot be started from here, or does not answer in time.
    """
    said = complaint()
    here = shutil.which("dockerd") is not None and "DOCKER_HOST" not in os.environ
    if not here or not debian.is_root() or "permission denied" in said:
        raise why_silent(said)
    if debian.has_systemd():
        run(["systemctl", "start", "docker"], remedy="See `journalctl -u docker`.", quiet=True)
        return wait_for_engine(None)
    return wait_for_engine(launch())


def why_silent(said: str) -> StepFailedError:
    """Why an installed engine does not answer, and what a person does about it here.

    The complaint is the one text for people that is read here: Docker gives it no other form.

    Args:
        said: the docker client's complaint.
    """
    if "permission denied" in said.lower():
        return StepFailedError(
            "The Docker engine refuses this user (permission denied on its socket).",
            "Run `sudo usermod -aG docker $USER`, sign in again, and run this again.",
        )
    elsewhere = os.environ.get("DOCKER_HOST", "")
    if elsewhere:
        return StepFailedError(
            f"No Docker engine answers at DOCKER_HOST={elsewhere}.",
            "Start the engine there, or unset DOCKER_HOST to use this machine's, and run this "
            "again.",
        )
    if shutil.which("dockerd") is None or is_desktop_client():
        return StepFailedError(
            "The Docker engine does not answer.", "Start Docker Desktop, and run this again."
        )
    start = "systemctl start docker" if debian.has_systemd() else "python3 scripts/up.py"
    start = start if debian.is_root() else f"sudo {start}"
    return StepFailedError(
        "The Docker engine is not running.", f"Start it with `{start}`, and run this again."
    )


def how_to_restart() -> str:
    """What restarts the engine on this system."""
    if sys.platform in {"win32", "darwin"} or is_desktop_client():
        return "Docker Desktop's menu has Restart."
    return "`sudo systemctl restart docker`." if debian.has_systemd() else "end and start dockerd."


def how_to_upgrade() -> str:
    """What brings a newer Docker on this system."""
    if sys.platform in {"win32", "darwin"} or is_desktop_client():
        return "Update Docker Desktop (its menu has Check for updates), and run this again."
    return (
        "Upgrade Docker Engine with the Compose and Buildx plugins "
        "(https://docs.docker.com/engine/install/), and run this again."
    )


def complaint() -> str:
    """Why the engine does not answer, in the docker client's words, in lower case."""
    asked = _ran(("version",), ANSWER_SECONDS)
    return asked.stderr.lower() if asked else ""


def launch() -> "subprocess.Popen[bytes]":
    """Start dockerd in a session of its own, so that it outlives this script and its terminal."""
    note(f"starting dockerd; it writes to {LOG}")
    with LOG.open("ab") as log:
        process = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps({"pid": process.pid, "log": str(LOG)}), encoding="utf-8")
    hand_over(RECORD.parent)
    return process


def wait_for_engine(process: "subprocess.Popen[bytes] | None") -> Engine:
    """Wait until the engine that is starting answers.

    Raises:
        StepFailedError: with the end of its log.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        engine = running_engine()
        if engine:
            return Engine(engine.version, process)
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.3)
    tail = ""
    if process is not None:
        tail = "\n".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
    raise StepFailedError(
        f"The Docker engine did not start within {START_SECONDS} s.\n{tail}",
        f"Mend what its log says ({LOG if process is not None else 'journalctl -u docker'}).",
    )


def runs_in_virtual_machine() -> bool:
    """Whether containers run in a virtual machine, as in Docker Desktop.

    Such a machine carries `host.docker.internal` to this machine's loopback addresses; Docker
    Engine on Linux does not.
    """
    system = answer("info", "--format", "{{.OperatingSystem}}")
    return sys.platform in {"win32", "darwin"} or "Docker Desktop" in system


def own_builder() -> dict[str, str]:
    """The variable by which a build finds the engine's images: its builder has its context's name.

    One that was made (`docker buildx create --use`) lives in a container, sees none of them, and
    asks a registry even for what was made here.
    """
    return {"BUILDX_BUILDER": answer("context", "show") or "default"}


def root() -> Path | None:
    """The folder of this machine in which the engine keeps images; none where it is elsewhere."""
    told = answer("info", "--format", "{{.DockerRootDir}}")
    here = bool(told) and Path(told).is_dir() and not runs_in_virtual_machine()
    return Path(told) if here else None


def is_rootless() -> bool:
    """Whether the engine runs without root, in a network of its own."""
    return kinds.is_rootless(kinds.read_object(answer("info", "--format", "{{json .}}")))


def started_earlier() -> str:
    """A line about an engine that an earlier run has started and that still runs, or nothing."""
    try:
        pid = int(json.loads(RECORD.read_text(encoding="utf-8"))["pid"])
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError, KeyError):
        return ""
    return f"dockerd runs as process {pid} (`kill {pid}` ends it)" if name == "dockerd" else ""


def version_in(text: str) -> tuple[int, ...]:
    """The first dotted number in a tool's answer, such as (26, 1, 5) in "26.1.5+dfsg1"."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def require(name: str, answered: str, oldest: tuple[int, ...]) -> None:
    """Refuse a version that is too old.

    Raises:
        StepFailedError: with the version that is expected and the one that was found.
    """
    if version_in(answered) < oldest:
        wanted = ".".join(map(str, oldest))
        raise StepFailedError(
            f"{name} {wanted} or newer is needed, found {answered or 'none'}.",
            f"Upgrade {name}, and run this again.",
        )
