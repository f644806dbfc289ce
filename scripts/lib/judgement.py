"""What is wrong with the settings, each with what to do: for the doctor, and before a start."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lib.addresses import ADDRESSES
from lib.environment import ROOT
from lib.references import is_verbatim, unresolved
from lib.rules import PORTS, RULES, SECRETS, Refused
from lib.settings import Settings
from lib.sources import values

_DEFAULT_PORTS = {entry.port_setting: entry.default_port for entry in ADDRESSES}
_OUR_FILES = frozenset({"compose.yaml", "compose.offline.yaml", "compose.dev.yaml"})
_PROFILES = re.compile(r"^\s+profiles:\s*\[([^\]]*)\]", re.MULTILINE)
_LITERALLY = "write it in single quotes, or each $ in it as $$"


@dataclass(frozen=True)
class Problem:
    """A setting that cannot be used.

    Attributes:
        setting: its name.
        message: what was expected and what was found; never a secret.
        remedy: what mends it.
    """

    setting: str
    message: str
    remedy: str


def problems(settings: Settings) -> list[Problem]:
    """Everything that is wrong with the settings, by name; a name is told of once."""
    found: dict[str, Problem] = {}
    for one in (*_references(settings), *_values(settings), *_across(settings)):
        found.setdefault(one.setting, one)
    return list(found.values())


def _references(settings: Settings) -> Iterator[Problem]:
    """Values that reach the services otherwise than they were written."""
    for one, known in settings.lines():
        if one.name not in RULES:
            continue
        reference = unresolved(one, known)
        if one.name in SECRETS and one.value and not is_verbatim(one):
            yield Problem(
                one.name,
                f"{one.name}: Compose changes what is written with a $ or \\ in it, so the secret "
                f"would be another than you think",
                f"In {settings.path.name}, {_LITERALLY}.",
            )
        elif reference:
            yield Problem(
                one.name,
                f"{one.name}: {values.quoted(reference)} in it stands for nothing that is set",
                f"Set it in a line above, or {_LITERALLY}, in {settings.path.name}.",
            )


def _values(settings: Settings) -> Iterator[Problem]:
    """Values that a part of the stack would refuse or misread when it starts."""
    for name, rule in RULES.items():
        text = settings.get(name)
        if not text.strip():
            if text and name not in SECRETS:
                yield _mend(settings, name, "expected a value, found only blanks")
            continue
        try:
            rule(text)
        except Refused as refused:
            yield _mend(settings, name, str(refused))


def _across(settings: Settings) -> Iterator[Problem]:
    """Values that do not go together."""
    yield from _ports(settings)
    yield from _open_webui(settings)
    yield from _compose(settings)


def _ports(settings: Settings) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for name in PORTS:
        number = settings.get(name, str(_DEFAULT_PORTS[name])).strip().lstrip("0")
        if number in taken:
            yield Problem(
                name,
                f"{taken[number]} and {name} are both {number[:20]}",
                f"Give one of them another port in {settings.path.name}.",
            )
        taken[number] = name


def _open_webui(settings: Settings) -> Iterator[Problem]:
    if settings.get("WEBUI_ADMIN_EMAIL") and not settings.get("WEBUI_ADMIN_PASSWORD"):
        yield Problem(
            "WEBUI_ADMIN_PASSWORD",
            "WEBUI_ADMIN_EMAIL names an administrator without a password",
            f"Set WEBUI_ADMIN_PASSWORD in {settings.path.name} too, or remove both.",
        )
    try:
        sign_in = values.switch(settings.get("WEBUI_AUTH", "yes"))
        address = values.bind_address(settings.get("BIND_ADDRESS", "127.0.0.1"))
    except Refused:
        return  # said already
    if not sign_in and not address.is_loopback:
        yield Problem(
            "WEBUI_AUTH",
            f"WEBUI_AUTH is off, which makes everybody who connects the administrator, and "
            f"BIND_ADDRESS {address} lets other machines connect",
            f"Remove one of the two from {settings.path.name}.",
        )


def _compose(settings: Settings) -> Iterator[Problem]:
    separator = settings.get("COMPOSE_PATH_SEPARATOR", os.pathsep)
    files = [name for name in settings.get("COMPOSE_FILE", "compose.yaml").split(separator) if name]
    for name in files:
        try:
            there = (ROOT / name).is_file()
        except (OSError, ValueError):
            there = False
        if not there:
            yield _mend(
                settings,
                "COMPOSE_FILE",
                f"expected files separated by {separator}, and there is no {values.quoted(name)}",
            )
            return
    if not set(files) <= _OUR_FILES:
        return  # somebody's own files may bring profiles of their own
    known = sorted({one for name in files for one in _profiles(name)})
    for profile in settings.get("COMPOSE_PROFILES").split(","):
        if profile and profile != "*" and profile not in known:
            yield _mend(
                settings,
                "COMPOSE_PROFILES",
                f"expected {' or '.join(known)}, found {values.quoted(profile)}",
            )


def _profiles(name: str) -> list[str]:
    """The profiles that one of our files knows."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [one.strip() for found in _PROFILES.findall(text) for one in found.split(",")]


def _mend(settings: Settings, name: str, problem: str) -> Problem:
    path = settings.path.name
    return Problem(
        name,
        f"{name}: {problem}",
        f"Mend {name} in {path}, or remove it there, then: docker compose up -d",
    )


def opened(settings: Settings) -> str:
    """What BIND_ADDRESS opens to other machines, in words; empty where it opens nothing.

    Raises:
        ValueRefusedError: it is no address.
    """
    address = values.bind_address(settings.get("BIND_ADDRESS", "127.0.0.1"))
    if address.is_loopback:
        return ""
    return (
        f"every port is open to your network ({address}): whoever connects may chat, "
        f"read the boards, the metrics and the status page, and make Open WebUI's first account "
        f"while there is none; only the gateway's own port asks for a key"
    )
