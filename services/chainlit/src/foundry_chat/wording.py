"""Numbers and states in words, the same everywhere in the app."""

from __future__ import annotations

_MINUTE = 60
_HOUR = 3600


def progress(percent: float | None) -> str:
    """Return a download's state in a few words."""
    return "downloading" if percent is None else f"downloading, {percent:.0f} %"


def duration(seconds: float) -> str:
    """Return a duration as a person would say it, for estimates: ``40 s``, ``3 min``, ``2 h``."""
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    return f"{seconds / _HOUR:.1f} h"


def download(alias: str, percent: float | None, seconds_left: float | None) -> str:
    """Return the line about a model that is on its way while the demo answers."""
    amount = "" if percent is None else f": {percent:.0f} %"
    left = "" if seconds_left is None else f", {duration(seconds_left)} left"
    return f"{alias} is downloading{amount}{left}. The built-in demo answers meanwhile."


def waiting(reason: str | None, model: str, seconds: float) -> str:
    """Return the status line while no first token has come.

    Args:
        reason: the gateway's keep-alive comment, ``loading ALIAS`` or ``queued PLACE``.
        model: the alias asked.
        seconds: since the question was sent.
    """
    what, _, detail = (reason or "").partition(" ")
    if what == "loading":
        text = f"Loading {detail or model}"
    elif what == "queued":
        ahead = f", {detail} in line" if detail.isdigit() else ""
        text = f"Waiting for the model, which is busy{ahead}"
    else:
        text = f"Waiting for {model}"
    return f"{text} … {seconds:.0f} s"


def facts(model: str, first_token: float | None, tokens: int, generating: float | None) -> str:
    """Return the line under an answer: model, time to first token, tokens per second.

    Args:
        model: name as shown.
        first_token: seconds until it, ``None`` when none came.
        tokens: in the answer.
        generating: seconds between the first and the last token.
    """
    parts = [model]
    if first_token is not None:
        parts.append(f"first token {max(first_token, 0.01):.2f} s")
    # A rate over a handful of tokens says nothing.
    if generating and tokens >= 5:  # noqa: PLR2004
        parts.append(f"{(tokens - 1) / generating:,.0f} tokens/s")
    return " · ".join(parts)
