"""The grammar of .env, as Docker Compose reads it; tests hold the two together.

A file that Compose refuses is refused here too, in words that show no value: it may be a secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SINGLE, DOUBLE = "'", '"'
BOM = "\ufeff"
_BLANKS = "\t\v\f\r \x85\xa0"
"""What Compose skips within a line."""
_EXPORT = re.compile(r"export[\t\n\f\r ]+")
_NAME_MARKS = frozenset("_.-[]")
_QUOTED_NAME_LENGTH = 40
_SIMPLE = re.compile(r"[\w./:\\,@%+-]*", re.ASCII)


class UnreadableError(ValueError):
    """Something in the file that Compose refuses.

    Attributes:
        problem: what was found, as a sentence goes on after the line's number.
        remedy: what mends it.
        line: its number, from 1.
    """

    def __init__(self, line: int, problem: str, remedy: str) -> None:
        super().__init__(f"line {line} {problem}")
        self.line = line
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Assignment:
    """One `NAME=value`, which may go over several lines within quotes.

    Attributes:
        name: of the setting.
        value: without its quotes; references and, in double quotes, escapes stand as written.
        quote: which quotes it stood in; empty without.
        line: the number of its line, from 1.
        rest: what follows the closing quote in that line and is no comment; Compose does not
            take it for a part of the value.
    """

    name: str
    value: str
    quote: str = ""
    line: int = 0
    rest: str = ""


def assignments(text: str) -> Iterator[Assignment]:
    """The settings of a file, in its order.

    Raises:
        UnreadableError: Compose refuses what stands there.
    """
    source = text.removeprefix(BOM)
    at = _next_statement(source, 0)
    while at < len(source):
        line = source.count("\n", 0, at) + 1
        name, at, has_value = _name(source, at, line)
        if has_value:
            one, at = _value(source, at, name, line)
            yield one
        at = _next_statement(source, at)


def written(value: str) -> str:
    """A value in the form in which Compose reads exactly that."""
    if _SIMPLE.fullmatch(value):
        return value
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("$", "$$"), ("\n", "\\n"), ("\r", "\\r")):
        value = value.replace(plain, escaped)
    return f'"{value}"'


def _next_statement(source: str, at: int) -> int:
    """Where the next statement begins, past blanks, empty lines and comments."""
    while at < len(source):
        if source[at] == "#":
            end = source.find("\n", at)
            at = end if end >= 0 else len(source)
        elif not _is_space(source[at]):
            break
        else:
            at += 1
    return at


def _name(source: str, at: int, line: int) -> tuple[str, int, bool]:
    """The name that begins here, where its value begins, and whether it has one."""
    exported = _EXPORT.match(source, at)
    if exported:
        at += len("export")
        while at < len(source) and source[at] in _BLANKS:
            at += 1
    for end in range(at, len(source)):
        sign = source[end]
        if sign in "=:\n":
            name = source[at:end].rstrip()
            if sign == "\n" and not name:
                return "", end, False  # `export` alone
            if " " in name or not name:
                raise _no_name(source, at, line)
            return name, end + 1, sign != "\n"
        if sign not in _NAME_MARKS and sign not in _BLANKS and not _is_letter(sign):
            raise _no_name(source, at, line)
    raise _no_name(source, at, line)  # Compose wants an end of the line behind a name alone


def _value(source: str, at: int, name: str, line: int) -> tuple[Assignment, int]:
    """The value that begins here, and where it ends."""
    while at < len(source) and source[at] in _BLANKS:
        at += 1
    quote = source[at : at + 1]
    if quote in {SINGLE, DOUBLE}:
        value, end = _quoted(source, at, line)
        rest = source[end:].partition("\n")[0].strip()
        return Assignment(name, value, quote, line, "" if rest.startswith("#") else rest), end
    whole = source[at:].partition("\n")[0]
    value = _without_blanks_behind(whole.partition(" #")[0])
    if "\0" in value:
        raise UnreadableError(line, "holds a character of number 0", "Delete it")
    return Assignment(name, value, "", line), at + len(whole)


def _quoted(source: str, at: int, line: int) -> tuple[str, int]:
    """The value in quotes that begins here, and where what follows begins."""
    quote = source[at]
    found: list[str] = []
    end = at + 1
    while end < len(source):
        sign = source[end]
        follows = source[end + 1 : end + 2]
        if sign == quote:
            value = "".join(found)
            if "\0" in value:
                raise UnreadableError(line, "holds a character of number 0", "Delete it")
            return value, end + 1
        if sign == "\\" and follows:
            found.append(follows if follows == quote else sign + follows)
            end += 2
        else:
            found.append(sign)
            end += 1
    raise UnreadableError(
        line,
        f"opens a quote {quote} that nothing closes",
        f"Close it with {quote} at the value's end, or take it away",
    )


def _no_name(source: str, at: int, line: int) -> UnreadableError:
    shown = source[at:].partition("\n")[0].partition("=")[0].strip()
    shown = shown[:_QUOTED_NAME_LENGTH] + "…" * (len(shown) > _QUOTED_NAME_LENGTH)
    return UnreadableError(
        line,
        f"is not NAME=value: {shown!r} is no name of a setting",
        "Mend it, or put a # before it",
    )


def _is_space(sign: str) -> bool:
    """Whether Go's unicode.IsSpace takes it for one; Python knows four separators more."""
    return sign.isspace() and not "\x1c" <= sign <= "\x1f"


def _without_blanks_behind(text: str) -> str:
    while text and _is_space(text[-1]):
        text = text[:-1]
    return text


def _is_letter(sign: str) -> bool:
    """Whether Go takes it for a letter or a number of any script."""
    return sign.isalpha() or sign.isnumeric()
