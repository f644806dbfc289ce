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
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from lib import console, docker, foundry, offline
from lib.compose import Stack
from lib.console import StepFailedError, note, step
from lib.environment import ROOT
from lib.question import QUESTION, Gateway
from lib.settings import Settings

OLDEST_PYTHON = (3, 11)
NEEDED_DISK_BYTES = 6 * 1024**3
NEEDED_MEMORY_BYTES = 3 * 1024**3
PATIENCE_WITHOUT_RUNTIME_SECONDS = 10.0
OFFLINE_FILES = "compose.yaml:compose.offline.yaml"


@dataclass(frozen=True)
class Address:
    """A published address of the stack."""

    service: str
    port_setting: str
    default_port: int
    title: str
    path: str = ""


GATEWAY = Address("gateway", "GATEWAY_PORT", 8000, "Gateway, OpenAI-compatible", "/v1")
ADDRESSES = (
    Address("chainlit", "CHAINLIT_PORT", 8080, "Chat"),
    Address("open-webui", "OPEN_WEBUI_PORT", 3000, "Open WebUI"),
    GATEWAY,
    Address("gateway", "GATEWAY_PORT", 8000, "What works and what does not", "/status"),
)


@dataclass(frozen=True)
class Runtime:
    """Which Foundry Local answers: ours in a container, and whether any is expected to."""

    embedded: bool
    expected: bool


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
    check_room()
    check_ports(settings)

    # From here on things change.
    step("Docker")
    engine = docker.ensure_engine(install=not options.no_install)
    describe(engine)

    step("Foundry Local")
    runtime, choices = choose_runtime(options, settings)

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
    ours = docker.answer("ps", "--filter", "label=com.docker.compose.service=edge")
    host = settings.get("BIND_ADDRESS", "127.0.0.1")
    for one in {entry.port_setting: entry for entry in ADDRESSES}.values():
        port = port_of(settings, one)
        if f":{port}->" not in ours and not is_free(host, port):
            raise StepFailedError(
                f"Port {port} on {host} is taken by another program.",
                f"End that program, or set {one.port_setting} in .env to a free port.",
            )
    note("ports are free, or ours already")


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if sys.platform != "win32":  # there it would allow two servers on one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


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


def choose_runtime(
    options: argparse.Namespace, settings: Settings
) -> tuple[Runtime, dict[str, str]]:
    """Decide which Foundry Local answers; returns it and the settings for it."""
    choices: dict[str, str] = {}
    own_url = settings.own("FOUNDRY_URL")
    if own_url:
        found = any(foundry.answers_at(url.strip()) for url in own_url.split(","))
        note(f"FOUNDRY_URL is {own_url}: {'it answers' if found else 'nothing answers there now'}")
    else:
        desktop = "Docker Desktop" in docker.answer("info", "--format", "{{.OperatingSystem}}")
        finding = foundry.find(desktop=desktop)
        found = finding.reachable
        if found:
            note(f"found it: {finding.how}")
        elif finding.port is not None:
            note(f"found it ({finding.how}), but containers cannot reach it. {finding.remedy}")
        else:
            note(f"none runs on this machine ({finding.how})")
        if found and finding.port != foundry.DEFAULT_PORT:
            choices["FOUNDRY_URL"] = finding.url

    profiles = [name for name in settings.own("COMPOSE_PROFILES").split(",") if name]
    embedded = options.embedded if options.embedded is not None else not found
    if embedded and "embedded" not in profiles:
        profiles.append("embedded")
    if "embedded" in profiles:
        note("starting Foundry Local in a container (profile `embedded`)")
    choices["COMPOSE_PROFILES"] = ",".join(profiles)
    runtime = Runtime("embedded" in profiles, found or "embedded" in profiles)
    return runtime, {name: value for name, value in choices.items() if value}


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
    """Start the services and wait until they are healthy."""
    stack.compose(
        *("up", "--detach", "--no-build", "--remove-orphans"),
        remedy="Mend what is said above, and run this again.",
        quiet=True,
    )
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


def address(settings: Settings, entry: Address, local_name: str = "127.0.0.1") -> str:
    """An address of the stack as this machine calls it."""
    bound = settings.get("BIND_ADDRESS", "127.0.0.1")
    host = local_name if bound in {"127.0.0.1", "0.0.0.0"} else bound  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{port_of(settings, entry)}"


def port_of(settings: Settings, entry: Address) -> int:
    """The port of an address.

    Raises:
        StepFailedError: the setting is not a port.
    """
    value = settings.get(entry.port_setting, str(entry.default_port))
    if not value.isdigit() or not 0 < int(value) < 2**16:
        raise StepFailedError(
            f"{entry.port_setting} must be a port between 1 and 65535, found {value!r}.",
            f"Change {entry.port_setting} in .env, or remove it there.",
        )
    return int(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
