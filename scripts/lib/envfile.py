"""The text of .env as people save it: UTF-8 with or without a mark; everything else in words."""

import codecs
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from lib.console import StepFailedError
from lib.environment import ROOT, hand_over
from lib.foundry import python

_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_UTF_32 = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
_ONE_BYTE = "cp1252"
"""What Windows saves western texts in that are not Unicode; Latin-1 is a part of it."""


@dataclass(frozen=True)
class Problem:
    """A setting, or a file of settings, that cannot be used.

    Attributes:
        setting: its name, or what of the file is meant.
        message: what was expected and what was found; never a secret.
        remedy: what mends it.
    """

    setting: str
    message: str
    remedy: str


class FileRefusedError(ValueError):
    """The file cannot be read as text.

    Attributes:
        problem: what is wrong with it, and what mends it.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.problem = Problem("file", message, remedy)


def text_of(path: Path) -> str:
    """The file's text as it stands, its line ends and its mark included; empty without a file.

    Bytes that are no UTF-8 are kept as lone surrogates, so that writing gives them back.

    Raises:
        FileRefusedError: it is no file, may not be read, or is UTF-16 or UTF-32.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _unreadable(path, error) from None
    encoding = _encoding(content)
    if encoding:
        raise FileRefusedError(
            f"{path.name} cannot be read: it is saved as {encoding.upper()}, and Docker Compose "
            f"reads UTF-8 (in PowerShell, > and Out-File write UTF-16)",
            save_again(path, encoding),
        )
    return content.decode("utf-8", "surrogateescape")


def write(path: Path, text: str) -> None:
    """Write a text of `text_of`, every byte that is not changed as it was.

    Raises:
        StepFailedError: this user may not write it.
    """
    is_new = not path.exists()
    try:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        if is_new:
            hand_over(path)
    except OSError as error:
        problem = f"{path.name} cannot be written: {error.strerror or type(error).__name__}."
        remedy = f"Let yourself write it: {_let_me(path)}"
        if error.errno not in {errno.EACCES, errno.EPERM}:
            remedy = "Mend that on this machine, and run this again."
        raise StepFailedError(problem, remedy) from None


def save_again(path: Path, encoding: str = _ONE_BYTE) -> str:
    """The command that makes a file UTF-8, the same in every shell of every system."""
    name = _shown(path)
    code = (
        f"p=__import__('pathlib').Path({name!r}); p.write_text(p.read_text({encoding!r}),'utf-8')"
    )
    return f'Save it as UTF-8: {python()} -c "{code}"'


def lost_extension(path: Path) -> Problem | None:
    """The settings saved under another name, as editors and Explorer do that hide it."""
    if path.name != ".env" or path.exists():
        return None
    for other in (".env.txt", "env.txt", "env", ".env.env", ".env.rtf"):
        if path.with_name(other).is_file():
            move = "ren" if os.name == "nt" else "mv"
            return Problem(
                "file",
                f"there is no .env, but {other}, which nothing reads (Windows hides such endings)",
                f"Rename it: {move} {other} .env",
            )
    return None


def _unreadable(path: Path, error: OSError) -> FileRefusedError:
    name = _shown(path)
    if path.is_dir():
        remedy = f"Remove or rename the folder {name}; the settings go into a file of that name."
        return FileRefusedError(f"{path.name} cannot be read: it is a folder", remedy)
    why = error.strerror or type(error).__name__
    if error.errno in {errno.EACCES, errno.EPERM}:
        return FileRefusedError(
            f"{path.name} cannot be read: {why}", f"Let yourself read it: {_let_me(path)}"
        )
    return FileRefusedError(
        f"{path.name} cannot be read: {why}",
        f"Remove {name}, or put a file of text there; .env.example has every setting.",
    )


def _let_me(path: Path) -> str:
    """The command that lets this user read and write a file, or make one in its folder."""
    there = path if path.exists() else path.parent
    name = _shown(there)
    if os.name == "nt":
        return f'icacls "{name}" /grant "%USERNAME%:M"'
    if there.stat().st_uid == os.geteuid():
        return f"chmod u+rw '{name}'"
    return f"sudo chown $(id -u) '{name}'"  # made by an earlier run as root, most likely


def _encoding(content: bytes) -> str:
    """The encoding of a text that is not made of single bytes; empty where it is."""
    for marks in (_UTF_32, _UTF_16):
        for mark, encoding in marks.items():
            if content.startswith(mark):
                return encoding
    # Without a mark: of ASCII letters every other byte is 0.
    pairs = content[: len(content) // 2 * 2]
    for encoding, zeros in (("utf-16-le", pairs[1::2]), ("utf-16-be", pairs[0::2])):
        if len(pairs) > 2 and zeros.count(0) * 2 > len(zeros):  # noqa: PLR2004
            return encoding
    return ""


def _shown(path: Path) -> str:
    """A file as it is named in the repository's folder, where commands are typed."""
    try:
        return path.absolute().relative_to(ROOT).as_posix()
    except ValueError:
        return str(path)
