"""A real question, streamed through the gateway, and what its answer took.

It never harms what it measures: it gives way when users wait, asks for few tokens, and asks only a
model that is loaded at that moment, because the gateway would load it otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundry_healthcheck.measurement import Measurement
from foundry_healthcheck.modules.foundry import look
from foundry_healthcheck.reasons import ProbeFailedError, ProbeSkippedError
from foundry_healthcheck.remedies import place
from foundry_healthcheck.streaming import Stream, translate
from foundry_healthcheck.transport import asking, fetch, parse_object

if TYPE_CHECKING:
    from foundry_healthcheck.probing import Run

QUESTION = "Count from 1 to 10."
_OK = 200
_STATUS_SHARE = 0.4
"""Of the time, for everything before the question."""


async def probe(run: Run) -> None:
    """Ask one short question and measure the answer.

    Raises:
        ProbeFailedError: No proper answer.
        ProbeSkippedError: Asking now would be in users' way, or load a model.
    """
    patience = min(run.settings.timeout, run.timeout * _STATUS_SHARE)
    status = await _status(run, patience)
    upstream = _active(status)
    if upstream is not None:
        run.where = place(run.settings, str(upstream["url"]))
    alias = _give_way(run, status)
    if not status.get("ready"):
        await _obstacle(run, patience)
    if not run.settings.loads_models:
        await _check_loaded(run, status, alias, upstream)
    await _ask(run, alias)


def _active(status: dict[str, Any]) -> dict[str, Any] | None:
    """Return the Foundry Local that answers, if any does."""
    return next((each for each in status.get("upstreams", ()) if each.get("active")), None)


async def _status(run: Run, patience: float) -> dict[str, Any]:
    code, body = await fetch(run, f"{run.target}/status", timeout=patience)
    status = parse_object(body)
    if code != _OK or "queue" not in status:
        raise ProbeFailedError(
            "bad_answer" if code == _OK else "http_error",
            "What answers there is not the gateway.",
        )
    return status


def _give_way(run: Run, status: dict[str, Any]) -> str:
    """Skip where users wait; otherwise return the alias that answers by default."""
    queue = status["queue"]
    waiting, active, limit = (int(queue.get(key) or 0) for key in ("waiting", "active", "limit"))
    run.note(f"queue: {active} of {limit} active, {waiting} waiting")
    if waiting or active >= limit > 0:
        raise ProbeSkippedError(
            "users_first", f"{active} answers are under way and {waiting} wait: users come first."
        )
    return str(status.get("default_model") or "")


async def _obstacle(run: Run, patience: float) -> None:
    """Fail with what the gateway says is in the way. Asking instead might load a model."""
    code, body = await fetch(run, f"{run.target}/ready", timeout=patience)
    if code != _OK:
        raise translate(parse_object(body), status=code)


async def _check_loaded(
    run: Run, status: dict[str, Any], alias: str, upstream: dict[str, Any] | None
) -> None:
    """Skip unless the model is loaded, by the gateway's word and by Foundry Local's own.

    The gateway's may be some seconds old, and asking a model that has just been unloaded would
    load it again.
    """
    models = [model for model in status.get("models", ()) if isinstance(model, dict)]
    if not models:
        raise ProbeFailedError("no_models", "The gateway offers no model.")
    entry = next((model for model in models if model.get("id") == alias), models[0])
    about = entry.get("foundry") or {}
    if about.get("state") != "loaded":
        raise _not_loaded(alias)
    if upstream is None:
        return
    patience = min(run.settings.timeout, run.timeout * _STATUS_SHARE)
    seen = await look(run, str(upstream["url"]), patience)
    if seen.failure is not None:
        raise seen.failure
    if seen.loaded is None or not _among(str(about.get("variant")), seen.loaded):
        raise _not_loaded(alias)


def _not_loaded(alias: str) -> ProbeSkippedError:
    return ProbeSkippedError(
        "model_not_loaded", f"{alias} is not loaded, and a question would load it."
    )


def _among(variant: str, loaded: tuple[str, ...]) -> bool:
    """Say whether a variant is loaded; 1.x and older leave out the version here and there."""
    bare = variant.partition(":")[0].lower()
    return any(variant == name or bare == name.partition(":")[0].lower() for name in loaded)


async def _ask(run: Run, alias: str) -> None:
    headers = {"X-Client": "healthcheck"}
    if run.settings.api_key:
        headers["Authorization"] = f"Bearer {run.settings.api_key}"
    body = {
        "model": alias,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": run.settings.chat_max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    run.facts["model"] = alias
    run.measurement = measurement = Measurement(alias)
    began = run.elapsed
    stream = Stream(run, measurement, began)
    try:
        async with asking(
            run, "POST", f"{run.target}/v1/chat/completions", json=body, headers=headers
        ) as response:
            if response.status != _OK:
                said = parse_object(await response.content.read(64 * 1024))
                raise translate(said, status=response.status)
            await stream.read(response, min(run.settings.chat_timeout, run.timeout))
    except ProbeFailedError as failure:
        if failure.reason != "timed_out" or not _goes_on(run, measurement, run.elapsed - began):
            raise stream.explain(failure) from None
    finally:
        measurement.total = run.elapsed - began
        _state(run, measurement)
    if measurement.total > run.settings.chat_timeout:
        run.slow = (
            f"The answer comes, but took {measurement.total:.0f} s; up to "
            f"{run.settings.chat_timeout:g} s are expected."
        )


def _goes_on(run: Run, seen: Measurement, now: float) -> bool:
    """Say whether the time ran out on an answer that was still coming: that is slow, not down."""
    took_long = now > run.settings.chat_timeout
    silence = now - seen.last_chunk
    return took_long and seen.chunks > 0 and silence < run.settings.chat_timeout / 2


def _state(run: Run, seen: Measurement) -> None:
    """Write down what was measured, also of an answer that broke off."""
    run.facts["time_to_first_chunk_seconds"] = seen.first_chunk
    run.facts["chunks_per_second"] = seen.chunks_per_second
    run.facts["chunks"] = seen.chunks
    run.facts["tokens"] = seen.output_tokens
    run.facts["finish"] = seen.finish
    if seen.first_chunk is not None:
        run.gauge(
            "probe_chat_time_to_first_chunk_seconds",
            "From the question to the first chunk of text.",
            seen.first_chunk,
        )
    if seen.chunks_per_second is not None:
        run.gauge(
            "probe_chat_chunks_per_second",
            "Chunks of text per second, after the first.",
            seen.chunks_per_second,
        )
    if seen.output_tokens is not None:
        run.gauge("probe_chat_output_tokens", "Tokens of the answer.", seen.output_tokens)
