"""Deciding which Foundry Local the stack uses: the one that runs here, or one in a container."""

import dataclasses
from dataclasses import dataclass

from lib import docker, foundry, kinds
from lib.console import StepFailedError, note
from lib.settings import PROFILES, Settings
from lib.sources import values

EMBEDDED = "embedded"
"""The profile that brings Foundry Local in a container."""


@dataclass(frozen=True)
class Runtime:
    """Which Foundry Local answers: ours in a container, and whether any is expected to."""

    embedded: bool
    expected: bool


def choose_runtime(settings: Settings, *, wish: bool | None) -> tuple[Runtime, dict[str, str]]:
    """Decide which Foundry Local answers; returns it and the settings for it.

    Args:
        settings: of the user.
        wish: whether one is to run in a container; None where that is to be found out.

    Raises:
        StepFailedError: the settings wish otherwise.
    """
    choices: dict[str, str] = {}
    own_url = settings.own("FOUNDRY_URL")
    in_machine, rootless = docker.runs_in_virtual_machine(), docker.is_rootless()
    if own_url:
        found = any(
            _at(url.strip(), in_virtual_machine=in_machine, rootless=rootless)
            for url in own_url.split(",")
            if url.strip()
        )
    else:
        finding = foundry.find(in_virtual_machine=in_machine)
        if rootless:
            note(_rootless())
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

    profiles = list(values.profiles(settings.own(PROFILES)))
    if wish is False and values.has_profile(EMBEDDED, profiles):
        raise StepFailedError(
            f"--no-embedded, but {PROFILES} is {settings.own(PROFILES)!r}, which starts it.",
            f"Leave the option out, or the profile in {settings.place(PROFILES)}.",
        )
    embedded = wish if wish is not None else not found
    if embedded and not values.has_profile(EMBEDDED, profiles):
        profiles.append(EMBEDDED)
    embedded = values.has_profile(EMBEDDED, profiles)
    if embedded:
        note("starting Foundry Local in a container (profile `embedded`)")
    choices[PROFILES] = ",".join(profiles)
    runtime = Runtime(embedded, found or embedded)
    return runtime, {name: value for name, value in choices.items() if value}


def _at(url: str, *, in_virtual_machine: bool, rootless: bool) -> bool:
    """Whether containers reach a Foundry Local at an address that the user has set; says so."""
    finding = foundry.find_at(url, in_virtual_machine=in_virtual_machine)
    if rootless and finding.reachable and foundry.HOST_NAME in url:
        finding = dataclasses.replace(finding, reachable=False, remedy=_rootless())
    lost = finding.remedy and not finding.reachable
    beyond = f"; containers cannot reach it. {finding.remedy}" if lost else ""
    note(f"FOUNDRY_URL {url}: {finding.how}{beyond}")
    return finding.reachable


def _rootless() -> str:
    return kinds.ROOTLESS.format(up=f"{foundry.python()} scripts/up.py")
