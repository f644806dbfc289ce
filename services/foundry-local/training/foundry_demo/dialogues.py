"""Writes conversations: a seeded, endless stream of user and assistant turns."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from foundry_demo import memory
from foundry_demo.grammar import expand
from foundry_demo.noise import punctuated, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(__file__).resolve().parent.parent / "data"


@dataclass(frozen=True)
class Turn:
    """One question as it was typed, the sentence behind it, and its answer."""

    asked: str
    plain: str
    said: str


def load(name: str) -> dict[str, Any]:
    """Return one of the data files."""
    return tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass
class Library:
    """Everything written down in the data files."""

    stack: dict[str, Any] = field(default_factory=lambda: load("stack"))
    smalltalk: dict[str, Any] = field(default_factory=lambda: load("smalltalk"))
    fallback: dict[str, Any] = field(default_factory=lambda: load("fallback"))
    slots: dict[str, list[str]] = field(default_factory=lambda: load("slots") | load("words"))


class Writer:
    """Writes the turns of one conversation and remembers what was said in it."""

    def __init__(self, library: Library, rng: Random) -> None:
        self.library = library
        self.rng = rng
        self.name = ""
        self.facts: dict[str, str] = {}
        self.turns: list[Turn] = []
        self.more = ""

    def write(self, length: int) -> list[Turn]:
        """Return a conversation of *length* turns."""
        kinds: list[tuple[Callable[[], Turn | None], float]] = [
            (self._stack, 44),
            (self._smalltalk, 10),
            (self._fallback, 18),
            (self._tell_name, 4),
            (self._ask_name, 4 if not self.name else 8),
            (self._tell_fact, 5),
            (self._ask_fact, 6),
            (self._asked_before, 5),
            (self._said_before, 3),
            (self._echo, 4),
            (self._count, 5),
            (self._tell_more, 4),
        ]
        while len(self.turns) < length:
            kind = self.rng.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
            turn = kind()
            if turn is not None:
                self.turns.append(turn)
        return self.turns

    def _turn(self, plain: str, said: str, *, keep: bool = False) -> Turn:
        self.more = ""
        asked = punctuated(plain, self.rng) if keep else typed(plain, self.rng)
        return Turn(asked, plain, said)

    def _from(self, intents: dict[str, Any], name: str) -> Turn:
        intent = intents[name]
        plain = expand(self.rng.choice(intent["ask"]), self.rng, self.library.slots)
        turn = self._turn(plain, intent["say"])
        self.more = intent.get("more", "")
        return turn

    def _stack(self) -> Turn:
        return self._from(self.library.stack, self.rng.choice(list(self.library.stack)))

    def _smalltalk(self) -> Turn:
        return self._from(self.library.smalltalk, self.rng.choice(list(self.library.smalltalk)))

    def _fallback(self) -> Turn:
        names = list(self.library.fallback)
        return self._from(self.library.fallback, self.rng.choices(names, (60, 12, 14, 14))[0])

    def _tell_more(self) -> Turn | None:
        if not self.more:
            return None
        ask = "(tell me more|more|go on|more details|more about (it|that)|please continue|can you explain more|continue|and what else|what else)"
        return self._turn(expand(ask, self.rng, {}), self.more)

    def _tell_name(self) -> Turn:
        name = memory.person_name(self.rng, self.library.slots)
        ask = "[(hi|hello|hey|hello there|good morning)(,|!|)] (my name is|I am|I am called|call me|you can call me|people call me|this is|the name is|my name's|remember that my name is) <name>[, (nice to meet you|how are you|hello)]"
        plain = memory.fill(ask, self.rng, {}, name=name)
        self.name = name
        said = f"Nice to meet you, {name}! I will remember your name in this conversation."
        asked = plain + self.rng.choice(("", ".", "!"))
        if self.rng.random() < 0.5:
            asked = asked[0].upper() + asked[1:]
        self.more = ""
        return Turn(asked, plain, said)

    def _ask_name(self) -> Turn:
        ask = "(what is my name|who am I|do you (know|remember) my name|what was my name|say my name|tell me my name|what did I say my name was|my name|what am I called|how am I called|do you still know who I am|remember my name|what do people call me|can you remember my name|do you know who I am)"
        known = f"Your name is {self.name}."
        return self._turn(
            expand(ask, self.rng, {}),
            known if self.name else "You have not told me your name yet.",
        )

    def _tell_fact(self) -> Turn:
        key = self.rng.choice(self.library.slots["attribute"])
        value = memory.fact_value(key, self.rng, self.library.slots)
        self.facts[key] = value
        ask = "[remember [that]|please note that|note:|by the way,|you should know that] my <key> is <value>"
        plain = memory.fill(ask, self.rng, {}, key=key, value=value)
        self.more = ""
        asked = plain + self.rng.choice(("", ".", "!"))
        if self.rng.random() < 0.5:
            asked = asked[0].upper() + asked[1:]
        return Turn(asked, plain, f"Noted: your {key} is {value}.")

    def _ask_fact(self) -> Turn | None:
        if self.facts and self.rng.random() < 0.85:
            key = self.rng.choice(list(self.facts))
        elif self.rng.random() < 0.2:
            key = self.rng.choice(self.library.slots["attribute"])
        else:
            return None
        ask = "(what is my <key>|do you (know|remember) my <key>|tell me my <key>|what was my <key>|what did I say my <key> was|my <key>)"
        plain = memory.fill(ask, self.rng, {}, key=key)
        said = f"You have not told me your {key} yet."
        if key in self.facts:
            said = f"Your {key} is {self.facts[key]}."
        return self._turn(plain, said)

    def _asked_before(self) -> Turn:
        ask = "(what did I (just|) (ask|say|ask you|tell you|write|type|want to know) [before|just now]|what was my [last|previous] (question|message)|repeat my [last] question|what have I (just|) asked [you]|which question did I [just] ask|do you remember (what I (asked|said)|my (question|last question)))"
        plain = expand(ask, self.rng, {})
        if not self.turns:
            return self._turn(plain, "You have not asked me anything yet.")
        before = self.turns[-1].asked
        return self._turn(plain, f'You said: "{before}"')

    def _said_before(self) -> Turn | None:
        if not self.turns or len(self.turns[-1].said) > 260:
            return None
        ask = "(what did you [just] (say|answer|tell me)|repeat (that|your answer|your last answer|it)|say that again|(can|could) you repeat (that|it)|pardon|come again|what was your [last] answer|once more|what was that)"
        before = self.turns[-1].said
        return self._turn(expand(ask, self.rng, {}), f"I said: {before}")

    def _echo(self) -> Turn:
        words = " ".join(
            memory.invented_word(self.rng)
            if self.rng.random() < 0.5
            else self.rng.choice(self.library.slots[self.rng.choice(("noun", "verb", "adjective"))])
            for _ in range(self.rng.choice((1, 1, 2, 3, 4, 6)))
        )
        ask = "(say|repeat|echo|please say|can you say|write|just say|repeat after me|repeat after me:|say:|say the word|say the words|print) <words>"
        plain = memory.fill(ask, self.rng, {}, words=words)
        self.more = ""
        asked = plain[0].upper() + plain[1:] if self.rng.random() < 0.4 else plain
        return Turn(asked, plain, f"As you wish: {words}.")

    def _count(self) -> Turn:
        low, high = 1, self.rng.choice((5, 10, 20, self.rng.randint(2, 60)))
        if self.rng.random() < 0.4:
            low = self.rng.randint(1, 190)
            high = low + self.rng.randint(1, 30)
        elif self.rng.random() < 0.05:
            high = self.rng.randint(60, 200)
        high = min(high, 200)
        if low == 1 and self.rng.random() < 0.5:
            ask = "(count|please count|can you count|count up|counting) (to|up to) <high>"
        else:
            ask = "(count|please count|can you count|count up|list the numbers|say the numbers|write the numbers|numbers|all numbers) from <low> (to|up to|until) <high>"
        plain = memory.fill(ask, self.rng, {}, low=str(low), high=str(high))
        said = ", ".join(str(number) for number in range(low, high + 1)) + "."
        return self._turn(plain, said, keep=True)


def conversations(
    seed: int, *, turns: tuple[int, ...] = (1, 1, 1, 2, 3, 4)
) -> Iterator[list[Turn]]:
    """Yield conversations for ever; the same *seed* gives the same ones."""
    library = Library()
    rng = Random(seed)  # noqa: S311 - repeatable data, not a secret
    while True:
        yield Writer(library, rng).write(rng.choice(turns))
