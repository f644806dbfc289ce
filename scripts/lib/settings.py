"""The settings of the stack: the environment first, then .env, as Docker Compose reads them."""

import os
from collections.abc import Mapping
from pathlib import Path

from lib.environment import ROOT
from lib.references import Assignment, assignments, expanded

BLOCK_START = "# >>> written by scripts/up.py, so that plain `docker compose` sees the same stack"
PROFILES = "COMPOSE_PROFILES"
BLOCK_END = "# <<< delete these lines to have it choose again"


def env_file(environment: Mapping[str, str] = os.environ) -> Path:
    """The file with the user's settings: Compose's own variable names another one."""
    named = environment.get("COMPOSE_ENV_FILES", "").split(",")[0]
    return Path(named) if named else ROOT / ".env"


def parse(text: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Read `NAME=value` lines as Compose does, references to variables included.

    The last line of a name counts; quotes around a value do not.

    Args:
        text: of the file.
        environment: where else a variable may be set.
    """
    values: dict[str, str] = {}
    for one in assignments(text):
        values[one.name] = expanded(one, {**values, **(environment or {})})
    return values


def without_block(text: str) -> str:
    """The text as the user wrote it, without the lines of `with_block`."""
    before, start, rest = text.partition(BLOCK_START + "\n")
    if not start:
        return text
    _, _, after = rest.partition(BLOCK_END + "\n")
    return before + after


def with_block(text: str, values: Mapping[str, str]) -> str:
    """The text with these values in a marked block at its end; nothing to say leaves no block."""
    own = without_block(text)
    if not values:
        return own
    if own and not own.endswith("\n"):
        own += "\n"
    lines = [f"{name}={value}" for name, value in values.items()]
    return "\n".join([own + BLOCK_START, *lines, BLOCK_END, ""])


class Settings:
    """What the user has set, and what an earlier run of `up.py` wrote down.

    Args:
        environment: the process's environment; wins over the file, as in Compose.
        path: the .env file; need not exist.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, path: Path | None = None
    ) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self.path = path or env_file(self._environment)
        self._text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        self._own = parse(without_block(self._text), self._environment)
        self._all = parse(self._text, self._environment)

    def own(self, name: str) -> str:
        """A value that the user has set, or nothing."""
        return self._environment.get(name) or self._own.get(name, "")

    def get(self, name: str, default: str = "") -> str:
        """A value that the user has set or an earlier run wrote down, or the default."""
        return self._environment.get(name) or self._all.get(name, "") or default

    def lines(self) -> list[tuple[Assignment, dict[str, str]]]:
        """The file's settings that count, each with what is set where it stands."""
        known: dict[str, str] = {}
        found: dict[str, tuple[Assignment, dict[str, str]]] = {}
        for one in assignments(self._text):
            around = {**known, **self._environment}
            if one.name not in self._environment:
                found[one.name] = (one, around)
            known[one.name] = expanded(one, around)
        return list(found.values())

    def names(self) -> set[str]:
        """Every name that has a value: of the environment, the user's own, and written down."""
        return self._environment.keys() | self._all.keys()

    def remember(self, values: Mapping[str, str]) -> bool:
        """Write down what this run chose; returns whether the file changed.

        What the user has set is left to the user; to a list of profiles a choice may add one.
        """
        chosen = {
            name: value
            for name, value in values.items()
            if not self.own(name) or (name == PROFILES and value != self.own(name))
        }
        text = with_block(self._text, chosen)
        if text == self._text:
            return False
        self.path.write_text(text, encoding="utf-8", newline="\n")
        self._text, self._all = text, parse(text, self._environment)
        return True
