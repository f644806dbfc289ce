"""Bring the stack up: check, start, ask the model one question, show the addresses.

usage: python3 scripts/up.py [--embedded | --no-embedded] [--offline | --online] [--no-install]
                             [--timeout SECONDS]

Uses the Foundry Local that runs on this machine. Where there is none that containers can reach,
it starts one in a container (Compose profile `embedded`) and says so. Running it again is quick
and changes nothing.

Options:
  --embedded         start Foundry Local in a container in any case
  --no-embedded      never start it in a container
  --offline          build the base images from Debian packages instead of pulling them;
                     chosen by itself when no container registry answers
  --online           ask the registry again, where an earlier run found none
  --no-install       install nothing; say what is missing instead
  --timeout SECONDS  how long to wait for the services to become healthy (default 300)

Settings come from the environment and from .env (see .env.example). On a Debian or Ubuntu machine
without Docker it installs Docker Engine, Compose and Buildx, as root.
Exit codes: 0 fine, 1 a check or step failed (it says which and what to do), 2 wrong usage.
"""

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from enum import Enum
from itertools import islice

from lib import composed, console, docker, foundry, holders, images, judgement, offline
from lib.addresses import ADDRESSES, GATEWAY, address, bind_address, is_free, not_here, port_of
from lib.command_line import Parser, seconds
from lib.compose import Stack
from lib.console import StepFailedError, note, step
from lib.envfile import Problem
from lib.environment import ROOT
from lib.question import QUESTION, Gateway
from lib.requirements import (
    NEEDED_DISK_BYTES,
    NEEDED_DISK_BYTES_OFFLINE,
    NEEDED_MEMORY_BYTES,
)
from lib.runtime import choose_runtime
from lib.settings import Settings

ASK_AGAIN_SECONDS = 4.0
"""For a registry that did not answer an earlier run."""
PATIENCE_WITHOUT_RUNTIME_SECONDS = 10.0
OFFLINE_FILE = "compose.offline.yaml"
OVERRIDES = tuple(
    f"{stem}.override.{ending}"
    for stem in ("compose", "docker-compose")
    for ending in ("yml", "yaml")
)
"""What Compose reads beside compose.yaml where nobody names files; the first one only."""


@console.for_people
def main(arguments: Sequence[str]) -> int:
    """Bring the stack up; returns the exit code."""
    options = parse(arguments)
    try:
        bring_up(options, Settings())
    except StepFailedError as error:
        return console.failure(error)
    except KeyboardInterrupt:
        print("\nStopped. What has been started keeps running; `docker compose down` ends it.")
        return 1
    return 0


def bring_up(options: argparse.Namespace, settings: Settings) -> None:
    """The whole of it, step by step.

    Raises:
        StepFailedError: the first check or step that failed.
    """
    # No impact yet.
    step("Checking this machine")
    note(f"Python {platform.python_version()}")
    check_settings(settings)
    check_reading(settings)
    check_room(NEEDED_DISK_BYTES_OFFLINE)
    check_ports(settings)

    # From here on things change.
    step("Docker")
    engine = docker.ensure_engine(install=not options.no_install)
    describe(engine)
    check_reading(settings)  # Compose may have come just now

    step("Foundry Local")
    runtime, choices = choose_runtime(settings, wish=options.embedded)

    step("Images")
    source, files = choose_images(options, settings, Stack(choices))
    choices |= files
    stack = Stack(choices)
    if not runtime.embedded:
        retire_embedded(stack)
    if settings.remember(choices):
        note(f"wrote these choices into {settings.path.name}")
    if source is not Source.BUILT:
        build(stack)

    step("Starting")
    start(stack, options.timeout)

    step(f"Asking the model: {QUESTION}")
    gateway = Gateway(address(settings, GATEWAY), api_key(stack))
    problem = ask(
        gateway, options.timeout if runtime.expected else PATIENCE_WITHOUT_RUNTIME_SECONDS
    )

    step("Ready" if problem is None else "Running, but no model answers yet")
    print_addresses(stack, settings)
    if problem is not None:
        raise problem


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = Parser(__doc__)
    runtime = parser.add_mutually_exclusive_group()
    runtime.add_argument("--embedded", action="store_true", default=None)
    runtime.add_argument("--no-embedded", dest="embedded", action="store_false")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--offline", action="store_true")
    source.add_argument("--online", action="store_true")
    parser.add_argument("--no-install", action="store_true")
    parser.add_argument("--timeout", type=seconds, default=300.0)
    return parser.parse_args(arguments)


def check_settings(settings: Settings) -> None:
    """Refuse settings that a part of the stack would refuse, or misread, later.

    Raises:
        StepFailedError: with every one of them and what mends it.
    """
    refuse(judgement.problems(settings))
    for one in judgement.warnings(settings):
        note(f"{one.message}. {one.remedy}")
    note(judgement.opened(settings) or "the settings can be used")


