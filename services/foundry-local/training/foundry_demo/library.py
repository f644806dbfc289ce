"""Everything written down in the data files, as intents with questions and an answer."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundry_demo import memory

if TYPE_CHECKING:
    from foundry_demo.grammar import Words

DATA = Path(__file__).resolve().parent.parent / "data"


@dataclass(frozen=True)
class Intent:
    """Questions that mean the same, and their answer."""

    say: str
    ask: list[str]
    more: str = ""
    slots: dict[str, Words] = field(default_factory=dict)
    service: str = ""


def load(name: str) -> dict[str, Any]:
    """Return one of the data files."""
    return tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))


class Library:
    """The intents by kind, the word lists and the templates of turns that need the context."""

    def __init__(self) -> None:
        self.dialogue: dict[str, Any] = load("dialogue")
        self.slots: dict[str, Words] = {
            **load("slots"),
            **load("words"),
            "iam": self.dialogue["iam"],
            "iam_more": self.dialogue["iam_more"],
            "invented": memory.invented_word,
            "Invented": lambda rng: memory.invented_word(rng).capitalize(),
            "glyphs": memory.random_glyphs,
        }
        self.stack = self._intents("stack")
        self.smalltalk = self._intents("smalltalk")
        self.fallback = self._intents("fallback")
        self.services = load("services")
        self.service_questions = self.services.pop("ask")
        self.about_services = [
            intent for name in self.services for intent in self._service_intents(name)
        ]

    def _intents(self, name: str) -> dict[str, Intent]:
        return {
            key: Intent(entry["say"], entry["ask"], entry.get("more", ""), self.slots)
            for key, entry in load(name).items()
        }

    def _service_intents(self, name: str) -> list[Intent]:
        entry = self.services[name]
        slots = self.slots | {"e": entry["names"], "p": [entry["port"]]}
        questions = self.service_questions
        what = questions["what"] + questions["only_what"].get(name, [])
        where = questions["where"] + questions["only_where"].get(name, [])
        return [
            Intent(entry["what"], what, slots=slots, service=name),
            Intent(entry["where"], where, slots=slots, service=name),
        ]
