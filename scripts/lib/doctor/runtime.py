"""Foundry Local: found where, which generation, reachable from a container or not and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from lib import bridge, foundry, kinds
from lib.doctor import container_view, web
from lib.doctor.engine import condition
from lib.doctor.local import (
    GENERATIONS,
    SOMETHING_ELSE,
    Sighting,
    elsewhere,
    has_command,
    sightings,
    start_command,
)
from lib.doctor.results import Check, Result, failed, info, ok, skipped
from lib.doctor.scene import Scene
from lib.doctor.shell import is_linux, script

GROUP = "Foundry Local"
APPLY = "docker compose up -d"
LOOPBACK = "loopback_only"


def check_foundry(scene: Scene) -> Result | list[Result]:
    """Whether Foundry Local answers, as seen from this machine."""
    seen = sightings(scene)
    answering = [one for one in seen if one.generation]
    if answering and answering[0] is seen[0]:
        return [_found(one) for one in answering]
    lost = [_lost(scene, one) for one in seen if not one.generation]
    if answering:
        return [*map(_found, answering), *(_softer(one, "the next one answers") for one in lost)]
    # What is on this machine was asked here and now; of the rest the gateway may know more.
    remote_up = [one for one in seen if not one.is_here and container_view.is_up(scene, one.url)]
    if remote_up:
        return ok(f"answers the gateway at {remote_up[0].url}", **remote_up[0].facts())
    for one in seen if foundry.is_wsl() else ():
        if one.is_here and foundry.runs_on_windows(one.port):
            return _found_on_windows(scene, one)
    return _without_any_here(scene, lost)


def _found_on_windows(scene: Scene, one: Sighting) -> Result:
    """Seen from WSL, whose loopback is not that of Windows: Docker Desktop's containers call it."""
    message = f"answers on Windows, port {one.port}"
    if scene.in_virtual_machine():
        return ok(f"{message}, where the containers of Docker Desktop call it", **one.facts())
    return failed(f"{message}, out of reach of an engine in WSL", foundry.FROM_WSL, **one.facts())


def _without_any_here(scene: Scene, lost: list[Result]) -> Result | list[Result]:
    """No configured address answers: the stack's own container may do, or nothing does."""
    asked_for = bool(scene.settings.own("FOUNDRY_URL"))
    if container_view.embedded_is_up(scene):
        up = ok("runs in a container of this stack (profile embedded)", embedded=True)
        return [up, *(_softer(one, "the container answers") for one in lost if asked_for)]
    broken = _embedded_problem(scene)
    if broken is not None:
        too = [_softer(one, "and the container does not answer either") for one in lost]
        return [broken, *(too if asked_for else [])]
    if not asked_for and not elsewhere(scene) and not scene.is_started():
        start = f"{script('up.py')} then starts one in a container"
        return info(f"none runs on this machine; {start}", url=sightings(scene)[0].url)
    return lost


def _embedded_problem(scene: Scene) -> Result | None:
    """What is wrong with this stack's own Foundry Local; None where it has none."""
    one = container_view.embedded_container(scene)
    if one is None:
        return None
    name = container_view.EMBEDDED
    facts = {"embedded": True, "condition": one.state, "health": one.health}
    if one.state == "paused":
        message = f"frozen: the container {name} is paused and answers nothing"
        return Result("failed", message, f"docker compose unpause {name}", facts, about="embedded")
    if one.state != "running":
        message = f"stopped: the container {name} {condition(one)}"
        remedy = f"docker compose up -d {name}   (what it said: docker compose logs {name})"
        return Result("failed", message, remedy, facts, about="embedded")
    error = container_view.embedded(scene).get("error") or {}
    said = error.get("message") or f"the container is {one.health}"
    facts["reason"] = error.get("cause")
    remedy = f"docker compose restart {name}   (what it said: docker compose logs {name})"
    message = f"runs in the container {name}, but does not answer: {said}"
    return Result("failed", message, remedy, facts, about="embedded")


