"""Deciding which Foundry Local the stack uses: the one that runs here, or one in a container."""

import dataclasses
from dataclasses import dataclass

from lib import docker, foundry, kinds
from lib.console import note
from lib.settings import Settings


@dataclass(frozen=True)
class Runtime:
    """Which Foundry Local answers: ours in a container, and whether any is expected to."""

    embedded: bool
    expected: bool


def choose_runtime(settings: Settings, *, wish: bool | None) -> tuple[Runtime, dict[str, str]]:
    """Decide which Foundry Local answers; returns it and the settings for it."""
    choices: dict[str, str] = {}
    own_url = settings.own("FOUNDRY_URL")
    if own_url:
        found = any(foundry.answers_at(url.strip()) for url in own_url.split(","))
        note(f"FOUNDRY_URL is {own_url}: {'it answers' if found else 'nothing answers there now'}")
    else:
        finding = foundry.find(in_virtual_machine=docker.runs_in_virtual_machine())
        if docker.is_rootless():
            note(kinds.ROOTLESS.format(up=f"{foundry.python()} scripts/up.py"))
            finding = dataclasses.replace(finding, reachable=False, remedy="")
        found = finding.reachable
        if found:
            note(f"found it: {finding.how}")
        elif finding.port is not None:
            note(f"found it ({finding.how}), but containers cannot reach it. {finding.remedy}")
        else:
            note(f"none runs on this machine ({finding.how})")
        if found and finding.port != foundry.DEFAULT_PORT:
            choices["FOUNDRY_URL"] = finding.url

    profiles = [name for name in settings.own("COMPOSE_PROFILES").split(",") if name]
    embedded = wish if wish is not None else not found
    if embedded and "embedded" not in profiles:
        profiles.append("embedded")
    if "embedded" in profiles:
        note("starting Foundry Local in a container (profile `embedded`)")
    choices["COMPOSE_PROFILES"] = ",".join(profiles)
    runtime = Runtime("embedded" in profiles, found or "embedded" in profiles)
    return runtime, {name: value for name, value in choices.items() if value}
