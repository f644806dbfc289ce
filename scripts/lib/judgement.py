"""What is wrong with the settings, each with what to do: for the doctor, and before a start."""

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from lib.addresses import ADDRESSES
from lib.envfile import Problem, lost_extension
from lib.environment import ROOT
from lib.references import is_verbatim, unresolved
from lib.rules import BLOCKED_PORTS, DRIVE, PORTS, RULES, SECRETS, Refused
from lib.settings import PROFILES, Settings
from lib.sources import values

_DEFAULT_PORTS = {entry.port_setting: entry.default_port for entry in ADDRESSES}
_OUR_FILES = frozenset({"compose.yaml", "compose.offline.yaml", "compose.dev.yaml"})
_PROFILES = re.compile(r"^\s+profiles:\s*\[([^\]]*)\]", re.MULTILINE)
_LONGEST_PATH = 200
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
_OF_COMPOSE = frozenset(
    f"COMPOSE_{word}"
    for word in (
        *("PROJECT_NAME", "PATH_SEPARATOR", "ENV_FILES", "DISABLE_ENV_FILE", "ANSI", "PROGRESS"),
        *("PARALLEL_LIMIT", "IGNORE_ORPHANS", "REMOVE_ORPHANS", "STATUS_STDOUT", "MENU", "BAKE"),
        *("EXPERIMENTAL", "CONVERT_WINDOWS_PATHS", "HTTP_TIMEOUT"),
    )
)
"""Compose's own variables beside those that .env.example tells of."""
_LITERALLY = "write it in single quotes, or each $ in it as $$"


def problems(settings: Settings) -> list[Problem]:
    """Everything that is wrong with the settings, by name; a name is told of once."""
    if settings.unreadable:
        return [settings.unreadable]
    return _each_once(*_references(settings), *_values(settings), *_across(settings))


def warnings(settings: Settings) -> list[Problem]:
    """What has not the effect that was meant, most likely; of names that have no problem."""
    lost = lost_extension(settings.path)
    wrong = {one.setting for one in problems(settings)}
    found = _each_once(
        *([lost] if lost else []),
        *_misspelt(settings),
        *_overruled(settings),
        *_without_effect(settings),
        *_blocked(settings),
    )
    return [one for one in found if one.setting not in wrong]


def _each_once(*found: Problem) -> list[Problem]:
    """The first problem of each setting."""
    first: dict[str, Problem] = {}
    for one in found:
        first.setdefault(one.setting, one)
    return list(first.values())


def _misspelt(settings: Settings) -> Iterator[Problem]:
    """Names that resemble a setting but are none."""
    for name in settings.own_names():
        if name in RULES or name in _OF_COMPOSE:
            continue
        near = difflib.get_close_matches(name.upper(), [*RULES, *_OF_COMPOSE], n=1, cutoff=0.8)
        if near:
            yield Problem(
                name,
                f"{name} is no setting; did you mean {near[0]}?",
                f"Mend the name in {settings.path.name}; .env.example has them all.",
            )


def _overruled(settings: Settings) -> Iterator[Problem]:
    """Lines of the file that change nothing, because another word counts."""
    path = settings.path.name
    for name in settings.repeated():
        yield Problem(
            name,
            f"{name} is set more than once in {path}, and only the last line counts",
            f"Leave one of them in {path}.",
        )
    for name in settings.overruled():
        yield Problem(
            name,
            f"{name} has another value in the environment, which wins over {path}",
            f"Unset it in the environment, or remove it from {path}.",
        )


def _blocked(settings: Settings) -> Iterator[Problem]:
    """Ports at which a page can be published and not be opened."""
    for name in PORTS:
        if settings.get(name) in map(str, BLOCKED_PORTS):
            yield Problem(
                name,
                f"{name} is {settings.get(name)}, which browsers do not open: it is kept for "
                "something else",
                f"Choose another port in {settings.place(name)}.",
            )