def _found(one: Sighting) -> Result:
    process = next((str(who) for who in one.listeners if who.pid), "")
    addresses = sorted({who.address for who in one.listeners})
    where = f"{', '.join(addresses)}, port {one.port}" if addresses else one.base
    by = f", {process}" if process else ""
    message = f"generation {GENERATIONS[one.generation]} answers on {where}{by}"
    return Result("ok", message, facts=one.facts(), about=str(one.port))


def _softer(result: Result, why: str) -> Result:
    return Result(
        "warning",
        f"{result.message}; {why}",
        result.remedy,
        result.facts,
        result.about,
        result.title,
    )


def _lost(scene: Scene, one: Sighting) -> Result:
    """Why no Foundry Local answers at an address, and what mends it."""
    message, remedy = _diagnosis(scene, one)
    return Result("failed", message, remedy, one.facts(), about=str(one.port))


def _diagnosis(scene: Scene, one: Sighting) -> tuple[str, str]:
    start = start_command(scene)
    frozen = one.frozen
    if one.problem == "timed_out" and frozen:
        again = f"or end it with `kill -KILL {frozen.pid}` and start it again: {start}"
        message = f"frozen: {frozen} holds port {one.port}, but it is stopped and answers nothing"
        return message, f"kill -CONT {frozen.pid}   ({again})"
    may_be_elsewhere = one.is_here and one.problem in {"refused", SOMETHING_ELSE}
    others = elsewhere(scene) if may_be_elsewhere else []
    if others:
        return _wrong_port(scene, one, others)
    if one.problem == SOMETHING_ELSE:
        find = "Find its port with `foundry server status` and set FOUNDRY_URL, or start it"
        find = find if has_command() else "Set FOUNDRY_URL to where it listens, or start it there"
        return f"wrong port: {_somebody_else(one)}", f"{find}: {start}"
    if one.problem == "refused":
        return f"stopped: nothing listens at {one.url}", f"Start it: {start}"
    if one.problem == "timed_out" and one.is_here:
        message = f"frozen or overloaded: {one.url} accepts connections but does not answer"
        restart = "`foundry server restart` (CLI up to 0.8: `foundry service restart`)"
        theirs = f"Restart it: {restart}, or end it and: {start}"
        return message, theirs if has_command() else _instead(scene, one)
    why = web.PROBLEMS.get(one.problem, one.problem)
    mend = f"Mend FOUNDRY_URL in {scene.settings.place('FOUNDRY_URL')}, then: {APPLY}"
    return f"{one.url}: {why}", f"Check that machine and its firewall. {mend}"


def _wrong_port(scene: Scene, one: Sighting, others: Sequence[Sighting]) -> tuple[str, str]:
    """FOUNDRY_URL names one port, Foundry Local answers on another."""
    ports = ", ".join(f"{other.port}" for other in others)
    here = f"nothing listens at {one.url}"
    if one.problem == SOMETHING_ELSE:
        here = _somebody_else(one)
    message = f"wrong port: {here}; Foundry Local answers on port {ports}"
    url = f"http://{foundry.HOST_NAME}:{others[0].port}"
    if scene.is_started() and not scene.in_containers():
        url = others[0].base
    elif _needs_bridge(scene, others[0], foundry.HOST_NAME) and others[0].loopback_only:
        return f"{message}, for this machine only", _instead(scene, others[0])
    there = f"or start it where it is expected: {start_command(scene)}"
    mend = f"Set FOUNDRY_URL={url} in {scene.settings.place('FOUNDRY_URL')}, then: {APPLY}"
    return message, f"{mend}   ({there})"


def _somebody_else(one: Sighting) -> str:
    who = next((str(who) for who in one.listeners if who.pid), "another program")
    return f"{one.url} is answered by {who}, which is not Foundry Local"


def _instead(scene: Scene, one: Sighting) -> str:
    """Replacing a server that listens for this machine alone by one that containers reach."""
    pid = next((who.pid for who in one.listeners if who.pid), None)
    stop = f"Stop it (`kill {pid}`)" if pid and is_linux() else "Stop it"
    return f"{stop}, and run instead: {start_command(scene)}"


# ---- From the containers' side -------------------------------------------------------------------


