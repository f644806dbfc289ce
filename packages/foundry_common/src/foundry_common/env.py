"""Settings from an environment, each by the rule of ``values``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from foundry_common import values
from foundry_common.values import ValueRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class SettingsError(Exception):
    """A setting is missing or has a value that cannot be used.

    Args:
        name: The environment variable.
        problem: What was expected and what was found.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class Reader:
    """Reads one environment; an empty value counts as unset, as Compose passes them so.

    Every method raises ``SettingsError`` where a value cannot be used.

    Args:
        env: The environment.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def optional(self, name: str) -> str | None:
        """A text without surrounding blanks, or None."""
        return self._env.get(name, "").strip() or None

    def text(self, name: str, default: str) -> str:
        """A text without surrounding blanks."""
        return self.optional(name) or default

    def value(self, name: str, rule: Callable[[str], T]) -> T | None:
        """A value by a rule of ``values``, or None."""
        text = self.optional(name)
        if text is None:
            return None
        try:
            return rule(text)
        except ValueRefusedError as refused:
            raise SettingsError(name, str(refused)) from None

    def or_else(self, name: str, rule: Callable[[str], T], default: T) -> T:
        """A value by a rule of ``values``, or the default."""
        value = self.value(name, rule)
        return default if value is None else value

    def integer(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        """A whole number in a range."""
        return self.or_else(name, lambda text: values.whole_number(text, least, most), default)

    def seconds(
        self,
        name: str,
        default: float,
        *,
        zero: bool = False,
        least: float = 0.0,
        most: float = float("inf"),
    ) -> float:
        """A duration in seconds."""
        return self.or_else(
            name, lambda text: values.seconds(text, zero=zero, least=least, most=most), default
        )

    def switch(self, name: str, *, default: bool) -> bool:
        """An on/off setting."""
        return self.or_else(name, values.switch, default)

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of several words."""
        return self.or_else(name, lambda text: values.choice(text, allowed), default)

    def secret(self, name: str, rule: Callable[[str], str] = lambda text: text) -> str | None:
        """A secret, or the content of the file that NAME_FILE names; the text is never shown."""
        value = self.optional(name)
        path = self.optional(f"{name}_FILE")
        if value is None and path is None:
            return None
        source = name
        if value is None and path is not None:
            source = f"{name}_FILE"
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(source, f"cannot read {path}: {error}") from None
        if not value:
            raise SettingsError(source, f"{path} is empty")
        try:
            return rule(value)
        except ValueRefusedError as refused:
            raise SettingsError(source, str(refused)) from None
