"""Bring the stack up: check, start, ask the model one question, show the addresses.

usage: python3 scripts/up.py [--embedded | --no-embedded] [--offline] [--no-install]
                             [--timeout SECONDS]

Uses the Foundry Local that runs on this machine. Where there is none that containers can reach,
it starts one in a container (Compose profile `embedded`) and says so. Running it again is quick
and changes nothing.

Options:
  --embedded         start Foundry Local in a container in any case
  --no-embedded      never start it in a container
  --offline          build the base images from Debian packages instead of pulling them;
                     chosen by itself when no container registry answers
  --no-install       install nothing; say what is missing instead
  --timeout SECONDS  how long to wait for the services to become healthy (default 300)

Settings come from the environment and from .env (see .env.example). On a Debian or Ubuntu machine
without Docker it installs Docker Engine, Compose and Buildx, as root.
Exit codes: 0 fine, 1 a check or step failed (it says which and what to do), 2 wrong usage.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence

from lib import composed, console, docker, judgement, offline
from lib.addresses import ADDRESSES, GATEWAY, address, bind_address, is_free, port_of
from lib.compose import Stack
from lib.console import StepFailedError, note, step
from lib.envfile import Problem
from lib.environment import ROOT
from lib.question import QUESTION, Gateway
from lib.requirements import NEEDED_DISK_BYTES, NEEDED_MEMORY_BYTES
from lib.runtime import choose_runtime
from lib.settings import Settings

OLDEST_PYTHON = (3, 11)
PATIENCE_WITHOUT_RUNTIME_SECONDS = 10.0
OFFLINE_FILES = "compose.yaml:compose.offline.yaml"


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
    check_python()
    check_settings(settings)
    check_reading(settings)
    check_room()
    check_ports(settings)

    # From here on things change.
    step("Docker")
    engine = docker.ensure_engine(install=not options.no_install)
    describe(engine)
    check_reading(settings)  # Compose may have come just now

    step("Foundry Local")
    runtime, choices = choose_runtime(settings, wish=options.embedded)

    step("Images")
    choices |= choose_images(options, settings)
    stack = Stack(choices)
    if not runtime.embedded:
        retire_embedded(stack)
    if settings.remember(choices):
        note(f"wrote these choices into {settings.path.name}")
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
    parser = argparse.ArgumentParser(add_help=False)
    runtime = parser.add_mutually_exclusive_group()
    runtime.add_argument("--embedded", action="store_true", default=None)
    runtime.add_argument("--no-embedded", dest="embedded", action="store_false")
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--no-install", action="store_true")
    parser.add_argument("--timeout", type=float, default=300.0)
    parser.format_help = lambda: f"{__doc__}"  # type: ignore[method-assign]
    parser.add_argument("-h", "--help", action="help")
    return parser.parse_args(arguments)


def check_python() -> None:
    """Refuse a Python that is too old for these scripts.

    Raises:
        StepFailedError: with the version that is expected and the one that was found.
    """
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        raise StepFailedError(
            f"Python {wanted} or newer is needed, found {found}.", f"Install Python {wanted}."
        )
    note(f"Python {found}")


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


def check_room() -> None:
    """Refuse a disk on which the images would not fit.

    Raises:
        StepFailedError: with the room that is needed and the room that is there.
    """
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_DISK_BYTES and not docker.answer("images", "-q", "foundry-chat/gateway"):
        raise StepFailedError(
            f"{NEEDED_DISK_BYTES / 1e9:.0f} GB of free disk are needed, found {free / 1e9:.1f}.",
            "Free some space (`docker system prune` removes what Docker no longer uses).",
        )
    note(f"{free / 1e9:.0f} GB of disk free")


def check_ports(settings: Settings) -> None:
    """Refuse a port that somebody else holds.

    Raises:
        StepFailedError: with the port and the setting that changes it.
    """
    project = settings.get("COMPOSE_PROJECT_NAME", "foundry-chat")
    ours = {port for port, owner in docker.published_ports().items() if owner == project}
    host = str(bind_address(settings))
    for one in {entry.port_setting: entry for entry in ADDRESSES}.values():
        port = port_of(settings, one)
        if port not in ours and not is_free(host, port):
            raise StepFailedError(
                f"Port {port} on {host} is taken by another program.",
                f"End that program, or set {one.port_setting} in .env to a free port.",
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


def choose_images(options: argparse.Namespace, settings: Settings) -> dict[str, str]:
    """Decide where base images come from, and have them here; returns the settings for it.

    Raises:
        StepFailedError: they can be had neither way.
    """
    remembered = "compose.offline.yaml" in settings.get("COMPOSE_FILE")
    without_registry = options.offline or remembered or not offline.registry_answers()
    choices = offline.build_settings(settings, offline=without_registry)
    if without_registry:
        note("no container registry: base images are made from Debian packages")
        note("Grafana cannot be built without one; the status page stands in for it")
        offline.make_base_images()
        files = settings.own("COMPOSE_FILE") or OFFLINE_FILES
        choices |= {"COMPOSE_PATH_SEPARATOR": ":", "COMPOSE_FILE": files}
    return choices


def build(stack: Stack) -> None:
    """Build what has changed; a person watches it, a log gets only what went wrong."""
    note("building what has changed; the first time takes a few minutes")
    stack.compose(
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
