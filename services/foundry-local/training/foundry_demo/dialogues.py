"""Writes conversations: a seeded, endless stream of user and assistant turns."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from foundry_demo import memory
from foundry_demo.grammar import expand
from foundry_demo.library import Intent, Library
from foundry_demo.noise import punctuated, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 20261122
LONGEST_COUNT = 200
_WEIGHTS = {"story": 0.3, "essay": 0.3, "hello": 2, "thanks": 2, "goodbye": 2}
_ASKED_OFTEN = (
    "what_stack", "what_foundry", "foundry_systems", "start", "stop", "private", "offline",
    "real_model", "change_model", "own_foundry", "api", "who_are_you", "can_do", "not_found",
)  # fmt: skip
_NUMBER_WORDS = {5: "five", 10: "ten", 12: "twelve", 20: "twenty", 50: "fifty", 100: "a hundred"}


@dataclass(frozen=True)
class Turn:
    """One question as it was typed, the sentence behind it, and its answer."""

    asked: str
    plain: str
    said: str


class Writer:
    """Writes the turns of one conversation and remembers what was said in it."""

    def __init__(self, library: Library, rng: Random) -> None:
        self.library = library
        self.rng = rng
        self.name = ""
        self.place = ""
        self.facts: dict[str, str] = {}
        self.turns: list[Turn] = []
        self.more = ""
        self.service = ""

    def write(self, length: int) -> list[Turn]:
        """Return a conversation of *length* turns."""
        kinds: list[tuple[Callable[[], Turn | None], float]] = [
            (self._stack, 62),
            (self._service, 11),
            (self._smalltalk, 16),
            (self._fallback, 32),
            (self._tell_name, 5),
            (self._ask_name, 3),
            (self._tell_fact, 6),
            (self._ask_fact, 6),
            (self._place, 3),
            (self._asked_before, 5),
            (self._first_asked, 1),
            (self._said_before, 2),
            (self._echo, 4),
            (self._count, 20),
            (self._count_far, 0.6),
            (self._odd, 2),
        ]
        actions, weights = [k for k, _ in kinds], [w for _, w in kinds]
        while len(self.turns) < length:
            turn = self._follow_up() or self.rng.choices(actions, weights)[0]()
            if turn is not None:
                self.turns.append(turn)
        return self.turns

    def _turn(self, plain: str, said: str) -> Turn:
        self.more = self.service = ""
        return Turn(typed(plain, self.rng), plain, said)

    def _exact(self, plain: str, said: str) -> Turn:
        """Return a turn whose words are copied later, and so are not mistyped."""
        self.more = self.service = ""
        asked = plain + self.rng.choice(("", "", ".", "!"))
        if self.rng.random() < 0.5:
            asked = asked[0].upper() + asked[1:]
        return Turn(asked, plain, said)

    def _ask(self, kind: str, /, **values: str) -> str:
        template = self.rng.choice(self.library.dialogue[kind])
        return memory.fill(template, self.rng, self.library.slots, **values)

    def _from(self, intent: Intent) -> Turn:
        turn = self._turn(expand(self.rng.choice(intent.ask), self.rng, intent.slots), intent.say)
        self.more, self.service = intent.more, intent.service
        return turn

    def _stack(self) -> Turn:
        names = list(self.library.stack)
        weights = [2 if name in _ASKED_OFTEN else 1 for name in names]
        return self._from(self.library.stack[self.rng.choices(names, weights)[0]])

    def _service(self) -> Turn:
        return self._from(self.rng.choice(self.library.about_services))

    def _smalltalk(self) -> Turn:
        names = list(self.library.smalltalk)
        weights = [_WEIGHTS.get(name, 1) for name in names]
        return self._from(self.library.smalltalk[self.rng.choices(names, weights)[0]])

    def _fallback(self) -> Turn:
        names = list(self.library.fallback)
        weights = [6 if name == "other" else 1 for name in names]
        return self._from(self.library.fallback[self.rng.choices(names, weights)[0]])

    def _follow_up(self) -> Turn | None:
        """Return a question that only makes sense after the turn before it."""
        if self.more and self.rng.random() < 0.4:
            return self._turn(self._ask("more"), self.more)
        if self.service and self.rng.random() < 0.3:
            name = self.service
            key = self.rng.choice(("what", "where"))
            ask = self.rng.choice(self.library.service_questions[f"follow_{key}"])
            turn = self._turn(
                expand(ask, self.rng, self.library.slots), self.library.services[name][key]
            )
            self.service = name
            return turn
        if self.name and len(self.turns) < 40 and self.rng.random() < 0.08:
            return self._ask_name()
        if self.facts and self.rng.random() < 0.12:
            return self._ask_fact()
        if self.place and self.rng.random() < 0.08:
            return self._turn(self._ask("ask_place"), f"You come from {self.place}.")
        return None

    def _tell_name(self) -> Turn:
        self.name = memory.person_name(self.rng, self.library.slots)
        said = f"Nice to meet you, {self.name}! I will remember your name in this conversation."
        return self._exact(self._ask("tell_name", name=self.name), said)

    def _ask_name(self) -> Turn | None:
        if not self.name and self.rng.random() < 0.5:
            return None
        said = f"Your name is {self.name}." if self.name else "You have not told me your name yet."
        return self._turn(self._ask("ask_name"), said)

    def _tell_fact(self) -> Turn:
        key = memory.attribute(self.rng, self.library.slots)
        value = memory.fact_value(key, self.rng, self.library.slots)
        self.facts[key] = value
        return self._exact(
            self._ask("tell_fact", key=key, value=value), f"Noted: your {key} is {value}."
        )

    def _ask_fact(self) -> Turn | None:
        if self.facts and self.rng.random() < 0.85:
            key = self.rng.choice(list(self.facts))
            return self._turn(self._ask("ask_fact", key=key), f"Your {key} is {self.facts[key]}.")
        if self.rng.random() < 0.8:
            return None
        key = memory.attribute(self.rng, self.library.slots)
        if key in self.facts:
            return None
        return self._turn(self._ask("ask_fact", key=key), f"You have not told me your {key} yet.")

    def _place(self) -> Turn:
        if self.place and self.rng.random() < 0.6:
            return self._turn(self._ask("ask_place"), f"You come from {self.place}.")
        if self.rng.random() < 0.15 and not self.place:
            return self._turn(self._ask("ask_place"), "You have not told me that yet.")
        self.place = memory.invented_word(self.rng).capitalize()
        if self.rng.random() < 0.4:
            self.place = expand("{place}", self.rng, self.library.slots)
        return self._exact(
            self._ask("tell_place", value=self.place), f"Noted: you come from {self.place}."
        )

    def _asked_before(self) -> Turn | None:
        if not self.turns:
            if self.rng.random() < 0.8:
                return None
            return self._turn(self._ask("asked_before"), "You have not asked me anything yet.")
        return self._turn(self._ask("asked_before"), f'You said: "{self.turns[-1].asked}"')

    def _first_asked(self) -> Turn | None:
        if not self.turns:
            return None
        return self._turn(self._ask("first_asked"), f'You began with: "{self.turns[0].asked}"')

    def _said_before(self) -> Turn | None:
        if not self.turns or len(self.turns[-1].said) > 300:
            return None
        return self._turn(self._ask("said_before"), f"I said: {self.turns[-1].said}")

    def _echo(self) -> Turn:
        words = " ".join(
            memory.invented_word(self.rng)
            if self.rng.random() < 0.5
            else expand(
                self.rng.choice(("{noun}", "{verb}", "{adjective}")), self.rng, self.library.slots
            )
            for _ in range(self.rng.choice((1, 1, 2, 3, 4, 6)))
        )
        return self._exact(self._ask("echo", words=words), f"As you wish: {words}.")

    def _count(self) -> Turn:
        rng = self.rng
        low, high = 1, rng.choice((3, 5, 10, 12, 15, 20, 25, 30, 50, rng.randint(2, 60)))
        shape = rng.random()
        if shape < 0.45:
            low = rng.randint(1, LONGEST_COUNT - 2)
            high = min(LONGEST_COUNT, low + rng.choice((2, 4, 7, 11, 16, 25)) + rng.randint(0, 5))
        elif shape < 0.61:
            high = rng.choice((100, 100, 100, 150, 200, 200, 200, 200, rng.randint(60, 200)))
        written = _NUMBER_WORDS.get(high, str(high)) if rng.random() < 0.2 else str(high)
        ask = "count_to" if low == 1 and rng.random() < 0.5 else "count_from"
        said = ", ".join(str(number) for number in range(low, high + 1)) + "."
        self.more = self.service = ""
        plain = self._ask(ask, low=str(low), high=written)
        return Turn(punctuated(plain, rng), plain, said)

    def _count_far(self) -> Turn:
        return self._turn(self._ask("count_far"), self.library.dialogue["count_far_said"])

    def _odd(self) -> Turn:
        """Return what a cat on the keyboard writes, or nothing at all."""
        self.more = self.service = ""
        asked = memory.odd_text(self.rng)
        return Turn(asked, asked, self.library.stack["can_do"].say)


def conversations(seed: int, turns: tuple[int, ...]) -> Iterator[list[Turn]]:
    """Yield conversations for ever, of one of *turns* lengths; the same *seed* gives the same."""
    library = Library()
    rng = Random(seed)
    while True:
        yield Writer(library, rng).write(rng.choice(turns))


def short_conversations(seed: int) -> Iterator[list[Turn]]:
    """Yield the conversations that most of the training consists of."""
    return conversations(seed + 1, (1, 1, 1, 2, 3, 4, 6))


def long_conversations(seed: int) -> Iterator[list[Turn]]:
    """Yield conversations that fill much of the context."""
    return conversations(seed + 2, (20, 40, 60, 80, 100))


def training_turns(seed: int = SEED) -> Iterator[Turn]:
    """Yield every turn that a training run with the default settings sees, and some more."""
    for talk in itertools.islice(short_conversations(seed), 120_000):
        yield from talk
    for talk in itertools.islice(long_conversations(seed), 1_500):
        yield from talk
