"""What to do about Foundry Local, for the reader at hand: the one place that writes it.

A remedy depends on where that Foundry Local is, on the system it runs on, and on its generation;
``Place`` holds the three, as far as they are known. Each remedy has one thing to do, and a command
only where it exists: the stack's own container is never sent to the ``foundry`` command line, which
it does not have. Addresses are written as the reader's own machine knows them.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundry_common.runtime_words import LoadFault

System = Literal["windows", "desktop", "linux", ""]
"""``desktop``: macOS, or a Windows whose kernel does not say so; empty: not known."""
Generation = Literal["legacy", "v1", "v2", ""]

HOST_NAME: Final = "host.docker.internal"
DEFAULT_PORT: Final = 51211
SMALL_MODEL: Final = "qwen2.5-0.5b"
CONTAINER: Final = "foundry-local"
APPLY: Final = "then `docker compose up -d`"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1", HOST_NAME)
_MOST_NAMES: Final = 6
_LONGEST_NAME: Final = 60
_LONGEST_REMEDY: Final = 200


def host_system(system: str = "", release: str = "") -> System:
    """Return the system of the machine, also from inside a container.

    A container shares the kernel of the machine that Docker runs on: WSL's under Windows, that of
    Docker Desktop's or OrbStack's virtual machine on macOS, the machine's own on Linux.

    Args:
        system: As ``platform.system()`` says it.
        release: As ``platform.release()`` says it.
    """
    system = system or platform.system()
    release = (release or platform.release()).lower()
    if system == "Windows" or "microsoft" in release:
        return "windows"
    if system == "Darwin" or "linuxkit" in release or "orbstack" in release:
        return "desktop"
    return "linux" if system == "Linux" else ""


def script(name: str, *arguments: str, system: System = "") -> str:
    """Return how to run one of ``scripts/``, as a command in backticks."""
    words = [rf"py scripts\{name}" if system == "windows" else f"python3 scripts/{name}"]
    return f"`{' '.join([*words, *arguments])}`"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Foundry Local is, as far as that is known.

    Attributes:
        host: Its name or address, as it was configured.
        port: Where it listens.
        embedded: Whether it is the stack's own, in its container.
        system: Of the machine that the reader sits at.
        generation: That it spoke last; empty where it was never met.
        ours: Whether ``scripts/foundry_host.py`` started it.
        misnamed: Whether the address means the asking container itself.
    """

    host: str = HOST_NAME
    port: int = DEFAULT_PORT
    embedded: bool = False
    system: System = ""
    generation: Generation = ""
    ours: bool = False
    misnamed: bool = False

    @property
    def is_here(self) -> bool:
        """Whether it is on the reader's own machine, outside any container."""
        return not self.embedded and self.host in _LOOPBACK

    @property
    def name(self) -> str:
        """Return what to call it, to begin a sentence with."""
        return "Foundry Local in its container" if self.embedded else f"Foundry Local at {self.url}"

    @property
    def url(self) -> str:
        """Return its address as the reader's machine knows it."""
        host = "localhost" if self.host == HOST_NAME else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def setting(self) -> str:
        """The setting that names its model."""
        return "EMBEDDED_MODEL" if self.embedded else "MODEL"


def place(
    url: str,
    *,
    embedded: bool = False,
    system: System = "",
    generation: str = "",
    ours: bool = False,
    asked_in_container: bool = False,
) -> Place:
    """Return the place of an address.

    Args:
        url: As ``values.origin`` writes it.
        embedded: See ``Place``.
        system: See ``Place``.
        generation: The dialect's name; anything else is not known.
        ours: See ``Place``.
        asked_in_container: Whether who asks at that address runs in a container.
    """
    parts = urlsplit(url)
    known: Generation = generation if generation in ("legacy", "v1", "v2") else ""  # type: ignore[assignment]
    return Place(
        host=(parts.hostname or "")[:_LONGEST_NAME],
        port=parts.port or DEFAULT_PORT,
        embedded=embedded,
        system=system,
        generation=known,
        ours=ours and not embedded,
        misnamed=asked_in_container and is_loopback(url),
    )


