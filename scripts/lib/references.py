"""What Compose makes of a `$` in a value of .env.

Compose replaces `$NAME` and `${NAME}` in every value that is not in single quotes, and what is set
nowhere by nothing: a password of `pa$word` becomes `pa` without a word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lib.dotenv import DOUBLE, SINGLE, Assignment, UnreadableError

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"\$(?:(?P<escaped>\$)|(?P<named>{_NAME})|(?P<brace>\{{))")
_BRACED = re.compile(rf"(?P<name>{_NAME})(?:(?P<kind>:?[-+?])(?P<rest>.*))?")
_ESCAPE = re.compile(r"\\(?:[abcfnrtv$\"\\]|0[0-9]{0,3})", re.ASCII)
_MEANT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_OCTAL_DIGITS = 3
_LARGEST_OCTAL = 0o377


@dataclass(frozen=True)
class _Reference:
    """One `$NAME` or `${NAME…}`: as it was written, and its parts."""

    shown: str
    name: str
    kind: str = ""
    rest: str = ""


class _InvalidError(ValueError):
    """A reference that Compose refuses; the text is the reference."""


def expanded(one: Assignment, known: Mapping[str, str]) -> str:
    """The value that Compose takes it for.

    Args:
        one: the line.
        known: the environment, and what earlier lines have set.

    Raises:
        UnreadableError: Compose refuses a reference in it.
    """
    if one.quote == SINGLE:
        return one.value
    text = _unescaped(one.value) if one.quote == DOUBLE else one.value
    try:
        value = _substituted(text, known)
    except _InvalidError:
        raise UnreadableError(
            one.line,
            f"has a $ in {one.name} that begins no name of a variable, or one that is not set",
            "Write the value in single quotes, or each $ in it as $$",
        ) from None
    if "\0" in value:
        raise UnreadableError(one.line, "holds a character of number 0", "Delete it")
    return value


def unresolved(one: Assignment, known: Mapping[str, str]) -> str:
    """The first reference that stands for nothing, as it was written; empty where none does."""
    if one.quote == SINGLE:
        return ""
    missing: list[str] = []
    text = _unescaped(one.value) if one.quote == DOUBLE else one.value
    try:
        _substituted(text, known, missing)
    except _InvalidError as error:
        return str(error)
    return missing[0] if missing else ""


def is_verbatim(one: Assignment) -> bool:
    """Whether Compose takes a value as it was written, whatever is set elsewhere."""
    if one.quote == SINGLE:
        return True
    escapes = one.quote == DOUBLE and "\\" in one.value
    return "$" not in one.value.replace("$$", "") and not escapes


def _substituted(text: str, known: Mapping[str, str], missing: list[str] | None = None) -> str:
    """The text with its references replaced; those that stand for nothing are added to a list."""
    found: list[str] = []
    at = 0
    while match := _REFERENCE.search(text, at):
        found.append(text[at : match.start()])
        at = match.end()
        if match["escaped"]:
            found.append("$")
            continue
        if match["named"]:
            one = _Reference(match[0], match["named"])
        else:
            one = _braced(text, match.start())
            at = match.start() + len(one.shown)
        found.append(_replacement(one, known, missing))
    return "".join([*found, text[at:]])


def _braced(text: str, start: int) -> _Reference:
    """The reference in braces that begins here.

    Raises:
        _InvalidError: it is none.
    """
    end = _closing(text, start + 2)
    shown = text[start : end + 1] if end >= 0 else text[start:]
    inner = _BRACED.fullmatch(shown[2:-1]) if end >= 0 else None
    if inner is None:
        raise _InvalidError(shown)
    return _Reference(shown, inner["name"], inner["kind"] or "", inner["rest"] or "")


def _replacement(one: _Reference, known: Mapping[str, str], missing: list[str] | None) -> str:
    """What one reference stands for."""
    value = known.get(one.name, "")
    empty = not value if one.kind.startswith(":") else one.name not in known
    if one.kind.endswith("-"):
        default = _substituted(one.rest, known, missing if empty else None)
        return default if empty else value
    if one.kind.endswith("+"):
        other = _substituted(one.rest, known, None if empty else missing)
        return "" if empty else other
    if one.kind.endswith("?"):
        _substituted(one.rest, known)
        if empty:
            raise _InvalidError(one.shown)
    if one.name not in known and missing is not None:
        missing.append(one.shown)
    return value


def _closing(text: str, at: int) -> int:
    """Where the brace that was opened before this place is closed; -1 where it is not."""
    depth = 1
    while at < len(text):
        if text[at] == "}":
            depth -= 1
            if not depth:
                return at
        elif text.startswith("${", at):
            depth += 1
            at += 1
        at += 1
    return -1


def _unescaped(text: str) -> str:
    """A value in double quotes with its escapes replaced; an escaped `$` stays no reference."""

    def meant(match: re.Match[str]) -> str:
        sign = match[0][1]
        if sign == "$":
            return "$$"
        if sign == "0":
            digits = match[0][2:]
            octal = len(digits) == _OCTAL_DIGITS and digits < "8" and not set(digits) & set("89")
            number = int(digits, 8) if octal else _LARGEST_OCTAL + 1
            return chr(number) if number <= _LARGEST_OCTAL else f"\\{digits}"  # as Compose does
        return _MEANT.get(sign, sign)

    return _ESCAPE.sub(meant, text)
