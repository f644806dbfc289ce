"""Foundry Local as the containers see it: the health probe's own module, else the gateway."""

import json
from collections.abc import Mapping
from typing import Any

from lib.compose import Container
from lib.doctor.scene import Scene
from lib.doctor.shell import ask
from lib.sources import values

SECONDS = 14.0
PROBER = "healthcheck"
EMBEDDED = "foundry-local"
OUT_OF_REACH = frozenset(
    ("name_not_resolved", "refused", "timed_out", "unreachable", "not_foundry", "tls_failed")
)
"""Of the probe's reasons those that mean that Foundry Local was not even met."""


def upstream(scene: Scene, url: str) -> Mapping[str, Any]:
    """What the gateway tells about one of its upstreams; empty where it does not."""
    same = values.origin(url)
    return next((one for one in upstreams(scene) if one["url"] == same), {})


def upstreams(scene: Scene) -> list[Mapping[str, Any]]:
    """All of the gateway's upstreams."""
    return list(scene.gateway_status().get("upstreams", []))


def is_up(scene: Scene, url: str) -> bool:
    """Whether the gateway reaches an address."""
    return upstream(scene, url).get("state") == "up"


def embedded(scene: Scene) -> Mapping[str, Any]:
    """The upstream that is this stack's own container; empty where there is none."""
    return next((one for one in upstreams(scene) if one["embedded"]), {})


def embedded_container(scene: Scene) -> Container | None:
    """The container of this stack's own Foundry Local, where it has one."""
    return next((one for one in scene.containers() if one.service == EMBEDDED), None)


def embedded_is_up(scene: Scene) -> bool:
    """Whether this stack's own Foundry Local answers, by the gateway's word or Docker's."""
    told, container = embedded(scene), embedded_container(scene)
    if container is not None and container.state != "running":
        return False
    if told:
        return bool(told["state"] == "up")
    if container is None or container.is_well:
        return container is not None
    # Docker's word is up to half a minute old, so the container is asked now.
    return scene.remembered("health of foundry-local", _embedded_is_healthy)


def _embedded_is_healthy() -> bool:
    healthcheck = ["python", "-m", "foundry_host", "healthcheck"]
    return ask(["docker", "compose", "exec", "-T", EMBEDDED, *healthcheck], SECONDS).ok


def view(scene: Scene, url: str) -> Mapping[str, Any]:
    """How an address looks from a container.

    Returns:
        `asked_by`, `state` (up or down), and where it is down `reason`, `message` and `remedy`;
        empty where nothing runs that could be asked.
    """
    return scene.remembered(f"view of {url}", lambda: _prober(scene, url) or _gateway(scene, url))


def _prober(scene: Scene, url: str) -> Mapping[str, Any]:
    if not scene.runs(PROBER):
        return {}
    probe = ["python", "-m", "foundry_healthcheck", "probe", "foundry", url, "--json"]
    said = ask(["docker", "compose", "exec", "-T", PROBER, *probe], SECONDS)
    try:
        told = json.loads(said.out)
    except ValueError:
        return {}
    if not isinstance(told, dict):
        return {}
    state = "down" if told.get("reason") in OUT_OF_REACH else "up"
    return {**told, "asked_by": "health probe's container", "state": state}


def _gateway(scene: Scene, url: str) -> Mapping[str, Any]:
    told = upstream(scene, url)
    if not told:
        return {}
    error = told["error"] or {}
    return {
        "asked_by": "gateway",
        "state": "up" if told["state"] == "up" else "down",
        "reason": error.get("cause"),
        "message": error.get("message"),
        "remedy": error.get("remedy"),
    }
