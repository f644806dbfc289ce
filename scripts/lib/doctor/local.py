"""What Foundry Local looks like from this machine: where it answers, how, and to whom."""

import dataclasses
import json
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lib import foundry, holders
from lib.doctor import web
from lib.doctor.scene import Scene
from lib.doctor.shell import ask, is_linux, script
from lib.sources import values

SECONDS = 3.0
CATALOG_SECONDS = 8.0
"""Where its public catalog is out of reach, the first look at it takes about four seconds."""
DEFAULT_URL = f"http://{foundry.HOST_NAME}:{foundry.DEFAULT_PORT}"
GENERATIONS = {"v2": "2.x", "v1": "1.x", "legacy": "up to CLI 0.8"}
LOADED_ROUTES = {"v2": "/models/loaded", "v1": "/models/loaded", "legacy": "/openai/loadedmodels"}
CATALOG_ROUTES = {"v2": "/v1/models", "v1": "/v1/models", "legacy": "/foundry/list"}
SOMETHING_ELSE = "not_foundry"


@dataclass(frozen=True)
class Sighting:
    """One address of Foundry Local, asked from this machine.

    Attributes:
        url: as configured or found.
        host: the name in it, as this machine calls it.
        port: the port in it.
        generation: `v2`, `v1` or `legacy`; empty where no Foundry Local answers.
        problem: why not; one of `web.PROBLEMS` or `not_foundry`.
        loaded: the variants that are loaded.
        listeners: who listens on that port, where it is on this machine.
    """

    url: str
    host: str
    port: int
    generation: str = ""
    problem: str = ""
    loaded: Sequence[str] = ()
    listeners: Sequence[holders.Listener] = field(default=())

    @property
    def is_here(self) -> bool:
        """Whether the address is one of this machine."""
        return foundry.is_loopback(self.host) or self.host == "localhost"

    @property
    def frozen(self) -> "holders.Listener | None":
        """The process behind it, where that is stopped in its tracks."""
        return next((one for one in self.listeners if one.stopped), None)

    @property
    def loopback_only(self) -> bool:
        """Whether it is known to listen for this machine alone."""
        addresses = [one.address for one in self.listeners]
        return bool(addresses) and all(map(foundry.is_loopback, addresses))

    @property
    def name(self) -> str:
        """The name or address in the URL, as containers call it."""
        return urlsplit(values.origin(self.url)).hostname or ""

    @property
    def base(self) -> str:
        """The address as this machine calls it."""
        scheme = urlsplit(values.origin(self.url)).scheme
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    def facts(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "url": self.url,
            "asked": self.base,
            "generation": self.generation or None,
            "problem": self.problem or None,
            "loaded": list(self.loaded),
            "listening_on": [one.address for one in self.listeners],
            "pid": next((one.pid for one in self.listeners if one.pid), None),
        }


def configured_urls(scene: Scene) -> list[str]:
    """FOUNDRY_URL, each address of it; the default where it is not set."""
    urls = scene.settings.get("FOUNDRY_URL", DEFAULT_URL).split(",")
    return [url.strip() for url in urls if url.strip()]


def configured_origins(scene: Scene) -> Sequence[str]:
    """The same addresses as the gateway writes them."""
    return values.origins(scene.settings.get("FOUNDRY_URL", DEFAULT_URL))


def sightings(scene: Scene) -> list[Sighting]:
    """Every configured address, asked from this machine, at once."""

    def observe() -> list[Sighting]:
        found = listeners(scene)
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda url: look_at(url, found), configured_urls(scene)))

    return scene.remembered("sightings", observe)


def listeners(scene: Scene) -> Sequence[holders.Listener]:
    """Who listens on this machine."""
    return scene.remembered("listeners", holders.listeners)


