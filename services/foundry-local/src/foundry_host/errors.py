"""What can go wrong, each with what to do about it.

* HostError

  * SettingsError: a setting has a bad value (exit code 2)
  * ModelDirectoryError: a directory cannot be served as a model
  * AddressError: the web service cannot listen where it should
  * FetchError: a model cannot be downloaded or loaded
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_common import runtime_words

if TYPE_CHECKING:
    from pathlib import Path


class HostError(Exception):
    """``message`` says what is wrong, ``remedy`` what to do; ``str()`` gives both."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class SettingsError(HostError):
    """A setting has a bad value."""


class ModelDirectoryError(HostError):
    """A directory cannot be served as a model.

    Args:
        path: The directory.
        problem: What is wrong with it, without its name; no full stop.
        remedy: What to do.
    """

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}.", remedy)
        self.path = path
        self.problem = problem


class AddressError(HostError):
    """The web service cannot listen where it should."""


class FetchError(HostError):
    """A model cannot be downloaded or loaded."""


def plain(error: BaseException) -> str:
    """The runtime's message as a person may see it: see ``foundry_common.runtime_words``."""
    return runtime_words.plain(str(error)) or type(error).__name__
