"""The whole stack in containers, brought up by ``scripts/up.py``, once for the session.

``stack`` has a project name, ports and settings of its own, so that a developer's running stack
is not touched. It is torn down with its volumes. A test that stops a service starts it again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lib.addresses import ADDRESSES
from support import engine
from support.open_webui import ADMIN_EMAIL, ADMIN_PASSWORD
from support.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker.models.containers import Container

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "foundry-chat-test"
NOTHING_LISTENS = "http://host.docker.internal:9"
UP_SECONDS = 1500
SETTINGS_OF_THE_STACK = (
    "FOUNDRY_",
    "MODEL",
    "EMBEDD",
    "GATEWAY_",
    "CHAINLIT_",
    "OPEN_WEBUI_",
    "WEBUI_",
    "COMPOSE_",
    "BIND_",
    "WEBGPU_",
    "HEALTHCHECK_",
    "GRAFANA_",
    "PROMETHEUS_",
    "DOCKER_GID",
)
# What a user writes who wants containers on the status page; and a test has less patience.
CONTAINERS_SHOWN = """\
COMPOSE_PROFILES=containers
DOCKER_VIEW_URL=http://docker-view:8080
DOCKER_GID={group}
PROMETHEUS_SCRAPE_INTERVAL=5s
"""

# Connects to each target and says how it went.
CONNECT = """
import json, socket, sys
outcome = {}
for target in sys.argv[1:]:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
        outcome[target] = "reached"
    except OSError as error:
        outcome[target] = type(error).__name__ + ": " + str(error)
print(json.dumps(outcome))
"""

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def get(url: str, body: Any = None, **headers: str) -> Answer:
    """GET, or POST when there is a body; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        named["Content-Type"] = "application/json"
    try:
        with _direct.open(urllib.request.Request(url, data, named), timeout=60) as response:
            return Answer(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def eventually(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask until the answer is true; returns it."""
    deadline = time.monotonic() + seconds
    answer = None
    while time.monotonic() < deadline:
        answer = check()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not true within {seconds} s; the last answer was {answer!r}")


@dataclass(frozen=True)
class RunningStack:
    """A running stack and the ways to talk to it."""

    environment: dict[str, str] = field(repr=False)
    first_run: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)

    @property
    def chat(self) -> str:
        """Where the chat app is published."""
        return f"http://127.0.0.1:{self.environment['CHAINLIT_PORT']}"

    @property
    def open_webui(self) -> str:
        """Where Open WebUI is published."""
        return f"http://127.0.0.1:{self.environment['OPEN_WEBUI_PORT']}"

    @property
    def webgpu(self) -> str:
        """Where the WebGPU page is published."""
        return f"http://127.0.0.1:{self.environment['WEBGPU_PORT']}"

    @property
    def healthcheck(self) -> str:
        """Where the health probe is published."""
        return f"http://127.0.0.1:{self.environment['HEALTHCHECK_PORT']}"

    @property
    def prometheus(self) -> str:
        """Where Prometheus is published."""
        return f"http://127.0.0.1:{self.environment['PROMETHEUS_PORT']}"

    @property
    def gateway(self) -> str:
        """Where the gateway is published."""
        return f"http://127.0.0.1:{self.environment['GATEWAY_PORT']}"

    def compose(self, *arguments: str) -> str:
        """Run ``docker compose`` as a user would, in the folder of the stack."""
        return self._run("docker", "compose", *arguments).stdout

    def up(self, *options: str) -> str:
        """Run ``scripts/up.py`` and return what it printed."""
        script = str(ROOT / "scripts" / "up.py")
        return self._run(sys.executable, script, *options, seconds=UP_SECONDS).stdout

    def up_that_fails(self) -> subprocess.CompletedProcess[str]:
        """Run ``scripts/up.py`` where it cannot succeed."""
        return self._run(sys.executable, str(ROOT / "scripts" / "up.py"), check=False)

    def run_in(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container; its exit status is the caller's to judge."""
        return engine.run_in(self._container(service), *command)

    def reach(self, service: str, *targets: str) -> dict[str, str]:
        """What came of connecting to each ``host:port`` from a service's container."""
        done = self.run_in(service, "python3", "-c", CONNECT, *targets)
        assert done.returncode == 0, done.stderr
        outcome: dict[str, str] = json.loads(done.stdout)
        return outcome

    def container_id(self, service: str) -> str:
        """The id of a service's container, running or not."""
        return engine.id_of(self._container(service))

    def inspect(self, service: str) -> Any:
        """What ``docker inspect`` tells about a service's container."""
        return self._container(service).attrs

    def ask(self, question: str, key: str | None = None) -> Answer:
        """One chat, not streamed."""
        authorization = f"Bearer {self.api_key if key is None else key}"
        body = {"model": "foundry-demo", "messages": [{"role": "user", "content": question}]}
        url = f"{self.gateway}/v1/chat/completions"
        return get(url, body, Authorization=authorization)

    def open_webui_token(self) -> str:
        """Sign in as Open WebUI's administrator, who is created where no other test has done it."""
        person = {"name": "Ada", "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        auths = f"{self.open_webui}/api/v1/auths"
        signed_in = get(f"{auths}/signin", person)
        if signed_in.status != HTTPStatus.OK:
            signed_in = get(f"{auths}/signup", person)
        assert signed_in.status == HTTPStatus.OK, signed_in
        token: str = signed_in.json()["token"]
        return token

    def status(self) -> Any:
        """The gateway's ``/status``."""
        return get(f"{self.gateway}/status").json()

    def _container(self, service: str) -> Container:
        return engine.container(self.environment["COMPOSE_PROJECT_NAME"], service)

    def _run(
        self, *command: str, check: bool = True, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The stack with the built-in demo model, up and healthy.

    ``scripts/up.py`` brings it up, for that is what users run. What tests do to it afterwards is
    not left to testcontainers' ``DockerCompose``: it has no ``kill``, ``pause`` or ``up
    --no-build --force-recreate``, and runs everything in the environment of this process, while
    ``tests/stack/test_secrets.py`` has the same stack under two.
    """
    env_file = tmp_path_factory.mktemp("stack") / ".env"
    env_file.write_text(CONTAINERS_SHOWN.format(group=Path("/var/run/docker.sock").stat().st_gid))
    foreign = {name for name in os.environ if name.startswith(SETTINGS_OF_THE_STACK)}
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment |= {
        "COMPOSE_PROJECT_NAME": PROJECT,
        "COMPOSE_ENV_FILES": str(env_file),
        **free_ports({entry.port_setting for entry in ADDRESSES}),
        # A Foundry Local that happens to run on this machine is not part of the test.
        "FOUNDRY_URL": NOTHING_LISTENS,
        "FOUNDRY_HOST_PUBLIC_CATALOG": "no",
    }
    stack = RunningStack(environment, "")
    down = ("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")
    stack.compose(*down)
    try:
        printed = stack.up("--embedded")
        key = stack.run_in("gateway", "python", "-m", "foundry_gateway", "api-key")
        assert key.returncode == 0, key.stderr
        yield RunningStack(environment, printed, key.stdout.strip())
    finally:
        stack.compose(*down)
