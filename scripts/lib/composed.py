"""What Compose itself reads in .env, held against what these scripts read: never two truths.

`docker compose config --environment` came after the oldest Compose that is supported, so a file of
one service, which is never started, asks for every name. No engine is needed.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping

from lib import docker
from lib.envfile import Problem
from lib.environment import ROOT
from lib.rules import RULES, SECRETS
from lib.settings import Settings
from lib.sources import values

SECONDS = 30
_REFERABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOLLAR = "foundry-chat.dollar"


class ComposeRefusesError(ValueError):
    """Compose refuses the settings; the text is its own, without values."""


def disagreements(settings: Settings) -> list[Problem]:
    """Where Compose refuses .env, or reads another value in it; none where it is not installed."""
    if settings.unreadable or not docker.answer("compose", "version", "--short"):
        return []
    name = settings.path.name
    names = sorted(
        {*RULES, *settings.own_names()} - {"COMPOSE_PROJECT_NAME"}
    )  # it finds one by itself
    try:
        its = read_by_compose(settings, filter(_REFERABLE.fullmatch, names))
    except ComposeRefusesError as refused:
        return [Problem("file", f"Compose refuses {name}: {refused}", f"Mend that in {name}.")]
    return [
        Problem(
            one,
            f"{one}: Compose does not read it as these scripts do" + _both(settings, one, value),
            f"Write the value in single quotes in {name}.",
        )
        for one, value in its.items()
        if value != settings.get(one)
    ]


def read_by_compose(settings: Settings, names: Iterable[str]) -> Mapping[str, str]:
    """The values that Compose interpolates with; empty ones for what is not set.

    Raises:
        ComposeRefusesError: it refuses the file or a setting of its own in it.
    """
    asked = {name: f"${{{name}-}}" for name in names}
    model = {"services": {"a": {"image": "a", "environment": asked, "labels": {_DOLLAR: "$$"}}}}
    file = ["--env-file", str(settings.path.absolute())] if settings.path.exists() else []
    try:
        done = subprocess.run(
            [
                *(shutil.which("docker") or "docker", "compose", "--project-directory", str(ROOT)),
                *(*file, "--file", "-", "config", "--format", "json"),
            ],
            cwd=ROOT,
            env=settings.environment_of_compose(),
            input=json.dumps(model).encode(),
            check=False,
            capture_output=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ComposeRefusesError(f"it has not answered in {SECONDS} s") from None
    except OSError as error:
        raise ComposeRefusesError(f"docker does not start: {error.strerror}") from None
    if done.returncode:
        raise ComposeRefusesError(_words(done.stderr.decode("utf-8", "replace")))
    service = json.loads(done.stdout)["services"]["a"]
    # Some versions write each $ twice, so that their output is a Compose file again.
    dollar = service["labels"][_DOLLAR]
    told = service["environment"]
    return {name: str(told[name] or "").replace(dollar, "$") for name in asked}


def _words(complaint: str) -> str:
    """Compose's last line up to what it quotes from the file: that may be a secret."""
    lines = [line for line in complaint.splitlines() if line.strip()]
    said = re.sub(r"^failed to read .*?\.env: ", "", lines[-1].strip()) if lines else ""
    return re.split("[\"'`]|(?<=missing a value):", said)[0].strip(" :") or "without a reason"


def _both(settings: Settings, name: str, value: str) -> str:
    """Both readings in words; a secret is not shown."""
    if name in SECRETS:
        return ""
    return f", but as {values.quoted(value)} instead of {values.quoted(settings.get(name))}"
