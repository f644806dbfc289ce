"""Runs ``scripts/doctor.py --json`` as a person would, on settings of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "doctor.py"
PORT_SETTINGS = (
    "CHAINLIT_PORT",
    "OPEN_WEBUI_PORT",
    "WEBGPU_PORT",
    "GRAFANA_PORT",
    "PROMETHEUS_PORT",
    "HEALTHCHECK_PORT",
    "GATEWAY_PORT",
)
SETTINGS_OF_THE_STACK = (
    *("FOUNDRY_", "MODEL", "EMBEDD", "GATEWAY_", "CHAINLIT_", "OPEN_WEBUI_", "WEBUI_", "COMPOSE_"),
    *("BIND_", "WEBGPU_", "GRAFANA_", "PROMETHEUS_", "HEALTHCHECK_", "NO_COLOR", "DOCKER_HOST"),
)
NO_DOCKER = "unix:///nonexistent/docker.sock"
LONGEST_SECONDS = 45


@dataclass(frozen=True)
class Examination:
    """What the doctor said.

    Attributes:
        code: its exit code.
        document: of ``--json``; empty without it.
        text: what it printed.
        seconds: how long it took.
    """

    code: int
    document: dict[str, Any]
    text: str
    seconds: float

    @property
    def failed(self) -> list[str]:
        """The names of what is wrong, in order."""
        return [one["name"] for one in self.document["checks"] if one["state"] == "failed"]

    def check(self, name: str) -> dict[str, Any]:
        """One entry, by its name or the beginning of it."""
        for one in self.document["checks"]:
            if one["name"] == name or one["name"].startswith(f"{name}."):
                found: dict[str, Any] = one
                return found
        raise AssertionError(f"no check {name!r} in {self.text}")


def examine(folder: Path, *options: str, env_text: str = "", **settings: str) -> Examination:
    """Run the doctor.

    Args:
        folder: a fresh one, for its .env.
        options: of its command line; ``--json`` when there are none.
        env_text: what .env says.
        settings: further environment. Ports on which nothing is expected are free ones, and no
            Docker engine answers unless DOCKER_HOST says otherwise.
    """
    env_file = folder / ".env"
    env_file.write_text(env_text, encoding="utf-8")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(SETTINGS_OF_THE_STACK)
    }
    free = free_ports(PORT_SETTINGS)
    ours = {
        "COMPOSE_PROJECT_NAME": "foundry-chat-doctor",
        "COMPOSE_ENV_FILES": str(env_file),
        "DOCKER_HOST": NO_DOCKER,
        "PYTHONIOENCODING": "utf-8",
    }
    return _run({**inherited, **free, **ours, **settings}, *(options or ("--json",)))


def examine_stack(environment: Mapping[str, str], *options: str) -> Examination:
    """Run the doctor on a running stack, in that stack's own environment."""
    return _run(environment, *(options or ("--json",)))


def _run(environment: Mapping[str, str], *options: str) -> Examination:
    command = [sys.executable, str(SCRIPT), *options]
    began = time.monotonic()
    done = subprocess.run(
        command,
        env=dict(environment),
        check=False,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=LONGEST_SECONDS,
    )
    took = time.monotonic() - began
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout) if "--json" in command else {}
    return Examination(done.returncode, document, done.stdout + done.stderr, took)
