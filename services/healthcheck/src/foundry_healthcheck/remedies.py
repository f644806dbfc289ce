"""What to do about each failure: one thing, for every part and every reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_common import remedies
from foundry_common.remedies import APPLY

if TYPE_CHECKING:
    from foundry_common.remedies import Place
    from foundry_healthcheck.reasons import Skip
    from foundry_healthcheck.settings import Settings

LOAD = "Ask anything in the chat, which loads the model."
OTHER_MODEL = f"Set {{setting}} in .env to a model that Foundry Local has, {APPLY}."

SKIPS: dict[Skip, str] = {
    "users_first": "Nothing to do: the probe asks again when fewer people are asking.",
    "model_not_loaded": (
        "Ask anything in the chat, which loads the model, or set HEALTHCHECK_LOADS_MODELS=yes."
    ),
    "disabled": "Set HEALTHCHECK_CHAT_INTERVAL to a number of seconds above 0.",
}


def place(settings: Settings, url: str, generation: str = "") -> Place:
    """Return where a Foundry Local is, as the reader of the status knows it."""
    own = settings.embedded_url
    return remedies.place(
        url,
        embedded=url == own,
        system=settings.host_system,
        generation=generation,
        asked_in_container=own is not None and not remedies.is_loopback(own),
    )


def find(service: str, reason: str, where: Place) -> str:
    """Return the remedy for a part that does not work.

    Args:
        service: Its name in ``compose.yaml``; empty where it is none of the stack's.
        reason: Why it does not work.
        where: Foundry Local, as far as it is known which one answers.
    """
    if not service:
        return "Check the address that was probed, and that what should answer there runs."
    if service == remedies.CONTAINER:
        return foundry(reason, where)
    known = _REMEDIES.get((service, reason))
    return known.format(setting=where.setting) if known else _of_a_container(service, reason)


def slow(where: Place) -> str:
    """Return what to do about answers that come, but late."""
    return (
        "It works: nothing has to be mended. For quicker answers choose a smaller model "
        f"({where.setting} in .env); if this is its pace, raise HEALTHCHECK_CHAT_TIMEOUT in .env, "
        f"{APPLY}."
    )


def foundry(reason: str, where: Place) -> str:
    """Return the remedy for a Foundry Local that does not work."""
    if reason == "no_model_loaded":
        return LOAD
    if reason in ("no_models", "model_missing"):
        return remedies.no_such_model(where)
    return remedies.unreachable(reason, where)


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
        "If it happens again, `docker compose logs --tail 50 gateway` says where the answer ended."
    ),
    ("gateway", "no_answer"): (
        "The model answers without a word. If it stays so: set {setting} in .env to another, "
        f"{APPLY}."
    ),
    ("gateway", "timed_out"): (
        "Look at Foundry Local first. If the model is only slow, choose a smaller one with "
        f"{{setting}} or raise HEALTHCHECK_CHAT_TIMEOUT in .env, {APPLY}."
    ),
    ("gateway", "no_models"): OTHER_MODEL,
    ("gateway", "model_missing"): OTHER_MODEL,
    ("gateway", "no_model_loaded"): LOAD,
    ("chainlit", "handshake_failed"): (
        "No message gets through: `docker compose restart chainlit`. A proxy of your own in front "
        "has to let WebSocket upgrades on /ws/socket.io/ pass."
    ),
    ("prometheus", "not_ready"): (
        "It replays its log after a start, which may take a minute: `docker compose logs --tail 50 "
        "prometheus` says how far it is."
    ),
    ("prometheus", "not_recording"): (
        "It stores nothing new. `docker compose logs --tail 50 prometheus` says why; the clock of "
        "the machine may also have jumped."
    ),
    ("prometheus", "storage_failed"): (
        "Make room on its disk, or lower PROMETHEUS_RETENTION_SIZE in .env, then `docker compose "
        "up -d prometheus`; it goes on by itself once there is room."
    ),
}


def _of_a_container(service: str, reason: str) -> str:
    again = f"`docker compose up -d --force-recreate {service} healthcheck`"
    words = {
        "name_not_resolved": f"Its container is not running: `docker compose up -d {service}`.",
        "refused": f"It has stopped, or is still starting: `docker compose up -d {service}`.",
        "unreachable": f"It has stopped, or is still starting: `docker compose up -d {service}`.",
        "timed_out": f"It hangs: `docker compose restart {service}`.",
        "no_answer": f"It hangs: `docker compose restart {service}`.",
        "handshake_failed": f"It hangs: `docker compose restart {service}`.",
        "unauthorized": f"It asks for a key that the probe does not have: {again}.",
    }
    return words.get(reason) or f"`docker compose logs --tail 50 {service}` says what is wrong."
