"""First questions to begin a chat with; the built-in demo can answer each of them."""

from __future__ import annotations

from chainlit.types import Starter

_QUESTIONS = (
    ("What is this stack?", "What is this stack?", "stack"),
    ("Is my chat private?", "Is my chat private?", "lock"),
    ("How do I use my own model?", "How do I use my own model?", "plug"),
    ("Count from 1 to 20", "Count from 1 to 20", "list"),
)


def starters() -> list[Starter]:
    """Return the questions as Chainlit shows them."""
    return [
        Starter(label=label, message=message, icon=f"/public/starters/{icon}.svg")
        for label, message, icon in _QUESTIONS
    ]
