"""One probe from the command line, for a person or for the doctor."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from foundry_healthcheck.history import instant
from foundry_healthcheck.modules import MODULES
from foundry_healthcheck.parts import Part, parts
from foundry_healthcheck.probing import Outcome, Run, Surroundings, perform
from foundry_healthcheck.transport import make_session

if TYPE_CHECKING:
    from foundry_healthcheck.settings import Settings

_SERVICES = {
    "foundry": "foundry-local",
    "chat": "gateway",
    "websocket": "chainlit",
    "prometheus": "prometheus",
}


def probe(settings: Settings, module: str, target: str, *, as_json: bool) -> int:
    """Probe any address and print what came of it.

    Unlike ``/probe`` it takes every address: whoever runs it here may call them anyway.

    Returns:
        0 where it works or must not be asked now, 1 where it does not work, 2 for wrong usage.
    """
    if module not in MODULES:
        expected = f"expected one of {', '.join(MODULES)}, found {module!r}"
        print(f"foundry_healthcheck: MODULE: {expected}", file=sys.stderr)  # noqa: T201
        return 2
    if "://" not in target:
        target = f"http://{target}"
    part = next(
        (each for each in parts(settings) if (each.module, each.target) == (module, target)), None
    )
    run, outcome = asyncio.run(_probe(settings, module, target, part))
    if as_json:
        print(json.dumps(_describe(module, target, outcome)))  # noqa: T201
    else:
        _print(run, outcome)
    return 1 if outcome.state == "down" else 0


async def _probe(
    settings: Settings, module: str, target: str, part: Part | None
) -> tuple[Run, Outcome]:
    timeout = settings.chat_timeout if module == "chat" else settings.timeout
    service = part.service if part else _SERVICES.get(module, "")
    async with make_session() as session:
        run = Run(target, timeout, Surroundings(settings, session))
        return run, await perform(MODULES[module], run, service)


def _describe(module: str, target: str, outcome: Outcome) -> dict[str, object]:
    return {
        "module": module,
        "target": target,
        "outcome": outcome.state,
        "reason": outcome.reason,
        "message": outcome.message,
        "remedy": outcome.remedy,
        "duration_seconds": outcome.duration,
        "at": instant(outcome.at),
        "facts": outcome.facts,
    }


def _print(run: Run, outcome: Outcome) -> None:
    for line in run.log:
        print(line)  # noqa: T201
    for name, value in outcome.facts.items():
        print(f"{name}: {value}")  # noqa: T201
    if outcome.message:
        print(f"{outcome.message} {outcome.remedy or ''}".strip())  # noqa: T201
