"""Facts that a person states and asks for later: names and other things, mostly invented words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_demo.grammar import expand

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from foundry_demo.grammar import Words

_SCRIPTS = (
    (0x4E00, 0x9FA5), (0x3041, 0x3093), (0x30A1, 0x30F6), (0xAC00, 0xD7A3), (0x0410, 0x044F),
    (0x03B1, 0x03C9), (0x05D0, 0x05EA), (0x0627, 0x064A), (0x0905, 0x0939), (0x0E01, 0x0E2E),
    (0x1F600, 0x1F64F), (0x1F300, 0x1F5FF), (0x2190, 0x21FF), (0x00C0, 0x00FF), (0x0A05, 0x0A39),
)  # fmt: skip
_ONSETS = (
    "b c d f g h j k l m n p r s t v w z br ch cl dr fr gr kr pl sh sk sl st th tr bj sv zh"
).split()
_MARKED = ("aä", "eé", "oö", "uü", "cç", "nñ", "aå", "oø", "sš", "ií", "eè", "lł")
_VOWELS = "a e i o u a e i o ai au ea ei ie oa oo ou y ia io".split()
_CODAS = ["", "", "", "", "n", "l", "r", "s", "t", "m", "k", "d", "nd", "rt", "th", "x", "ss", "ck"]


def invented_word(rng: Random) -> str:
    """Return a pronounceable word of one to four syllables that no list contains."""
    count = rng.choice((1, 2, 2, 2, 3, 3, 4))
    start = rng.choice(_VOWELS) if rng.random() < 0.15 else ""
    word = start + "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(count)
    )
    if rng.random() < 0.08:
        plain, marked = tuple(rng.choice(_MARKED))
        word = word.replace(plain, marked, 1)
    return word


def random_glyphs(rng: Random) -> str:
    """Return characters of one of many scripts, or key mashing."""
    kind = rng.randrange(7)
    if kind <= 1:
        row = rng.choice(
            ("asdfghjkl", "qwertyuiop", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz", "jklöfdsa")
        )
        return " ".join(
            "".join(rng.choice(row) for _ in range(rng.randint(2, 9)))
            for _ in range(rng.randint(1, 4))
        )
    low, high = rng.choice(_SCRIPTS)
    return " ".join(
        "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 7)))
        for _ in range(rng.randint(1, 5))
    )


def odd_text(rng: Random) -> str:
    """Return nothing, marks only, or one thing many times."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(("", "", "", " ", "\n", "\n\n\t \n", "\t", "  "))
    if kind == 1:
        return "".join(
            rng.choice("?!.,-_;:#*+~/\\|<>()[]{}$%&=@^\"'") for _ in range(rng.randint(1, 8))
        )
    low, high = rng.choice(_SCRIPTS)
    unit = rng.choice(
        (
            rng.choice("abcdefghijklmnopqrstuvwxyz0123456789.?!-_ "),
            rng.choice(("ha", "lo", "na", "bla ", "test ", "xyz", "no ", "12", "a ")),
            chr(rng.randint(low, high)),
            chr(rng.choice((0xFDFA, 0x200B, 0x202E, 0x1D573, 0x16A0, 0x1F3F4, 0xFFFD, 0x0301))),
        )
    )
    return unit * rng.choice((3, 5, 10, 20, 50, 100, 300, 800))


def person_name(rng: Random, words: Mapping[str, Words]) -> str:
    """Return a first name, real or invented, sometimes with a surname."""
    name = expand("{name}", rng, words) if rng.random() < 0.35 else invented_word(rng).capitalize()
    if rng.random() < 0.12:
        name += " " + invented_word(rng).capitalize()
    if rng.random() < 0.2:
        name = name.lower()
    return name


def fact_value(attribute: str, rng: Random, words: Mapping[str, Words]) -> str:
    """Return something a person may call their *attribute*."""
    if attribute in {"age", "lucky number", "room number", "favourite number"}:
        return str(rng.randint(1, 9999 if "room" in attribute else 99))
    if rng.random() < 0.5:
        return expand("{noun}", rng, words)
    word = invented_word(rng)
    if rng.random() < 0.3:
        word = word.capitalize()
    if rng.random() < 0.15:
        word += " " + expand("{noun}", rng, words)
    return word


def attribute(rng: Random, slots: Mapping[str, Words]) -> str:
    """Return what a fact is about, such as a favourite colour."""
    if rng.random() < 0.15:
        return expand(
            rng.choice(("favourite {any}", "{noun}'s name", "{noun}")), rng, slots
        ).lower()
    return expand("{attribute}", rng, slots)


def fill(template: str, rng: Random, slots: Mapping[str, Words], /, **values: str) -> str:
    """Expand *template* and put *values* where ``<key>`` stands."""
    text = expand(template, rng, slots)
    for key, value in values.items():
        text = text.replace(f"<{key}>", value)
    return text
