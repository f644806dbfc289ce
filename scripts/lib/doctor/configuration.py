"""The user's settings: readable, known by name, and of values that can be used."""

import difflib
import re
from collections.abc import Iterable, Mapping

from lib import judgement
from lib.doctor.results import Check, Result, failed, info, ok
from lib.doctor.scene import Scene
from lib.environment import ROOT
from lib.settings import env_file, parse, without_block

EXAMPLE = ROOT / ".env.example"
FILES = ("compose.yaml", ".env.example", "scripts/up.py", "services/gateway/Dockerfile")
WRITE_UTF_8 = (
    "Save it again as UTF-8 (Notepad: Save as, Encoding; PowerShell: Out-File -Encoding utf8)."
)


def check_settings(scene: Scene) -> Result | list[Result]:
    """The files of the stack are there, and .env says something that can be used."""
    lacking = [name for name in FILES if not (ROOT / name).exists()]
    if lacking:
        return failed(
            f"missing in {ROOT}: {', '.join(lacking)}", "Get it back with: git checkout ."
        )
    path = env_file()
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        why = error.strerror or type(error).__name__
        return failed(f"{path} cannot be read: {why}", "Mend its permissions, or remove it.")
    if "\0" in text or "\ufffd" in text or text.startswith("\ufeff"):
        return failed(
            f"{path.name} is not saved as UTF-8, so its settings are not read", WRITE_UTF_8
        )
    known = known_names(EXAMPLE.read_text(encoding="utf-8"))
    found = [Result("failed", m, r, about=about) for about, m, r in bad_lines(text)]
    found += [
        Result("failed", one.message, one.remedy, about=one.setting)
        for one in judgement.problems(scene.settings)
    ]
    own = parse(without_block(text))
    found += [
        Result(
            "warning",
            message,
            f"Mend the name in {path.name}; .env.example has them all.",
            about=name,
        )
        for name, message in unknown_names(own, known)
    ]
    if found:
        return found
    facts = {"file": path.name, "exists": path.exists(), "set": sorted(own)}
    if not own:
        return ok(f"none of your own in {path.name}: the defaults", **facts)
    return ok(f"{path.name} sets {', '.join(sorted(own))}", **facts)


def known_names(example: str) -> set[str]:
    """The settings that .env.example tells of."""
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))


def bad_lines(text: str) -> Iterable[tuple[str, str, str]]:
    """Lines that Compose cannot read: neither empty nor a comment nor NAME=value."""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare and not bare.startswith("#") and not re.match(r"(export )?\w+\s*=", bare):
            yield (
                f"line-{number}",
                f"line {number} of .env is not NAME=value: {bare[:60]}",
                f"Mend line {number}, or put a # before it.",
            )


def unknown_names(own: Mapping[str, str], known: set[str]) -> Iterable[tuple[str, str]]:
    """Names that resemble a setting but are none: what is set there has no effect."""
    for name in own:
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)
        if name not in known and near and not name.startswith("COMPOSE_"):
            yield name, f"{name} is no setting; did you mean {near[0]}?"


def check_reach(scene: Scene) -> Result:
    """Who else than this machine reaches the ports, by the address they are published on."""
    opens = judgement.opened(scene.settings)
    if not opens:
        return ok("only this machine reaches the stack", bind_address="loopback")
    return info(f"{opens}. 127.0.0.1 keeps it to this machine", bind_address="network")


CHECKS = (
    Check(
        "settings",
        "Settings",
        "This machine",
        check_settings,
        otherwise="the settings cannot be used",
    ),
    Check("reach", "Reach", "This machine", check_reach, needs=("settings",)),
)
