"""What can go wrong, each with what to do about it.

* HostError

  * SettingsError: a setting has a bad value (exit code 2)
  * ModelDirectoryError: a directory cannot be served as a model
  * AddressError: the web service cannot listen where it should
  * FetchError: a model cannot be downloaded or loaded
"""

from __future__ import annotations

import re

_ORIGIN = re.compile(r"\w+\.(?:cc|h):\d+ ")


class HostError(Exception):
    """``message`` says what is wrong, ``remedy`` what to do; ``str()`` gives both."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class SettingsError(HostError):
    """A setting has a bad value."""


class ModelDirectoryError(HostError):
    """A directory cannot be served as a model."""


class AddressError(HostError):
    """The web service cannot listen where it should."""


class FetchError(HostError):
    """A model cannot be downloaded or loaded."""


def plain(error: BaseException) -> str:
    """The runtime's message without the C++ source line and signature that it begins with."""
    text = str(error).strip()
    origin = _ORIGIN.match(text)
    if origin:
        depth = 0
        for position in range(origin.end(), len(text)):
            depth += {"(": 1, ")": -1}.get(text[position], 0)
            if text[position] == ")" and depth == 0:
                text = text[position + 1 :].removeprefix(" const").strip()
                break
    return text.rstrip(".") or type(error).__name__
