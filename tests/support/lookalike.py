"""Images with the layout of the official ones, made here, and the stack on top of them.

No registry can be reached where these tests run, so what most users build on is imitated: where
programs lie, the shell, the user, the entry point, the stop signal, the volumes, and what is not
there. ``tests/lookalike`` holds them; docs/images.md says what they cannot prove.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib import offline
from lib.addresses import ADDRESSES
from lib.settings import Settings
from support import engine
from support.processes import free_ports
from support.stack import NOTHING_LISTENS, ROOT, SETTINGS_OF_THE_STACK

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "foundry-chat-lookalike"
LOOKALIKES = ROOT / "tests" / "lookalike"
PYTHON = f"{NAME}/python:3.13"
NGINX = f"{NAME}/nginx:1.26"
PROMETHEUS = f"{NAME}/prometheus:2.53"
OPEN_WEBUI = f"{NAME}/open-webui:0.12.4"
GRAFANA = f"{NAME}/grafana:shape"
PYTHON_OF_OPEN_WEBUI = f"{NAME}/python:3.11"
PACKAGES_OF_OPEN_WEBUI = f"{NAME}/open-webui-packages:0.12.4"
BASES = {
    "PYTHON_IMAGE": PYTHON,
    "NGINX_IMAGE": NGINX,
    "PROMETHEUS_IMAGE": PROMETHEUS,
    "OPEN_WEBUI_IMAGE": OPEN_WEBUI,
    "GRAFANA_IMAGE": GRAFANA,
}
"""Which base stands in for each build argument of the Dockerfiles."""
# Of each image in turn: its Dockerfile, and what that is built on.
MADE = (
    (PYTHON, "python.Dockerfile", {"BASE": "localhost/foundry-chat/python:3.13"}),
    (PYTHON_OF_OPEN_WEBUI, "python.Dockerfile", {"BASE": "localhost/foundry-chat/python:3.11"}),
    (NGINX, "nginx.Dockerfile", {"BASE": "localhost/foundry-chat/nginx:1.26"}),
    (PROMETHEUS, "prometheus.Dockerfile", {"BASE": "localhost/foundry-chat/prometheus:2.53"}),
    (GRAFANA, "grafana.Dockerfile", {"BASE": NGINX}),
    (
        OPEN_WEBUI,
        "open-webui.Dockerfile",
        {"BASE": PYTHON_OF_OPEN_WEBUI, "PACKAGES": PACKAGES_OF_OPEN_WEBUI},
    ),
)
BUILD_SECONDS = 1500


@dataclass(frozen=True)
class Lookalike:
    """The stack on images with the official layout, with names and ports of its own."""

    folder: Path
    environment: Mapping[str, str]

    def compose(self, *arguments: str, seconds: float = 300) -> str:
        """Run ``docker compose`` with every profile in the checkout; what it printed and told.

        Not through testcontainers' ``DockerCompose``: that keeps what ``up`` told to itself, and
        builds only what it starts at once.
        """
        files = ("--file", "compose.yaml", "--file", "lookalike.yaml", "--profile", "*")
        command = ("docker", "compose", *files, *arguments)
        return run(*command, folder=self.folder, environment=self.environment, seconds=seconds)

    def containers(self) -> dict[str, Any]:
        """What ``docker inspect`` tells about each service's container."""
        return {
            container.labels["com.docker.compose.service"]: container.attrs
            for container in engine.containers(project=NAME)
        }


def prepare(folder: Path) -> Lookalike:
    """A checkout of this folder made under umask 077, and the images that its builds start from."""
    make_images(folder)
    checkout = folder / "checkout"
    strict_checkout(checkout)
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    (checkout / "lookalike.yaml").write_text(yaml.safe_dump(override(services)), encoding="utf-8")
    foreign = {name for name in os.environ if name.startswith(SETTINGS_OF_THE_STACK)}
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment |= {
        "COMPOSE_PROJECT_NAME": NAME,
        **free_ports({entry.port_setting for entry in ADDRESSES}),
        **secrets_of_builds(folder),
        "FOUNDRY_URL": NOTHING_LISTENS,
        "FOUNDRY_HOST_PUBLIC_CATALOG": "no",
        "DOCKER_GID": str(Path("/var/run/docker.sock").stat().st_gid),
    }
    return Lookalike(checkout, environment)


def make_images(folder: Path) -> None:
    """Build the look-alikes; a moment's work when nothing has changed."""
    offline.make_base_images()
    given = secrets_of_builds(folder)
    secrets = {"ca-bundle": "BUILD_CA_BUNDLE", "pip-conf": "BUILD_PIP_CONF"}
    passed = [
        f"--secret=id={name},src={given[setting]}"
        for name, setting in secrets.items()
        if setting in given
    ]
    base = "PYTHON_IMAGE=localhost/foundry-chat/python:3.11"
    packages = ("--target", "packages", "--build-arg", base)
    common = f"common={ROOT / 'packages/foundry_common/src'}"
    build(PACKAGES_OF_OPEN_WEBUI, ROOT / "openwebui", *packages, "--build-context", common, *passed)
    for image, dockerfile, arguments in MADE:
        words = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        build(image, LOOKALIKES, "--file", str(LOOKALIKES / dockerfile), *words)


def build(image: str, context: Path, *options: str) -> None:
    """``docker build`` under a name of ours; the SDK's build knows no secrets and no contexts."""
    command = ("docker", "build", "--quiet", "--tag", image, *offline.proxy_arguments())
    run(*command, *options, str(context), seconds=BUILD_SECONDS)


def secrets_of_builds(folder: Path) -> dict[str, str]:
    """This machine's certificates and package mirrors, as ``scripts/up.py`` finds them."""
    return offline.build_settings(Settings(dict(os.environ), folder / ".env"), offline=True)


def strict_checkout(folder: Path) -> None:
    """Copy what a clone holds, as a clone under umask 077 would: nobody else may read a thing."""
    named = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    folder.mkdir(mode=0o700)
    for name in filter(None, named.split("\0")):
        source, target = ROOT / name, folder / name
        if not source.is_file():
            continue  # deleted, and not yet committed
        for parent in reversed(target.relative_to(folder).parents):
            (folder / parent).mkdir(mode=0o700, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)


def override(services: Mapping[str, Any]) -> dict[str, Any]:
    """Names and base images of its own for every service."""
    return {
        "services": {
            name: {"image": f"{NAME}/{name}:0.1.0", "build": {"args": BASES}} for name in services
        }
    }


def run(
    *command: str,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    seconds: float = 120,
) -> str:
    """Run a command that must succeed; returns what it printed, its errors last."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=None if environment is None else dict(environment),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=seconds,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