def look_at(url: str, found: Sequence[holders.Listener]) -> Sighting:
    """Ask one address; `host.docker.internal` is this machine itself."""
    parts = urlsplit(values.origin(url))
    name = parts.hostname or ""
    host = "127.0.0.1" if name == foundry.HOST_NAME else name
    port = parts.port or foundry.DEFAULT_PORT
    seen = Sighting(url, host, port)
    if seen.is_here:
        seen = dataclasses.replace(seen, listeners=holders.on(port, found))
        # Whoever listens on Docker's bridge alone is still Foundry Local on this machine.
        others = [one.address for one in seen.listeners if not serves_loopback(one.address)]
        if others and len(others) == len(seen.listeners):
            seen = dataclasses.replace(seen, host=others[0])
    generation, problem = generation_at(seen.base)
    if problem:
        return dataclasses.replace(seen, problem=problem)
    loaded = web.get(seen.base + LOADED_ROUTES[generation], SECONDS).json
    names = [str(one) for one in loaded] if isinstance(loaded, list) else []
    return dataclasses.replace(seen, generation=generation, loaded=names)


def serves_loopback(address: str) -> bool:
    """Whether a server bound to this address answers at 127.0.0.1."""
    return address in {"0.0.0.0", "::", "*"} or foundry.is_loopback(address)  # noqa: S104


def generation_at(base: str) -> tuple[str, str]:
    """Which generation of Foundry Local answers there, or why none does."""
    for route in reversed(foundry.STATUS_ROUTES):
        reply = web.get(base + route, SECONDS)
        if reply.problem:
            return "", reply.problem
        if foundry.looks_like_status(reply.body):
            keys = {key.lower() for key in json.loads(reply.body)}
            if route.startswith("/openai"):
                return "legacy", ""
            return ("v2" if "modelcachepath" in keys else "v1"), ""
    return "", SOMETHING_ELSE


def elsewhere(scene: Scene) -> list[Sighting]:
    """Foundry Locals that run on this machine at other addresses than the configured ones."""

    def observe() -> list[Sighting]:
        asked = {one.port for one in sightings(scene) if one.is_here or one.listeners}
        found = listeners(scene)
        ports = [port for port in likely_ports(found) if port not in asked]
        with ThreadPoolExecutor(16) as pool:
            seen = pool.map(lambda port: look_at(f"http://127.0.0.1:{port}", found), ports)
            return [one for one in seen if one.generation]

    return scene.remembered("elsewhere", observe)


def likely_ports(found: Sequence[holders.Listener]) -> list[int]:
    """Ports on which Foundry Local may listen: the usual one, its command's, its processes'."""
    ports = [foundry.DEFAULT_PORT]
    if shutil.which("foundry"):
        for command in foundry.STATUS_COMMANDS:
            said = ask(command, seconds=6)
            ports += foundry.ports_in(f"{said.out}\n{said.err}")
    ports += [one.port for one in found if "foundry" in f"{one.name} {one.command}".lower()]
    return list(dict.fromkeys(ports))


def catalog(sighting: Sighting) -> list[str]:
    """The aliases (or names, where it tells no alias) of everything that a runtime offers."""
    answer: Any = web.get(sighting.base + CATALOG_ROUTES[sighting.generation], CATALOG_SECONDS).json
    if isinstance(answer, dict):
        answer = answer.get("data", answer.get("models"))
    names = [
        str(entry.get("alias") or entry.get("id") or entry.get("name"))
        for entry in (answer if isinstance(answer, list) else [])
        if isinstance(entry, dict)
    ]
    return list(dict.fromkeys(names))


def has_command() -> bool:
    """Whether this machine has the Foundry command line; Linux and containers never have."""
    return shutil.which("foundry") is not None


def start_command(scene: Scene) -> str:
    """What starts Foundry Local here, at the port that the stack calls."""
    port = next((one.port for one in sightings(scene) if one.is_here), foundry.DEFAULT_PORT)
    model = scene.settings.get("MODEL", "phi-4-mini")
    at = [] if port == foundry.DEFAULT_PORT else ["--port", str(port)]
    own = script("foundry_host.py", "--model", model, *at)
    if is_linux():
        return own
    if not has_command():
        brew = "brew install microsoft/foundrylocal/foundrylocal"
        install = "winget install Microsoft.FoundryLocal" if sys.platform == "win32" else brew
        return f"foundry server start --port {port}   (first: {install}; or instead: {own})"
    return (
        f"foundry server start --port {port}   (CLI up to 0.8: foundry service set --port {port}, "
        f"then foundry service start)"
    )
