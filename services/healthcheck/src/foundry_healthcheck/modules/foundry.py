"""Foundry Local itself: where it answers, which generation it is, and which models are loaded.

Only two cheap routes are asked, never the catalog, which may take the runtime seconds.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundry_common.remedies import gone
from foundry_healthcheck import remedies
from foundry_healthcheck.reasons import ProbeFailedError
from foundry_healthcheck.transport import fetch, parse_object, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundry_healthcheck.probing import Run

_OK = 200
_PATIENCE = 0.9
"""Of the run's time, for one look."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of the REST server."""

    name: str
    status_path: str
    loaded_path: str

    def recognises(self, status: Mapping[str, Any]) -> bool:
        """Say whether an answer from ``status_path`` is this generation's."""
        keys = {key.lower() for key in status}
        if self.name == "v2":
            return "modelcachepath" in keys
        return "endpoints" in keys and bool(keys & {"modeldirpath", "pipename"})


GENERATIONS = (
    Generation("v2", "/status", "/models/loaded"),
    Generation("v1", "/status", "/models/loaded"),
    Generation("legacy", "/openai/status", "/openai/loadedmodels"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one address."""

    url: str
    dialect: str | None = None
    loaded: tuple[str, ...] | None = None
    """None: it answers, but does not say; 2.x answers only its status while it loads a model."""
    failure: ProbeFailedError | None = None


async def probe(run: Run) -> None:
    """Look at every address of the target (comma-separated) and judge the first that answers.

    Raises:
        ProbeFailedError: None answers, or no model is loaded.
    """
    looks = await _until_one_answers(run, [url.strip() for url in run.target.split(",")])
    found = next((each for each in looks if each.failure is None), None)
    if found is None:
        raise _worst(run, looks)
    run.facts["url"] = found.url
    run.facts["dialect"] = found.dialect
    run.gauge(
        "probe_foundry_info",
        "Which generation answers, and where.",
        1,
        dialect=found.dialect or "",
        url=found.url,
    )
    passed_over = looks[: looks.index(found)]
    if passed_over:
        run.facts["not_answering"] = ", ".join(
            f"{each.url} ({each.failure.reason})" for each in passed_over if each.failure
        )
    if found.loaded is None:
        run.facts["busy"] = "it answers nothing but its status: it is probably loading a model"
        return
    run.facts["models_loaded"] = len(found.loaded)
    run.facts["models"] = ", ".join(found.loaded) or None
    run.gauge("probe_foundry_models_loaded", "Models that answer now.", len(found.loaded))
    if not found.loaded:
        raise ProbeFailedError(
            "no_model_loaded",
            f"{remedies.place(run.settings, found.url).name} runs, but has no model loaded.",
            remedies.LOAD,
        )


async def _until_one_answers(run: Run, urls: list[str]) -> list[Look]:
    """Look at all at once; return those up to the first that answers.

    The others are not waited for: the stack's own runtime is often not there, and a name server
    may take its time to say so.
    """
    tasks = [asyncio.create_task(look(run, url, run.timeout * _PATIENCE)) for url in urls]
    looks: list[Look] = []
    try:
        for task in tasks:
            looks.append(await task)
            if looks[-1].failure is None:
                break
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return looks


async def look(run: Run, url: str, patience: float) -> Look:
    """Look at one address; raises nothing.

    Args:
        run: Whose look it is.
        url: Where Foundry Local may be.
        patience: Seconds for all of it.
    """
    try:
        # Half of it each: one that answers only its status is told from one that answers nothing.
        generation = await _identify(run, url, patience / 2)
    except ProbeFailedError as failure:
        return Look(url, failure=_explain(run, failure, url))
    try:
        status, body = await fetch(run, url + generation.loaded_path, timeout=patience / 2)
    except ProbeFailedError as failure:
        if failure.reason == "timed_out":
            return Look(url, generation.name)
        return Look(url, generation.name, failure=_explain(run, failure, url, generation.name))
    return Look(url, generation.name, _names(status, body))


async def _identify(run: Run, url: str, patience: float) -> Generation:
    answers: dict[str, tuple[int, bytes]] = {}
    for generation in GENERATIONS:
        path = generation.status_path
        if path not in answers:
            answers[path] = await fetch(run, url + path, timeout=patience)
        status, body = answers[path]
        if status == _OK and generation.recognises(parse_object(body)):
            run.note(f"{url} is {generation.name}")
            return generation
    raise ProbeFailedError("not_foundry", "What answers is not Foundry Local.")


def _explain(
    run: Run, failure: ProbeFailedError, url: str, generation: str = ""
) -> ProbeFailedError:
    """Put a transport failure into Foundry Local's words."""
    where = remedies.place(run.settings, url, generation)
    reason = failure.reason
    if reason in ("bad_answer", "tls_failed"):
        reason = "not_foundry"
    if reason == "not_foundry":
        at = "in its container" if where.embedded else f"at {where.url}"
        message = f"What answers {at} is not Foundry Local."
    elif reason == "timed_out":
        message = f"{where.name} does not answer: it hangs, or a firewall is mute."
    else:
        unreached = f"{where.name} cannot be reached: {words(reason)}."
        message = gone(reason, where) or unreached
    return ProbeFailedError(reason, message, remedies.foundry(reason, where))


def _names(status: int, body: bytes) -> tuple[str, ...]:
    if status != _OK:
        return ()
    try:
        names = json.loads(body)
    except ValueError:
        return ()
    if not isinstance(names, list):
        return ()
    return tuple(name for name in names if isinstance(name, str))


def _worst(run: Run, looks: list[Look]) -> ProbeFailedError:
    """Return the trouble that is the first to be mended: the most preferred address's.

    The stack's own runtime runs on request. Where it was chosen, it is there because the others are
    not; else that its name does not resolve is normal, and worth showing only where it is alone.
    """
    failures = [each for each in looks if each.failure is not None]
    own, chosen = run.settings.embedded_url, run.settings.embedded_chosen
    shown = [
        each
        for each in failures
        if each.url != own
        or chosen
        or (each.failure and each.failure.reason != "name_not_resolved")
    ]
    shown.sort(key=lambda each: not (chosen and each.url == own))
    first = (shown or failures)[0].failure
    others = [f"{each.url} ({each.failure.reason})" for each in shown[1:] if each.failure]
    if others:
        run.facts["not_answering"] = ", ".join(others)
    return first or ProbeFailedError("other", "Foundry Local has not been looked at.")