def check_reading(settings: Settings) -> None:
    """Refuse a .env that Compose, where it is installed, refuses or reads in another way.

    Raises:
        StepFailedError: with every difference and what mends it.
    """
    refuse(composed.disagreements(settings))


def refuse(found: Sequence[Problem]) -> None:
    """Stop where there are problems.

    Raises:
        StepFailedError: with every one of them and what mends it.
    """
    if len(found) == 1:
        raise StepFailedError(f"{found[0].message}.", found[0].remedy)
    if found:
        said = "".join(f"\n  {one.message}.\n    {one.remedy}" for one in found)
        raise StepFailedError(
            f"{len(found)} settings cannot be used:{said}", "Mend them, and run this again."
        )


def check_room(needed: int, *, again: bool = False) -> None:
    """Refuse a disk on which the images would not fit: this folder's, and Docker's where it is one.

    Args:
        needed: bytes, unless images have been built before.
        again: whether they are needed even so.

    Raises:
        StepFailedError: with the room that is needed and the room that is there.
    """
    free = {place: shutil.disk_usage(place).free for place in (ROOT, docker.root()) if place}
    place = min(free, key=lambda one: free[one])
    built = not again and docker.answer("images", "-q", "foundry-chat/gateway")
    if free[place] < needed and not built:
        raise StepFailedError(
            f"{needed / 1e9:.0f} GB of free disk are needed, found {free[place] / 1e9:.1f} "
            f"for {place}.",
            "Free some space (`docker system prune` removes what Docker no longer uses).",
        )
    note(f"{free[place] / 1e9:.0f} GB of disk free")


def check_ports(settings: Settings) -> None:
    """Refuse an address that is not this machine's, and a port that somebody else holds.

    Raises:
        StepFailedError: with the port and the setting that changes it.
    """
    lost = not_here(settings)
    if lost is not None:
        raise StepFailedError(f"{lost[0]}.", lost[1])
    project = settings.get("COMPOSE_PROJECT_NAME", "foundry-chat")
    ours = {port for port, owner in docker.published_ports().items() if owner == project}
    host = str(bind_address(settings))
    on_windows = foundry.is_wsl() and docker.runs_in_virtual_machine()
    for one in {entry.port_setting: entry for entry in ADDRESSES}.values():
        port = port_of(settings, one)
        kept = on_windows and holders.reserved(port)
        if port in ours or (is_free(host, port) and not kept):
            continue
        known = holders.unseen(port)
        raise StepFailedError(
            f"Port {port} on {host} is {known.what if known else 'taken by another program'}.",
            f"{known.remedy if known else 'End that program'}, or set {one.port_setting} in "
            f"{settings.place(one.port_setting)} to a free port.",
        )
    note("ports are free, or ours already")


def describe(engine: docker.Engine) -> None:
    """Say which Docker this is; warn where it has little memory."""
    note(f"Engine {engine.version}, Compose {docker.answer('compose', 'version', '--short')}")
    if docker.started_earlier():
        note(docker.started_earlier())
    memory = int(docker.answer("info", "--format", "{{.MemTotal}}") or 0)
    if memory < NEEDED_MEMORY_BYTES:
        note(
            f"Docker has {memory / 1e9:.1f} GB of memory; {NEEDED_MEMORY_BYTES / 1e9:.0f} GB are "
            f"advisable (Docker Desktop: Settings, Resources)"
        )


class Source(Enum):
    """Where the images come from that the stack's own are built on."""

    REGISTRY = "they are here, or were pulled"
    PACKAGES = "they were made from Debian's packages"
    BUILT = "from nowhere, but the stack's own were built before"


def choose_images(
    options: argparse.Namespace, settings: Settings, stack: Stack
) -> tuple[Source, dict[str, str]]:
    """Decide where base images come from, and have them here; returns that and the settings for it.

    Raises:
        StepFailedError: they can be had in no way.
    """
    source = Source.PACKAGES if options.offline else find(settings, stack, again=options.online)
    choices = offline.build_settings(settings, offline=source is Source.PACKAGES)
    if source is Source.PACKAGES:
        choices |= offline_files(settings)
        note("no container registry: base images are made from Debian packages")
        note("Grafana cannot be built without one; the status page stands in for it")
        offline.make_base_images()
    return source, choices


def offline_files(settings: Settings) -> dict[str, str]:
    """The settings that name Compose's files where no registry answers; none where the user has.

    Raises:
        StepFailedError: the user has named files, and left out the one that it takes.
    """
    own = settings.own("COMPOSE_FILE")
    separator = settings.own("COMPOSE_PATH_SEPARATOR")
    if not own:
        separator = separator or ":"
        files = separator.join([*own_files(settings), OFFLINE_FILE])
        return {"COMPOSE_PATH_SEPARATOR": separator, "COMPOSE_FILE": files}
    if OFFLINE_FILE not in own:
        raise StepFailedError(
            f"COMPOSE_FILE leaves out {OFFLINE_FILE}, without which every build asks a registry.",
            f"Set COMPOSE_FILE={own}{separator or os.pathsep}{OFFLINE_FILE}, and run this again.",
        )
    return {}