def check_reach(scene: Scene) -> Result | list[Result]:
    """Whether containers (or whatever asks) reach the Foundry Local that was found here."""
    here = [one for one in sightings(scene) if one.generation]
    if not here:
        if container_view.embedded_is_up(scene):
            return ok("the gateway reaches the one in the container", asked_by="gateway")
        return skipped("no Foundry Local answers here at the configured address")
    views = [container_view.view(scene, one.url) for one in here]
    if any(view.get("state") == "up" for view in views):
        up = [str(view["asked_by"]) for view in views if view.get("state") == "up"]
        return ok(f"reached by the {up[0]}", asked_by=up[0])
    return [_out_of_reach(scene, one, view) for one, view in zip(here, views, strict=True)]


def _out_of_reach(scene: Scene, one: Sighting, view: Mapping[str, Any]) -> Result:
    """Why containers do not reach what answers here; or that they will, as far as one can tell."""
    asked_by = view.get("asked_by")
    facts = {**one.facts(), "asked_by": asked_by, "reason": view.get("reason")}
    if one.name in {"localhost", "127.0.0.1", "::1"} and _for_a_container(scene):
        message = f"{one.url} means, inside a container, the container itself"
        name = scene.settings.place("FOUNDRY_URL")
        url = f"http://{foundry.HOST_NAME}:{one.port}"
        return Result("failed", message, f"Set FOUNDRY_URL={url} in {name}, then: {APPLY}", facts)
    if _needs_bridge(scene, one) and kinds.is_rootless(scene.docker_info()):
        why, _, remedy = kinds.ROOTLESS.format(up=script("up.py")).partition(". ")
        return failed(why, remedy, **facts | {"reason": "rootless"})
    if _needs_bridge(scene, one) and one.loopback_only:
        on = ", ".join(sorted({who.address for who in one.listeners}))
        why = "on Linux containers cannot reach this machine's loopback address"
        remedy = f"{_instead(scene, one)}   (it listens on Docker's bridge too)"
        return failed(f"it listens on {on} only, and {why}", remedy, **facts | {"reason": LOOPBACK})
    if asked_by is None:
        return ok("containers can reach it, as far as can be told before they run", **facts)
    return _by_reason(scene, one, view, facts)


def _by_reason(
    scene: Scene,
    one: Sighting,
    view: Mapping[str, Any],
    facts: dict[str, Any],
) -> Result:
    reason = str(view.get("reason"))
    asked_by = view["asked_by"]
    addresses = [who.address for who in one.listeners]
    gateway = bridge.bridge_address() if _needs_bridge(scene, one) else None
    if gateway and reason == "refused" and not any(_covers(a, gateway) for a in addresses):
        message = f"it listens on {', '.join(addresses)}, but containers call {gateway}"
        return failed(message, _instead(scene, one), **facts)
    if is_linux() and reason == "timed_out":
        message = f"it answers here, but a firewall drops what the {asked_by} sends"
        rule = f"sudo ufw allow from 172.16.0.0/12 to any port {one.port} proto tcp"
        return failed(message, f"{rule}   (or the like for your firewall)", **facts)
    said = view.get("message") or web.PROBLEMS.get(reason, reason)
    return failed(
        f"it answers here, but not to the {asked_by}: {said}",
        str(view.get("remedy") or "docker compose restart gateway"),
        **facts,
    )


def _covers(address: str, wanted: str) -> bool:
    return address in {wanted, "0.0.0.0", "::", "*"}  # noqa: S104


def _for_a_container(scene: Scene) -> bool:
    return scene.in_containers() or not scene.is_started()


def _needs_bridge(scene: Scene, one: Sighting, name: str | None = None) -> bool:
    """Whether containers reach this machine at its bridge's address only."""
    called = name or one.name
    return is_linux() and called == foundry.HOST_NAME and not scene.in_virtual_machine()


CHECKS = (
    Check(
        "foundry",
        "Foundry Local",
        GROUP,
        check_foundry,
        needs=("settings",),
        after=("docker",),
        otherwise="Foundry Local does not answer",
    ),
    Check(
        "foundry-from-containers",
        "From containers",
        GROUP,
        check_reach,
        needs=("settings",),
        after=("docker", "foundry"),
    ),
)
