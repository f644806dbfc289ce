"""The user's settings: readable, known by name, and of values that can be used."""

import difflib
import re
from collections.abc import Iterable, Mapping

from lib.addresses import port_of
from lib.console import StepFailedError
from lib.doctor.parts import PARTS
from lib.doctor.results import Check, Result, failed, ok
from lib.doctor.scene import Scene
from lib.environment import ROOT
from lib.gateway_source import gateway_settings
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
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if "\0" in text or "\ufffd" in text or text.startswith("\ufeff"):
        return failed(
            f"{path.name} is not saved as UTF-8, so its settings are not read", WRITE_UTF_8
        )
    known = known_names(EXAMPLE.read_text(encoding="utf-8"))
    wrong = [*bad_lines(text), *bad_values(scene)]
    found = [Result("failed", m, r, about=about) for about, m, r in wrong]
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


def bad_values(scene: Scene) -> Iterable[tuple[str, str, str]]:
    """Values that the parts of the stack would refuse when they start."""
    settings = scene.settings
    ports: dict[int, str] = {}
    for part in PARTS:
        setting = part.address.port_setting
        try:
            port = port_of(settings, part.address)
        except StepFailedError as error:
            yield setting, error.problem.rstrip("."), error.remedy
            continue
        if port in ports:
            message = f"{ports[port]} and {setting} are both {port}"
            yield setting, message, f"Give one of them another port in {settings.path.name}."
        ports[port] = setting
    yield from bad_gateway_values(scene)


def bad_gateway_values(scene: Scene) -> Iterable[tuple[str, str, str]]:
    """What the gateway itself says about its settings: it reads them without a web server."""
    known = known_names(EXAMPLE.read_text(encoding="utf-8")) - {"GATEWAY_API_KEY", "GATEWAY_PORT"}
    left = {name: scene.settings.get(name) for name in known & scene.settings.names()}
    while True:
        try:
            gateway_settings.Settings.from_env(left)
        except gateway_settings.SettingsError as error:
            name = scene.settings.path.name
            mend = f"Mend {error.name} in {name}, or remove it there, then: docker compose up -d"
            yield error.name, str(error), mend
            if left.pop(error.name, None) is None:
                return
        else:
            return


CHECKS = (
    Check(
        "settings",
        "Settings",
        "This machine",
        check_settings,
        otherwise="the settings cannot be used",
    ),
)
