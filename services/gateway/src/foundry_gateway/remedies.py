"""What to do about each failure: concrete commands, for every system and both CLI generations."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from foundry_gateway.transport_errors import Cause

START = (
    "start it with `foundry server start` (CLI 0.10 and later) or `foundry service start` "
    "(CLI up to 0.8), or run `python3 scripts/foundry_host.py` (Windows: "
    "`py scripts\\foundry_host.py`)"
)
FIND_PORT = "`foundry server status` or `foundry service status` shows the address it really uses"
SET_URL = "put that address into FOUNDRY_URL"
LIST_MODELS = "`foundry model list` shows what Foundry Local offers"


def unreachable(cause: Cause, url: str) -> str:
    """Return the remedy for a Foundry Local that does not answer at ``url``."""
    host = urlsplit(url).hostname or url
    if cause == "name_not_resolved":
        if host == "host.docker.internal":
            return (
                "On Docker Desktop (Windows, macOS) restart Docker Desktop; on Linux the gateway's "
                'container needs `extra_hosts: ["host.docker.internal:host-gateway"]`, and outside '
                "a container set FOUNDRY_URL=http://127.0.0.1:51211."
            )
        return f"Check the host name {host!r} in FOUNDRY_URL."
    if cause == "refused":
        hint = (
            " On Linux a container reaches the host only on the Docker bridge address: "
            "`scripts/foundry_host.py` listens there too."
            if host == "host.docker.internal"
            else ""
        )
        return f"If Foundry Local is stopped, {START}. If it runs, {FIND_PORT}: {SET_URL}.{hint}"
    if cause == "timed_out":
        return (
            "If Foundry Local hangs, stop it (`foundry server stop` or `foundry service stop`), "
            f"then {START}. Otherwise a firewall may be dropping the connection: on Windows allow "
            "it in Windows Defender Firewall, on macOS under System Settings > Network > Firewall, "
            "on Linux with `sudo ufw allow in on docker0` or the like."
        )
    if cause == "not_foundry":
        return f"Something else uses that port. {FIND_PORT}: {SET_URL}."
    return f"Check that Foundry Local runs; otherwise {START}. {FIND_PORT}: {SET_URL}."


def not_found(available: tuple[str, ...]) -> str:
    """Return the remedy for a model that Foundry Local does not know."""
    listed = f"Use one of: {', '.join(available)}; or set" if available else "Set"
    return f"{listed} MODEL to another alias. {LIST_MODELS}."


def not_cached(alias: str) -> str:
    """Return the remedy for a model that has not been downloaded."""
    return (
        f"Download it with `foundry model download {alias}`, or run "
        f"`python3 scripts/foundry_host.py --model {alias}` (Windows: `py scripts\\foundry_host.py "
        f"--model {alias}`), which downloads it with a progress bar."
    )


def load_failed(alias: str) -> str:
    """Return the remedy for a model that could not be loaded."""
    return (
        f"Free memory, or choose a smaller model such as qwen2.5-0.5b with MODEL; "
        f"`foundry model load {alias}` on the host shows the runtime's own words."
    )


LOAD_FAILED = (
    "Free memory, or choose a smaller model such as qwen2.5-0.5b with MODEL; "
    "`foundry model load` on the host shows the runtime's own words."
)
RESTART = (
    "Try again; if it happens again restart Foundry Local (`foundry server restart`, or "
    "`foundry service restart` up to CLI 0.8)."
)
