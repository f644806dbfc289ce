"""What the checks look at. Each observation is made once, by the first check that wants it."""

import functools
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from lib import docker
from lib.addresses import ADDRESSES, address, port_of
from lib.compose import Container, containers_in
from lib.doctor import web
from lib.doctor.parts import OK, PARTS, Part
from lib.doctor.results import Result
from lib.doctor.shell import COMPOSE_SECONDS, Said, ask
from lib.doctor.shell import SECONDS as SECONDS_A_QUESTION
from lib.settings import Settings

T = TypeVar("T")
SECONDS = 30.0


def once(method: Callable[["Scene"], T]) -> Callable[["Scene"], T]:
    """Make a method observe once per scene; whoever comes meanwhile waits for the answer."""

    @functools.wraps(method)
    def observed(self: "Scene") -> T:
        return self.remembered(method.__name__, lambda: method(self))

    return observed


class Scene:
    """One machine at one moment.

    Args:
        settings: of the stack.
        seconds: how long everything may take together.
    """

    def __init__(self, settings: Settings, seconds: float = SECONDS) -> None:
        self.settings = settings
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._memory: dict[str, Future[Any]] = {}
        self._found: dict[str, Sequence[Result]] = {}

    def remembered(self, name: str, observe: Callable[[], T]) -> T:
        """The answer under this name, observed now if nobody has yet."""
        with self._lock:
            known = self._memory.get(name)
            if known is None:
                mine = self._memory[name] = Future()
        if known is not None:
            answer: T = known.result()
            return answer
        try:
            mine.set_result(observe())
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()  # type: ignore[no-any-return]

    # ---- What other checks found -----------------------------------------------------------------

    def note(self, check: str, results: Sequence[Result]) -> None:
        """Remember what a check has found."""
        self._found[check] = results

    def is_bad(self, check: str, about: str | None = None, *, or_warned: bool = False) -> bool:
        """Whether a check that is done has found something to mend, in general or about this."""
        bad = {"failed", "warning"} if or_warned else {"failed"}
        return any(
            result.state in bad and about in {None, result.about}
            for result in self._found.get(check, ())
        )

    # ---- Docker ----------------------------------------------------------------------------------

    @once
    def docker_version(self) -> Said:
        """What `docker version` says about the engine: its JSON, or why there is none."""
        return ask(["docker", "version", "--format", "{{json .Server}}"])

    @once
    def docker_info(self) -> Mapping[str, Any]:
        """What the engine tells about itself; empty while it does not answer."""
        said = ask(["docker", "info", "--format", "{{json .}}"]) if self.docker_answers() else None
        return _object(said.out) if said and said.ok else {}

    def docker_answers(self) -> bool:
        """Whether a Docker engine answers this user."""
        return shutil.which("docker") is not None and bool(_object(self.docker_version().out))

    def in_virtual_machine(self) -> bool:
        """Whether containers run in one; `docker.runs_in_virtual_machine` says what that means."""
        system = str(self.docker_info().get("OperatingSystem", ""))
        return sys.platform in {"win32", "darwin"} or "Docker Desktop" in system

    @property
    def project(self) -> str:
        """Compose's name for this stack."""
        return self.settings.get("COMPOSE_PROJECT_NAME", "foundry-chat")

    @once
    def published(self) -> Mapping[int, str]:
        """The ports that containers publish, with the Compose project (or name) of each."""
        return docker.published_ports(SECONDS_A_QUESTION) if self.docker_answers() else {}

    @once
    def services(self) -> Sequence[str]:
        """The services of this stack, with the profiles and files chosen; empty if unknown."""
        return ask(["docker", "compose", "config", "--services"], COMPOSE_SECONDS).out.split()

    @once
    def containers(self) -> Sequence[Container]:
        """The stack's containers now, running or not."""
        if not self.docker_answers():
            return []
        said = ask(["docker", "compose", "ps", "--all", "--format", "json"], COMPOSE_SECONDS)
        try:
            return containers_in(said.out)
        except (ValueError, KeyError, TypeError):
            return []

    def is_starting(self, service: str) -> bool:
        """Whether a service's container has not yet been asked whether it is well."""
        return any(one.service == service and one.health == "starting" for one in self.containers())

    def in_containers(self) -> bool:
        """Whether the stack has containers at all."""
        return bool(self.containers())

    def runs(self, service: str) -> bool:
        """Whether a service has a running container."""
        return any(one.service == service and one.state == "running" for one in self.containers())

    # ---- The published parts ---------------------------------------------------------------------

    def url(self, part: Part) -> str:
        """Where a part is published, as this machine calls it."""
        return address(self.settings, part.address)

    def reply(self, part: Part) -> web.Reply:
        """What a part answers."""
        return self.remembered(f"reply of {part.name}", lambda: web.get(self.url(part) + part.path))

    def is_ours(self, part: Part) -> bool:
        """Whether what answers at a part's port is this stack."""
        owner = self.published().get(port_of(self.settings, part.address), self.project)
        return owner == self.project and part.is_ours(self.reply(part))

    def is_started(self) -> bool:
        """Whether anything of this stack is there, in containers or outside."""
        return self.in_containers() or any(map(self.is_ours, PARTS))

    @once
    def present(self) -> Sequence[str]:
        """The parts that belong to this stack as it was started or would be."""
        if self.docker_answers() and self.services():
            return [one.name for one in PARTS if one.name in self.services()]
        return [one.name for one in PARTS if any(e.service == one.name for e in ADDRESSES)]

    def gateway_status(self) -> Mapping[str, Any]:
        """The gateway's `/status`; empty while it gives none."""
        part = next(one for one in PARTS if one.name == "gateway")
        reply = self.reply(part)
        return reply.json if reply.status == OK and self.is_ours(part) else {}


def _object(text: str) -> Mapping[str, Any]:
    """A JSON object in what a program said; empty if it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
