"""The settings of the stack: the environment first, then .env, as Docker Compose reads them."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from lib.dotenv import Assignment, UnreadableError, assignments, written
from lib.envfile import FileRefusedError, Problem, save_again, text_of, write
from lib.environment import ROOT
from lib.references import expanded

BLOCK_START = "# >>> written by scripts/up.py, so that plain `docker compose` sees the same stack"
PROFILES = "COMPOSE_PROFILES"
BLOCK_END = "# <<< delete these lines to have it choose again"
_BLOCK = re.compile(
    rf"^{re.escape(BLOCK_START)}\r?\n(?P<lines>.*?)^{re.escape(BLOCK_END)}[ \t]*(?:\r?\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
_OPENED = re.compile(rf"^{re.escape(BLOCK_START)}\r?\n", re.MULTILINE)
_CHOSEN = re.compile(r"(?:FOUNDRY_URL|COMPOSE_(?:PROFILES|FILE|PATH_SEPARATOR)|BUILD_[A-Z_]+)=")
"""What `up.py` writes into its block; another line in there is the user's."""


def env_file(environment: Mapping[str, str] = os.environ) -> Path:
    """The file with the user's settings: Compose's own variable names another one."""
    return ROOT / (environment.get("COMPOSE_ENV_FILES", "").split(",")[0] or ".env")


def parse(text: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Read `NAME=value` lines as Compose does, references to variables included.

    The last line of a name counts; quotes around a value do not.

    Args:
        text: of the file.
        environment: where else a variable may be set.

    Raises:
        UnreadableError: Compose refuses what stands there.
    """
    values: dict[str, str] = {}
    for one in assignments(text):
        values[one.name] = expanded(one, {**values, **(environment or {})})
    return values


def without_block(text: str) -> str:
    """The text as the user wrote it, without the lines of `with_block`."""

    def users(match: re.Match[str]) -> str:
        lines = match["lines"].splitlines(keepends=True)
        return "".join(line for line in lines if not _CHOSEN.match(line))

    return _OPENED.sub("", _BLOCK.sub(users, text))


def with_block(text: str, values: Mapping[str, str]) -> str:
    """The text with these values in a marked block at its end; nothing to say leaves no block.

    Its lines end as those of the text do.

    Raises:
        ValueError: a name is none of those that `without_block` takes away again.
    """
    if not all(_CHOSEN.match(f"{name}=") for name in values):
        raise ValueError(f"not all of these are chosen by up.py: {', '.join(values)}")
    own = without_block(text)
    if not values:
        return own
    end = "\r\n" if "\r\n" in own else "\n"
    if own and not own.endswith("\n"):
        own += end
    lines = [f"{name}={written(value)}" for name, value in values.items()]
    return own + end.join([BLOCK_START, *lines, BLOCK_END, ""])


class Settings:
    """What the user has set, and what an earlier run of `up.py` wrote down.

    Args:
        environment: the process's environment; wins over the file, as in Compose.
        path: the .env file; need not exist.

    Attributes:
        unreadable: why the file cannot be read, and what mends it; the environment alone counts
            then.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, path: Path | None = None
    ) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self.path = path or env_file(self._environment)
        self.unreadable = None if path else self._misnamed()
        self._text = ""
        self._own: dict[str, str] = {}
        self._all: dict[str, str] = {}
        if self.unreadable is None:
            self._read()

    def _misnamed(self) -> Problem | None:
        """Why Compose would not read this file, where a variable of its own decides that."""
        name = "COMPOSE_ENV_FILES"
        named = self._environment.get(name, "")
        switch = "COMPOSE_DISABLE_ENV_FILE"
        is_on = self._environment.get(switch, "").lower() not in {"", "0", "f", "false"}
        if is_on and not named and self.path.exists():
            return Problem(
                switch,
                f"{switch} keeps Compose from reading {self.path.name}",
                "Unset it, or set what you need in the environment and rename that file.",
            )
        if "," in named:
            return Problem(
                name,
                f"{name} names several files, and these scripts read one",
                "Put the settings into one .env, and unset it.",
            )
        if named and not os.path.lexists(self.path):
            return Problem(
                name,
                f"{name} names {named!r}, which is not there",
                "Name a file that is there, or unset it: .env is read then.",
            )
        return None

    def _read(self) -> None:
        try:
            text = text_of(self.path)
            own, everything = (parse(one, self._environment) for one in (without_block(text), text))
            self.unreadable = self._not_utf_8(text)
        except FileRefusedError as refused:
            self.unreadable = refused.problem
        except UnreadableError as error:
            name = self.path.name
            self.unreadable = Problem(
                f"line-{error.line}",
                f"line {error.line} of {name} {error.problem}",
                f"{error.remedy}, in {name}.",
            )
        if self.unreadable is None:
            self._text, self._own, self._all = text, own, everything

    def _not_utf_8(self, text: str) -> Problem | None:
        """A setting with bytes for which Compose would put a mark of its own; comments may."""
        for one in assignments(text):
            if any("\udc80" <= sign <= "\udcff" for sign in one.name + one.value):
                return Problem(
                    f"line-{one.line}",
                    f"line {one.line} of {self.path.name} is not saved as UTF-8, and would reach "
                    f"the stack as something else",
                    save_again(self.path),
                )
        return None

    def own(self, name: str) -> str:
        """A value that the user has set, or nothing."""
        return self._environment.get(name, self._own.get(name, ""))

    def place(self, name: str) -> str:
        """Where a setting is changed, as a sentence goes on after "in"."""
        if name not in self._environment:
            return self.path.name
        return f"the environment, which wins over {self.path.name}"

    def overruled(self) -> list[str]:
        """The names to which the environment gives another value than the file."""
        return [name for name, value in self._own.items() if self.own(name) != value]

    def repeated(self) -> list[str]:
        """The names that the user has set more than once in the file."""
        names = Counter(one.name for one in assignments(without_block(self._text)))
        return [name for name, times in names.items() if times > 1]

    def get(self, name: str, default: str = "") -> str:
        """A value that the user has set or an earlier run wrote down, or the default."""
        return self._environment.get(name, self._all.get(name, "")) or default

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

    def own_names(self) -> list[str]:
        """The names that the file sets, by the user."""
        return list(self._own)

    def environment_of_compose(self) -> dict[str, str]:
        """The environment in which Compose is asked about these settings: it still finds itself."""
        needed = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "DOCKER_CONFIG", "ProgramFiles")
        inherited = {name: os.environ[name] for name in needed if name in os.environ}
        return {**inherited, **self._environment}

    def names(self) -> set[str]:
        """Every name that has a value: of the environment, the user's own, and written down."""
        return self._environment.keys() | self._all.keys()

    def remember(self, values: Mapping[str, str]) -> bool:
        """Write down what this run chose; returns whether the file changed.

        What the user has set is left to the user; to a list of profiles a choice may add one.
        A file that cannot be read is left alone.

        Raises:
            StepFailedError: it may not be written.
        """
        if self.unreadable:
            return False
        chosen = {
            name: value
            for name, value in values.items()
            if not self.own(name) or (name == PROFILES and value != self.own(name))
        }
        text = with_block(self._text, chosen)
        if text == self._text:
            return False
        write(self.path, text)
        self._text, self._all = text, parse(text, self._environment)
        return True
