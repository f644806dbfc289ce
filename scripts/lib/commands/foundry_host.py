"""Run Foundry Local on this machine, on its GPU or NPU where it has one, for the stack to use.

usage: python3 scripts/foundry_host.py [OPTION ...] [-- ARGUMENT ...]

Options:
  --model ALIAS     the model to download, if need be, and to load; may be repeated
                    (default: MODEL from the environment or .env, else phi-4-mini)
  --models-dir DIR  also serve every ONNX Runtime GenAI model directory in DIR
  --port N          the web service's port; the status server takes the next (default 51211)
  --url URL         listen exactly here instead, http://ADDRESS:PORT; may be repeated
  --loopback        listen for this machine only, not for its containers
  --prepare         install what is needed and end
  -h, --help        show this text

What follows `--` goes to `python -m foundry_host` as it is: --no-accelerate, --no-demo,
--no-public-catalog, --cache-dir DIR; `-- --help` lists them all.

It installs services/foundry-local/requirements.lock into .venv-foundry-host, once. On Windows and
macOS it listens on 127.0.0.1, which Docker Desktop carries into its containers. Docker Engine on
Linux does not: there it listens on Docker's bridge address as well, which containers and this
machine reach, and the network does not. Models and logs lie in ~/.foundry-chat. Ctrl-C ends it.

Exit codes: 0 ended when asked to, 1 a step failed, 2 wrong usage.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from lib import bridge, console, environment, holders, judgement
from lib.command_line import Parser, port
from lib.settings import Settings
from lib.sources import (
    AddressError,
    HostError,
    SettingsError,
    is_address,
    own_models,
    read_settings,
    require_free,
)

ROOT = environment.ROOT
SERVICE = ROOT / "services" / "foundry-local"
ENVIRONMENT = ROOT / ".venv-foundry-host"
DEFAULT_PORT = 51211
DEFAULT_MODEL = "phi-4-mini"


@console.for_people
def main(arguments: Sequence[str]) -> int:
    """Install and run; returns the exit code."""
    options = parse(arguments)
    try:
        console.step("Foundry Local on this machine")
        wanted = [] if options.prepare else checked(passed_on(options))
        python = environment.ensure(
            ENVIRONMENT,
            SERVICE / "requirements.lock",
            sources=(environment.COMMON, SERVICE / "src"),
        )
    except console.StepFailedError as error:
        return console.failure(error)
    except HostError as error:
        console.failure(console.StepFailedError(error.message, error.remedy))
        return 2 if isinstance(error, SettingsError) else 1
    if options.prepare:
        console.note(f"ready in {ENVIRONMENT.name}")
        return 0
    return serve([str(python), "-m", "foundry_host", *wanted])


def passed_on(options: argparse.Namespace) -> list[str]:
    """The command line of `python -m foundry_host`."""
    urls = options.url or [
        f"http://{address}:{options.port}"
        for address in bridge.addresses(loopback=options.loopback)
    ]
    named = options.model or any(word.partition("=")[0] == "--model" for word in options.rest)
    return [
        *pairs("--url", urls),
        *pairs("--model", options.model if named else wanted_models()),
        *([] if options.models_dir is None else ["--models-dir", options.models_dir]),
        *options.rest,
    ]


def checked(arguments: list[str]) -> list[str]:
    """Refuse what it would refuse, before anything is installed for it.

    Raises:
        HostError: an option cannot be used, or a port is taken.
    """
    settings = read_settings(arguments)
    own_models(settings)
    for address in settings.addresses:
        if not is_address(address.host):
            continue
        try:
            require_free((address,))
        except AddressError as error:
            held = [*holders.on(address.port), *holders.on(address.companion.port)]
            who = next((f" It is {one}." for one in held if one.pid), "")
            raise AddressError(f"{error.message}{who}", error.remedy) from None
    return arguments


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; the module's docstring is its help."""
    own, rest = list(arguments), []
    if "--" in own:
        cut = own.index("--")
        own, rest = own[:cut], own[cut + 1 :]
    parser = Parser(__doc__)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--models-dir")
    parser.add_argument("--port", type=port, default=DEFAULT_PORT)
    parser.add_argument("--url", action="append", default=[])
    parser.add_argument("--loopback", action="store_true")
    parser.add_argument("--prepare", action="store_true")
    options = parser.parse_args(own)
    options.rest = rest
    return options


def pairs(option: str, values: Sequence[str]) -> list[str]:
    """The option once for each value."""
    return [word for value in values for word in (option, value)]


def wanted_models() -> list[str]:
    """The model that the stack is set to ask for.

    Raises:
        StepFailedError: the settings cannot be read, or name none.
    """
    settings = Settings()
    for one in judgement.problems(settings):
        if one is settings.unreadable or one.setting == "MODEL":
            raise console.StepFailedError(f"{one.message}.", f"{one.remedy} Or give --model ALIAS.")
    return [settings.get("MODEL", DEFAULT_MODEL)]


def serve(command: list[str]) -> int:
    """Run the package in the foreground until it ends; returns its exit code."""
    if os.name == "posix":
        # This process becomes the other, so signals reach it with nobody in between.
        sys.stdout.flush()
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The console sends Ctrl-C to both; the other one ends by itself.
            continue