def is_loopback(url: str) -> bool:
    """Say whether an address means the machine, or the container, that asks it."""
    return (urlsplit(url).hostname or "") in _LOOPBACK[:-1]


# ---- Commands ------------------------------------------------------------------------------------


def start(where: Place, model: str = "") -> str:
    """Return what starts it, in backticks: one command for each system that it may be on."""
    if where.embedded:
        return f"`docker compose up -d {CONTAINER}`"
    at = ["--port", str(where.port)]
    own = script(
        "foundry_host.py",
        *(["--model", model] if model else []),
        *(at if where.port != DEFAULT_PORT else []),
        system=where.system,
    )
    if where.ours or where.system == "linux":
        return own
    if where.generation == "legacy":
        return "`foundry service start`"
    theirs = f"`foundry server start {' '.join(at)}`"
    return theirs if where.system else f"{theirs} (Windows, macOS) or {own} (Linux)"


def doctor(where: Place) -> str:
    """Return the command that looks for the cause, in backticks."""
    return script("doctor.py", system=where.system)


# ---- Foundry Local that does not answer ----------------------------------------------------------


def gone(reason: str, where: Place) -> str:
    """Return what to say of the stack's own where its container does not run; empty otherwise.

    Docker knows no name of a container that does not run.
    """
    return f"{where.name} does not run." if where.embedded and reason == "name_not_resolved" else ""


def unreachable(reason: str, where: Place) -> str:
    """Return the remedy for a Foundry Local that does not answer.

    Args:
        reason: ``name_not_resolved``, ``refused``, ``timed_out`` (no connection, or nothing that
            tells that from silence), ``silent`` (connected, no answer), ``not_foundry``,
            ``tls_failed``, or anything else.
        where: Which one.
    """
    if where.embedded:
        if reason in ("timed_out", "silent", "not_foundry", "tls_failed"):
            return f"Restart it: `docker compose restart {CONTAINER}`."
        return f"Start it: {start(where)}."
    if where.misnamed:
        return (
            f"To a container, {where.host} is the container itself: set "
            f"FOUNDRY_URL=http://{HOST_NAME}:{where.port} in .env, {APPLY}."
        )
    return _on_this_machine(reason, where) if where.is_here else _elsewhere(reason, where)


def restart(where: Place) -> str:
    """Return the remedy for a Foundry Local that answers, but fails."""
    if where.embedded:
        return f"Try again; if it stays so: `docker compose restart {CONTAINER}`."
    if not where.is_here:
        return f"Try again; if it stays so, restart Foundry Local on {where.host}."
    return f"Try again; if it stays so, stop Foundry Local and start it again: {start(where)}."


def _on_this_machine(reason: str, where: Place) -> str:
    look = doctor(where)
    also = "" if where.generation else "; if it runs at another address, set FOUNDRY_URL"
    occupied = (
        f"Another program answers there. {look} finds the port of Foundry Local; set FOUNDRY_URL "
        "in .env to it."
    )
    remedies = {
        "name_not_resolved": (
            f"Restart Docker, {APPLY}: its containers have lost this machine's name."
        ),
        "not_foundry": occupied,
        "tls_failed": occupied,
        "timed_out": f"It hangs, or a firewall drops what containers send: {look} tells which.",
        "refused": f"Start it: {start(where)}{also}.",
    }
    return remedies.get(reason) or f"Stop it and start it again: {start(where)}."


def _elsewhere(reason: str, where: Place) -> str:
    host, port = where.host, where.port
    remedies = {
        "name_not_resolved": f"Check the name {host} in FOUNDRY_URL (.env).",
        "not_foundry": "Mend the address and port in FOUNDRY_URL (.env).",
        "tls_failed": "Mend the address and port in FOUNDRY_URL (.env).",
        "timed_out": f"Check that {host} is on and that its firewall lets port {port} pass.",
        "silent": f"Restart Foundry Local on {host}.",
    }
    return remedies.get(reason) or (
        f"Start Foundry Local on {host}, so that it listens on port {port} for other machines, or "
        "mend FOUNDRY_URL (.env)."
    )


