"""Reading a script's command line: its docstring is its help, and wrong usage ends in 2."""

import argparse
import math
import sys
from typing import NoReturn

from lib.sources import values

LARGEST_PORT = 65_535


class Parser(argparse.ArgumentParser):
    """A parser whose help is a text; wrong usage is named first, then how it is meant.

    Args:
        usage: the script's docstring.
    """

    def __init__(self, usage: str | None) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self._text = usage or ""
        self.add_argument("-h", "--help", action="help")

    def format_help(self) -> str:
        """The script's docstring."""
        return self._text

    def error(self, message: str) -> NoReturn:
        """End the program with 2."""
        print(f"{message}\n\n{self._text}", file=sys.stderr)
        sys.exit(2)


def seconds(text: str) -> float:
    """A time in seconds.

    Raises:
        ArgumentTypeError: it is none, or waiting so long means nothing.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0, found {text!r}")
    return value


def port(text: str) -> int:
    """A port's number.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return values.whole_number(text, 1, LARGEST_PORT)
    except values.ValueRefusedError:
        raise argparse.ArgumentTypeError(
            f"expected a port from 1 to {LARGEST_PORT}, found {text!r}"
        ) from None
