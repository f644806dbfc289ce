"""The stack as Docker Compose sees it: built, started, watched until it is healthy."""

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lib.console import StepFailedError, note, run
from lib.environment import ROOT

POLL_SECONDS = 0.5
LOG_LINES = 15
RESTARTS_TO_GIVE_UP = 3
CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True)
class Container:
    """One container of the stack, as `docker compose ps` tells it."""

    service: str
    state: str
    health: str
    exit_code: int

    @property
    def is_well(self) -> bool:
        """Whether it is healthy, or a one-shot that has done its work."""
        if self.state == "exited":
            return self.exit_code == 0
        return self.state == "running" and self.health in {"healthy", ""}

    @property
    def has_failed(self) -> bool:
        """Whether waiting longer is of no use."""
        return (self.state in {"exited", "dead"} and self.exit_code != 0) or (
            self.health == "unhealthy"
        )

    @property
    def word(self) -> str:
        """Its condition in one word."""
        if self.state == "exited":
            return "done" if self.exit_code == 0 else f"ended with exit code {self.exit_code}"
        return self.health or self.state


def containers_in(listing: str) -> list[Container]:
    """Read `docker compose ps --format json`: one object a line, or one list in older versions."""
    objects = [json.loads(line) for line in listing.splitlines() if line.strip()]
    if len(objects) == 1 and isinstance(objects[0], list):
        objects = objects[0]
    return [
        Container(
            item["Service"], item["State"], item.get("Health", ""), int(item.get("ExitCode", 0))
        )
        for item in objects
    ]


@dataclass(frozen=True)
class Stack:
    """A stack with the choices made for it.

    Attributes:
        choices: Compose's own variables (COMPOSE_FILE, COMPOSE_PROFILES, …) and settings, which
            win over .env.
    """

    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Compose runs."""
        return {**os.environ, **self.choices}

    def compose(self, *arguments: str, remedy: str, quiet: bool = False) -> None:
        """Run `docker compose`; its output is the person's progress display.

        Raises:
            StepFailedError: it failed.
        """
        command = ["docker", "compose", *arguments]
        run(command, remedy=remedy, cwd=ROOT, env=self.environment, quiet=quiet)

    def output(self, *arguments: str) -> str:
        """What `docker compose` prints; nothing when it fails."""
        asked = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
        return asked.stdout if asked.returncode == 0 else ""

    def services(self) -> list[str]:
        """The services that the choices include."""
        return self.output("config", "--services").split()

    def containers(self) -> list[Container]:
        """Its containers now."""
        return containers_in(self.output("ps", "--all", "--format", "json"))

    def wait(self, seconds: float) -> None:
        """Wait until every service is well, and say each change.

        Raises:
            StepFailedError: one failed or was not ready in time; with what it said last.
        """
        wanted = set(self.services())
        told: dict[str, str] = {}
        restarts: Counter[str] = Counter()
        deadline = time.monotonic() + seconds
        while True:
            now = {container.service: container for container in self.containers()}
            for service, container in sorted(now.items()):
                if told.get(service) != container.word:
                    told[service] = container.word
                    restarts[service] += container.state == "restarting"
                    note(f"{service}: {container.word}")
            if wanted <= now.keys() and all(now[service].is_well for service in wanted):
                return
            failed = [
                name
                for name in sorted(wanted & now.keys())
                if now[name].has_failed or restarts[name] >= RESTARTS_TO_GIVE_UP
            ]
            if failed:
                raise self.failure(failed[0], f"The service {failed[0]} {told[failed[0]]}.")
            if time.monotonic() > deadline:
                late = [name for name in sorted(wanted) if name not in now or not now[name].is_well]
                found = ", ".join(f"{name} is {told.get(name, 'absent')}" for name in late)
                raise self.failure(late[0], f"Not ready after {seconds:.0f} s: {found}.")
            time.sleep(POLL_SECONDS)

    def failure(self, service: str, problem: str) -> StepFailedError:
        """A failure of one service, with the end of its log."""
        log = self.output(
            "logs", "--no-color", "--no-log-prefix", "--tail", str(LOG_LINES), service
        )
        lines = CONTROL_SEQUENCE.sub("", log).splitlines()
        said = "".join(f"\n  | {line}" for line in lines if line.strip())
        return StepFailedError(
            f"{problem}{said}",
            f"Mend what it says, and run this again. All of it: docker compose logs {service}",
        )

    def remove(self, services: Sequence[str]) -> None:
        """Stop and remove services that this stack no longer includes."""
        self.compose(
            *("--profile", "*", "rm", "--stop", "--force", *services),
            remedy="See `docker compose ps --all`.",
            quiet=True,
        )