# ---- Models --------------------------------------------------------------------------------------


def no_such_model(where: Place, available: Sequence[str] = ()) -> str:
    """Return the remedy for a model that Foundry Local does not know."""
    names = [name for name in available if len(name) <= _LONGEST_NAME][:_MOST_NAMES]
    change = f"et {where.setting} in .env to another alias, {APPLY}"
    while names:
        said = f"Use one of: {', '.join(names)}; or s{change}."
        if len(said) <= _LONGEST_REMEDY:
            return said
        names.pop()
    return f"S{change}."


def not_downloaded(where: Place, alias: str) -> str:
    """Return the remedy for a model that has not been downloaded."""
    otherwise = f"set {where.setting} in .env to another alias, {APPLY}."
    said = _download(where, alias)
    return said if said and len(said) <= _LONGEST_REMEDY else f"Download it, or {otherwise}"


def _download(where: Place, alias: str) -> str:
    if where.embedded:
        return f"Set EMBEDDED_MODEL={alias} in .env, {APPLY}: it is downloaded in the background."
    if not where.is_here:
        return f"Download it on {where.host}, or set MODEL in .env to another alias, {APPLY}."
    own = script("foundry_host.py", "--model", alias, system=where.system)
    if where.ours or where.system == "linux":
        return f"Start Foundry Local with it, which downloads it: {own}."
    theirs = f"`foundry model download {alias}`"
    both = f"{theirs} (Windows, macOS) or {own} (Linux)"
    return f"Download it: {theirs if where.system else both}."


def load_words(fault: LoadFault) -> str:
    """Return what kept a model from being loaded, to go after a colon."""
    return _LOAD_WORDS[fault]


_LOAD_WORDS: Final[dict[LoadFault, str]] = {
    "permission": "it may not read the model's files",
    "missing": "one of the model's files is missing",
    "memory": "there is not enough memory",
    "provider": "the model needs a GPU or NPU that cannot be used here",
    "unsupported": "this version of Foundry Local does not know that kind of model",
    "settings": "the model's settings cannot be understood",
    "damaged": "the model's file is damaged or cut short",
    "unknown": "it does not say why",
}


def load_failed(fault: LoadFault, where: Place, folder: str = "") -> str:
    """Return the remedy for a model that could not be loaded.

    Args:
        fault: What kept it.
        where: Which Foundry Local.
        folder: Where the model lies, as the reader knows it; where it is known.
    """
    again = "Copy or download the model again, all of its files."
    smaller = f"such as {SMALL_MODEL}, with {where.setting} in .env"
    update = "C" if where.embedded else "Update Foundry Local, or c"
    remedies: dict[LoadFault, str] = {
        "permission": _let_it_read(where, folder),
        "memory": f"Free memory, or choose a smaller model, {smaller}.",
        "provider": (
            f"Choose the model's variant for the CPU, or another with {where.setting} in .env."
        ),
        "unsupported": f"{update}hoose another model with {where.setting} in .env.",
        "missing": again,
        "damaged": again,
        "settings": again,
    }
    return remedies.get(fault) or _look_into_the_log(where)


def _let_it_read(where: Place, folder: str) -> str:
    own = folder or ("the folder of EMBEDDED_MODELS_DIR" if where.embedded else "its folder")
    if where.system == "windows" or not (where.embedded or where.is_here):
        return f"Let the user that runs Foundry Local read {own}."
    return f"Let everybody read {own}: `chmod -R a+rX {folder or 'FOLDER'}`."


def _look_into_the_log(where: Place) -> str:
    if where.embedded:
        return f"`docker compose logs --tail 50 {CONTAINER}` has Foundry Local's own words."
    if not where.is_here:
        return f"Look at Foundry Local's log on {where.host}, or choose another model."
    if where.ours or where.system == "linux":
        return "Foundry Local says why where it runs, in its window or its log."
    return load_failed("memory", where)