def _without_effect(settings: Settings) -> Iterator[Problem]:
    """Settings that need another one, which is not there."""
    password, email = "WEBUI_ADMIN_PASSWORD", "WEBUI_ADMIN_EMAIL"
    if settings.get(password) and not settings.get(email).strip():
        yield Problem(
            password,
            f"{password} makes no administrator without {email}: whoever opens the page first does",
            f"Set {email} too, or remove {password} from {settings.place(password)}.",
        )
    view, profile = "DOCKER_VIEW_URL", "containers"
    is_chosen = values.has_profile(profile, values.profiles(settings.get(PROFILES)))
    if is_chosen and not settings.get(view).strip():
        yield Problem(
            PROFILES,
            f"{PROFILES} has {profile}, but nobody looks at them without {view}",
            f"Set {view}=http://docker-view:8080 in {settings.path.name}.",
        )
    if settings.get(view).strip() and not is_chosen:
        yield Problem(
            view,
            f"{view} is set, but what answers there runs only in the profile {profile}",
            f"Add {profile} to {PROFILES} in {settings.place(PROFILES)}.",
        )


def _references(settings: Settings) -> Iterator[Problem]:
    """Values that reach the services otherwise than they were written."""
    for one, known in settings.lines():
        if one.name not in RULES:
            continue
        if one.rest:
            yield Problem(
                one.name,
                f"{one.name}: the value ends at its closing quote, and more follows in the line",
                f"Put all of it between the quotes, in {settings.path.name}.",
            )
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
    """Values that do not go together, or not with this machine."""
    yield from _paths(settings)
    yield from _ports(settings)
    yield from _open_webui(settings)
    yield from _compose(settings)


def _paths(settings: Settings) -> Iterator[Problem]:
    """Files and folders that are not there: Docker makes an empty folder, and a build fails."""
    kinds = {"EMBEDDED_MODELS_DIR": ("folder", Path.is_dir)}
    kinds |= dict.fromkeys(
        ("BUILD_CA_BUNDLE", "BUILD_PIP_CONF", "BUILD_NPMRC"), ("file", Path.is_file)
    )
    for name, (kind, is_there) in kinds.items():
        text = settings.own(name)
        if not text.strip() or (DRIVE.match(text) and os.name != "nt"):
            continue  # Docker Desktop knows Windows' folders in its Linux too
        path = ROOT / text
        try:
            if text.startswith("~"):
                path = Path(f"{Path.home()}{text[1:]}")  # as Compose does, whatever follows
            there = is_there(path)
        except (ValueError, RuntimeError):  # no name of a file; nobody's home
            there = False
        except OSError:  # hidden from this user, maybe not from Docker
            there = True
        if not there:
            yield _mend(settings, name, f"there is no {kind} {str(path)[:_LONGEST_PATH]!r}")


def _ports(settings: Settings) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for name in PORTS:
        number = settings.get(name, str(_DEFAULT_PORTS[name])).strip().lstrip("0")
        if number in taken:
            yield Problem(
                name,
                f"{taken[number]} and {name} are both {number[:20]}",
                f"Give one of them another port in {settings.place(name)}.",
            )
        taken[number] = name


def _open_webui(settings: Settings) -> Iterator[Problem]:
    named = settings.get("WEBUI_ADMIN_EMAIL").strip()
    if named and not settings.get("WEBUI_ADMIN_PASSWORD").strip():
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
            f"Remove WEBUI_AUTH from {settings.place('WEBUI_AUTH')}, or BIND_ADDRESS from "
            f"{settings.place('BIND_ADDRESS')}.",
        )


def _compose(settings: Settings) -> Iterator[Problem]:
    project = settings.get("COMPOSE_PROJECT_NAME")
    if project and not _PROJECT.fullmatch(project):
        expected = "expected small letters, digits, - and _, beginning with a letter or a digit"
        yield _mend(settings, "COMPOSE_PROJECT_NAME", f"{expected}, found {values.quoted(project)}")
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
    if "compose.yaml" not in files:
        found = values.quoted(separator.join(files))
        expected = f"compose.yaml{separator}compose.offline.yaml"
        yield _mend(
            settings,
            "COMPOSE_FILE",
            f"expected compose.yaml and what changes it, such as {expected}, found {found}",
        )
        return
    known = sorted({one for name in files for one in _profiles(name)})
    for profile in values.profiles(settings.get(PROFILES)):
        if profile != "*" and profile not in known:
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
    return Problem(
        name,
        f"{name}: {problem}",
        f"Mend {name} in {settings.place(name)}, or remove it there, then: docker compose up -d",
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
