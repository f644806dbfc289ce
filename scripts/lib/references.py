"""Lines of .env, and what Compose makes of a `$` in them.

Compose replaces `$NAME` and `${NAME}` in every value that is not in single quotes, and what is set
nowhere by nothing: a password of `pa$word` becomes `pa` without a word.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SINGLE, DOUBLE = "'", '"'
_REFERENCE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<named>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[^{}]*)(?P<end>\}?))"
)
_BRACED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rule>(?::?[-+?]).*)?", re.DOTALL)


@dataclass(frozen=True)
class Assignment:
    """One `NAME=value` line.

    Attributes:
        name: of the setting.
        value: without its quotes, as it was written.
        quote: which quotes it stood in; empty without.
    """

    name: str
    value: str
    quote: str = ""


def assignments(text: str) -> Iterator[Assignment]:
    """The settings of a file, in its order."""
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        quote = value[:1] if value[:1] in {DOUBLE, SINGLE} else ""
        value = value[1:].partition(quote)[0] if quote else value.partition(" #")[0].rstrip()
        yield Assignment(name.strip(), value, quote)


def expanded(one: Assignment, known: Mapping[str, str]) -> str:
    """The value that Compose takes it for.

    Args:
        one: the line.
        known: the environment, and what earlier lines have set.
    """
    if one.quote == SINGLE:
        return one.value

    def replaced(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name, rule = _named(match)
        if name is None:
            return match[0]
        value = known.get(name, "")
        empty = not value if rule.startswith(":") else name not in known
        kind, default = rule.lstrip(":")[:1], rule.lstrip(":")[1:]
        if kind == "-":
            return default if empty else value
        if kind == "+":
            return "" if empty else default
        return value

    return _REFERENCE.sub(replaced, one.value)


def unresolved(one: Assignment, known: Mapping[str, str]) -> str:
    """The first reference that stands for nothing, as it was written; empty where none does."""
    if one.quote == SINGLE:
        return ""
    for match in _REFERENCE.finditer(one.value):
        if match["escaped"]:
            continue
        name, rule = _named(match)
        if name is None or (name not in known and rule.lstrip(":")[:1] not in {"-", "+"}):
            return match[0]
    return ""


def is_verbatim(one: Assignment) -> bool:
    """Whether Compose takes a value as it was written, whatever is set elsewhere."""
    if one.quote == SINGLE:
        return True
    escapes = one.quote == DOUBLE and "\\" in one.value
    return "$" not in one.value.replace("$$", "") and not escapes


def _named(match: re.Match[str]) -> tuple[str | None, str]:
    """The variable that is meant, and what is to be done where it is not set."""
    if match["named"]:
        return match["named"], ""
    inner = _BRACED.fullmatch(match["braced"]) if match["end"] else None
    return (inner["name"], inner["rule"] or "") if inner else (None, "")
