"""The settings panel of a chat: what it shows, and what a person's choices mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import chainlit as cl
from chainlit.input_widget import InputWidget, Select, TextInput

from foundry_chat.gateway_client import Sampling
from foundry_chat.models import AUTOMATIC, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODELS_OWN = "Model's own"


@dataclass(frozen=True)
class Options:
    """What a person has set for this chat."""

    system_prompt: str
    model: str = AUTOMATIC
    sampling: Sampling = field(default_factory=Sampling)


def widgets(options: Options, snapshot: Snapshot) -> list[InputWidget]:
    """Return the panel's inputs, showing ``options``."""
    return [
        Select(
            id="model",
            label="Model",
            items=_choices(options, snapshot),
            initial_value=options.model,
            description="Automatic follows Foundry Local, also when its models change.",
        ),
        TextInput(
            id="system_prompt",
            label="System prompt",
            initial=options.system_prompt,
            placeholder="None",
            multiline=True,
            description="Sent before every conversation. May be empty.",
        ),
        TextInput(
            id="temperature",
            label="Temperature",
            initial=_text(options.sampling.temperature),
            placeholder=_MODELS_OWN,
            tooltip="0 to 2. Low is matter-of-fact, high is imaginative.",
        ),
        TextInput(
            id="top_p",
            label="Top-p",
            initial=_text(options.sampling.top_p),
            placeholder=_MODELS_OWN,
            tooltip="Up to 1. Lower keeps to the likeliest words.",
        ),
        TextInput(
            id="max_tokens",
            label="Maximum tokens",
            initial=_text(options.sampling.max_tokens),
            placeholder="As many as fit",
            tooltip="The longest answer allowed. A token is about four letters.",
        ),
    ]


async def show(options: Options, snapshot: Snapshot) -> None:
    """Send the panel to the browser of the current chat."""
    await cl.ChatSettings(widgets(options, snapshot)).send()


def read(values: Mapping[str, Any]) -> tuple[Options, list[str]]:
    """Return the options in ``values`` and what is wrong with them.

    A value that cannot be used counts as not set, and is named in the list.
    """
    complaints: list[str] = []

    def number(name: str, label: str, low: float, high: float) -> float | None:
        text = str(values.get(name) or "").strip().replace(",", ".")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if low <= value <= high:
            return value
        complaints.append(f"{label} must be a number from {low:g} to {high:g}, not “{text}”.")
        return None

    limit = number("max_tokens", "Maximum tokens", 1, 1_000_000)
    options = Options(
        model=str(values.get("model") or AUTOMATIC),
        system_prompt=str(values.get("system_prompt") or ""),
        sampling=Sampling(
            temperature=number("temperature", "Temperature", 0, 2),
            top_p=number("top_p", "Top-p", 0.01, 1),
            max_tokens=None if limit is None else int(limit),
        ),
    )
    return options, complaints


def _choices(options: Options, snapshot: Snapshot) -> dict[str, str]:
    """Return label → value, as the select wants them."""
    default = snapshot.default
    automatic = f"Automatic: {default.short_name}" if default else "Automatic"
    choices = {automatic: AUTOMATIC}
    choices |= {model.label: model.alias for model in snapshot.models}
    if options.model not in choices.values():
        choices[f"{options.model} · not offered now"] = options.model
    return choices


def _text(value: float | None) -> str:
    return "" if value is None else str(value).removesuffix(".0")