def own_files(settings: Settings) -> list[str]:
    """The files that Compose reads by the user's choice, or by itself."""
    own = settings.own("COMPOSE_FILE")
    if own:
        return own.split(settings.own("COMPOSE_PATH_SEPARATOR") or os.pathsep)
    overrides = (name for name in OVERRIDES if (ROOT / name).is_file())
    return ["compose.yaml", *islice(overrides, 1)]


def find(settings: Settings, stack: Stack, *, again: bool) -> Source:
    """Where base images come from; those of a registry that are not here yet are pulled.

    Args:
        settings: the user's own choice stands, an earlier run's until the user wants it otherwise.
        stack: what is to be started.
        again: whether an earlier run's choice is to be made anew.

    Raises:
        StepFailedError: a registry refuses them for now, a pull broke off, or there is no room.
    """
    if OFFLINE_FILE in settings.own("COMPOSE_FILE"):
        return Source.PACKAGES
    wanted = images.missing(images.bases(own_files(settings)))
    earlier = OFFLINE_FILE in settings.get("COMPOSE_FILE")
    if earlier and not again:
        if can_be_had_again(wanted):
            note("the official images can be had now. To build on them, with Grafana:")
            note(f"{foundry.python()} scripts/up.py --online")
        return Source.PACKAGES
    if not wanted:
        return Source.REGISTRY
    built = not earlier and is_built(stack)
    try:
        answers = images.registry_answers(wanted)
    except images.RefusedError as refused:
        if not built:
            raise
        note(refused.problem)
        answers = False
    if answers:
        check_room(NEEDED_DISK_BYTES, again=earlier)
        images.pull(wanted)
        return Source.REGISTRY
    if built:
        note("going on with the images that were built before, as they are")
        return Source.BUILT
    return Source.PACKAGES


def is_built(stack: Stack) -> bool:
    """Whether all of the stack's own images are here; Grafana's comes from a registry alone."""
    own = stack.output("config", "--images").split()
    return bool(own) and not images.missing(own)


def can_be_had_again(wanted: Sequence[str]) -> bool:
    """Whether these images can be had, for a run that needs none of them."""
    try:
        return not wanted or images.registry_answers(wanted, ASK_AGAIN_SECONDS)
    except images.RefusedError:
        return False


def build(stack: Stack) -> None:
    """Build what has changed; a person watches it, a log gets only what went wrong."""
    note("building what has changed; the first time takes a few minutes")
    Stack({**stack.choices, **docker.own_builder()}).compose(
        "build",
        remedy="Mend what it says. Behind a proxy that inspects HTTPS: see .env.example, Building.",
        quiet=not sys.stdout.isatty(),
    )


def retire_embedded(stack: Stack) -> None:
    """Remove our own Foundry Local where an earlier run has started it and it is not needed."""
    everything = Stack({**stack.choices, "COMPOSE_PROFILES": "*"})
    if any(container.service == "foundry-local" for container in everything.containers()):
        note("removing the Foundry Local in a container: it is no longer needed")
        stack.remove(["foundry-local"])


def start(stack: Stack, seconds: float) -> None:
    """Start the services and wait until they are healthy.

    Raises:
        StepFailedError: one did not; with what it said last.
    """
    try:
        stack.compose(
            *("up", "--detach", "--no-build", "--remove-orphans"),
            remedy="Mend what it says, and run this again.",
            quiet=True,
        )
    except StepFailedError as error:
        for container in stack.containers():
            if container.has_failed:
                problem = f"The service {container.service} {container.word}."
                raise stack.failure(container.service, problem) from error
        raise
    stack.wait(seconds)


def api_key(stack: Stack) -> str:
    """The gateway's key, asked of the gateway itself."""
    return stack.output(
        "exec", "-T", "gateway", "python", "-m", "foundry_gateway", "api-key"
    ).strip()


def ask(gateway: Gateway, seconds: float) -> StepFailedError | None:
    """Ask one question and print the answer as it comes; returns what went wrong, if anything."""
    try:
        gateway.wait_until_ready(seconds)
        print("    ", end="")
        for piece in gateway.ask(QUESTION):
            print(piece, end="", flush=True)
        print()
    except StepFailedError as error:
        return error
    return None


def print_addresses(stack: Stack, settings: Settings) -> None:
    """The table of addresses, of what runs, and how to get the key."""
    services = set(stack.services())
    shown = [entry for entry in ADDRESSES if entry.service in services]
    for entry in shown:
        print(f"    {address(settings, entry, 'localhost') + entry.path:32} {entry.title}")
    print(
        "\n    The gateway's API key: docker compose exec gateway python -m foundry_gateway api-key"
    )
    print("    To stop everything:    docker compose down")
