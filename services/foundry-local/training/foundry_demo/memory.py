"""Facts that a person states and asks for later: names and other things, mostly invented words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_demo.grammar import expand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

_ONSETS = (
    "b c d f g h j k l m n p r s t v w z br ch cl dr fr gr kr pl sh sk sl st th tr bj sv zh"
).split()
_VOWELS = "a e i o u a e i o ai au ea ei ie oa oo ou y ia io".split()
_CODAS = ["", "", "", "", "n", "l", "r", "s", "t", "m", "k", "d", "nd", "rt", "th", "x", "ss", "ck"]


def invented_word(rng: Random) -> str:
    """Return a pronounceable word of one to four syllables that no list contains."""
    count = rng.choice((1, 2, 2, 2, 3, 3, 4))
    start = rng.choice(_VOWELS) if rng.random() < 0.15 else ""
    return start + "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(count)
    )


def person_name(rng: Random, words: Mapping[str, Sequence[str]]) -> str:
    """Return a first name, real or invented, sometimes with a surname."""
    name = rng.choice(words["name"]) if rng.random() < 0.35 else invented_word(rng).capitalize()
    if rng.random() < 0.12:
        name += " " + invented_word(rng).capitalize()
    if rng.random() < 0.2:
        name = name.lower()
    return name


def fact_value(attribute: str, rng: Random, words: Mapping[str, Sequence[str]]) -> str:
    """Return something a person may call their *attribute*."""
    if attribute in {"age", "lucky number", "room number", "favourite number"}:
        return str(rng.randint(1, 9999 if "room" in attribute else 99))
    if rng.random() < 0.5:
        return rng.choice(words["noun"])
    word = invented_word(rng)
    if rng.random() < 0.3:
        word = word.capitalize()
    if rng.random() < 0.15:
        word += f" {rng.choice(words['noun'])}"
    return word


def fill(template: str, rng: Random, slots: Mapping[str, Sequence[str]], **values: str) -> str:
    """Expand *template* and put *values* where ``<key>`` stands."""
    text = expand(template, rng, slots)
    for key, value in values.items():
        text = text.replace(f"<{key}>", value)
    return text
