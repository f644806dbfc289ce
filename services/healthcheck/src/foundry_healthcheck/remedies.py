"""What to do about each failure: concrete commands, for every part and every reason."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from foundry_healthcheck.reasons import Skip

START = (
    "start it with `foundry server start` (CLI 0.10 and later) or `foundry service start` "
    "(CLI up to 0.8), or run `python3 scripts/foundry_host.py` (Windows: "
    "`py scripts\\foundry_host.py`)"
)
STOP = "`foundry server stop` or `foundry service stop`"
FIND_PORT = "`foundry server status` or `foundry service status` shows the address it really uses"
SET_URL = "put that address into FOUNDRY_URL in .env, then `docker compose up -d`"
LOAD = (
    "Ask anything in the chat, which loads the model, or load it on the host: "
    "`foundry model load <alias>`."
)
DOWNLOAD = (
    "Download it with `foundry model download <alias>`, or set MODEL in .env to one that "
    "`foundry model list` shows."
)

_FOUNDRY: dict[str, str] = {
    "timed_out": (
        f"If Foundry Local hangs, stop it ({STOP}), then {START}. Otherwise a firewall may be "
        "dropping the connection: on Windows allow it in Windows Defender Firewall, on macOS "
        "under System Settings > Network > Firewall, on Linux with "
        "`sudo ufw allow in on docker0` or the like."
    ),
    "not_foundry": f"Something else uses that port. {FIND_PORT}: {SET_URL}.",
    "tls_failed": f"Something else uses that port. {FIND_PORT}: {SET_URL}.",
    "no_model_loaded": LOAD,
    "no_models": DOWNLOAD,
    "model_missing": DOWNLOAD,
}

SLOW = (
    "It works: nothing has to be mended. For quicker answers choose a smaller model (MODEL in "
    ".env) or a variant for this machine's GPU or NPU, and close what else uses them; if "
    "this is its pace, raise HEALTHCHECK_CHAT_TIMEOUT in .env."
)

SKIPS: dict[Skip, str] = {
    "users_first": "Nothing to do: the probe asks again when fewer people are asking.",
    "model_not_loaded": (
        "Ask anything in the chat, which loads the model, or set HEALTHCHECK_LOADS_MODELS=yes."
    ),
    "disabled": "Set HEALTHCHECK_CHAT_INTERVAL to a number of seconds above 0.",
}


def find(service: str, reason: str, target: str) -> str:
    """Return the remedy for a part that does not work.

    Args:
        service: Its name in ``compose.yaml``; empty where it is none of the stack's.
        reason: Why it does not work.
        target: What was probed.
    """
    if service == "foundry-local":
        return foundry(reason, target)
    if not service:
        return f"Check the address {target}, and that what should answer there runs."
    return _REMEDIES.get((service, reason)) or _of_a_container(service, reason, target)


def foundry(reason: str, url: str) -> str:
    """Return the remedy for a Foundry Local that does not work at ``url``."""
    host = urlsplit(url.partition(",")[0]).hostname or url
    if reason == "name_not_resolved":
        if host == "host.docker.internal":
            return (
                "On Docker Desktop (Windows, macOS) restart Docker Desktop; on Linux the service "
                'needs `extra_hosts: ["host.docker.internal:host-gateway"]`, and outside a '
                "container set FOUNDRY_URL=http://127.0.0.1:51211."
            )
        return f"Check the host name {host!r} in FOUNDRY_URL."
    found = _FOUNDRY.get(reason)
    if found is not None:
        return found
    hint = (
        " On Linux a container reaches the host only on the Docker bridge address: "
        "`scripts/foundry_host.py` listens there too."
        if host == "host.docker.internal" and reason in ("refused", "unreachable")
        else ""
    )
    return f"If Foundry Local is stopped, {START}. If it runs, {FIND_PORT}: {SET_URL}.{hint}"


_REMEDIES: dict[tuple[str, str], str] = {
    ("gateway", "unauthorized"): (
        "The probe and the gateway hold different keys: `docker compose up -d --force-recreate "
        "gateway healthcheck` makes both read it again."
    ),
    ("gateway", "overloaded"): (
        "More is being asked than the model can answer: wait, or raise GATEWAY_MAX_QUEUE and "
        "GATEWAY_MAX_CONCURRENCY in .env if the GPU has room."
    ),
    ("gateway", "stream_broken"): (
        "The answer broke off: look at Foundry Local on the host first (`foundry server status`), "
        "then at `docker compose logs --tail 50 gateway`."
    ),
    ("gateway", "no_answer"): (
        "The model answers without a word: restart Foundry Local (`foundry server restart`, or "
        "`foundry service restart` up to CLI 0.8), or try another MODEL."
    ),
    ("gateway", "timed_out"): (
        "The answer takes too long: `foundry server status` says whether Foundry Local works, "
        "`docker compose logs --tail 50 gateway` whether requests reach it. If the model is that "
        "slow, raise HEALTHCHECK_CHAT_TIMEOUT in .env or choose a smaller MODEL."
    ),
    ("gateway", "no_models"): DOWNLOAD,
    ("gateway", "model_missing"): DOWNLOAD,
    ("gateway", "no_model_loaded"): LOAD,
    ("chainlit", "handshake_failed"): (
        "The page loads but its live line does not open, so no message gets through: "
        "`docker compose restart chainlit`; if a proxy of your own stands in front, let it pass "
        "WebSocket upgrades on /ws/socket.io/."
    ),
    ("prometheus", "not_ready"): (
        "It replays its log after a start, which may take a minute; `docker compose logs --tail 50 "
        "prometheus` says how far it is."
    ),
    ("prometheus", "not_recording"): (
        "It runs but stores nothing new: http://localhost:9090/targets says which scrapes fail and "
        "why; the clock of the machine may also have jumped."
    ),
    ("prometheus", "storage_failed"): (
        "Make room on its disk (`docker system df` shows what is taken), or lower "
        "PROMETHEUS_RETENTION_SIZE in .env, then `docker compose up -d prometheus`; it goes on by "
        "itself once there is room."
    ),
}


def _of_a_container(service: str, reason: str, target: str) -> str:
    logs = f"`docker compose logs --tail 50 {service}`"
    if reason == "name_not_resolved":
        return (
            f"Its container is not running: `docker compose up -d {service}`; {logs} says why it "
            "stopped."
        )
    if reason in ("refused", "unreachable"):
        return (
            f"It is still starting, or has stopped: `docker compose ps {service}` says which, "
            f"{logs} why; `docker compose up -d {service}` starts it."
        )
    if reason in ("timed_out", "no_answer", "handshake_failed"):
        return f"It hangs: `docker compose restart {service}`; {logs} says what it did last."
    if reason in ("bad_answer", "tls_failed", "not_foundry"):
        return f"Something else answers at {target}: check its address and port; {logs} helps."
    if reason == "unauthorized":
        return f"It asks for a key: `docker compose up -d --force-recreate {service} healthcheck`."
    return f"{logs} says what is wrong; `docker compose restart {service}` often mends it."
