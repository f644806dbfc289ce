"""Makes a clean question look typed by a person: case, punctuation, politeness, typing slips."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_OPENERS = (
    "please", "hey,", "hi,", "hello,", "ok,", "okay,", "so", "and", "well,", "sorry,", "excuse me,",
    "quick question:", "question:", "one question:", "can you tell me", "could you tell me",
    "please tell me", "tell me", "do you know", "I want to know", "I would like to know",
    "I wonder", "just curious,", "hmm,", "um,", "wait,", "now", "but", "hi there,", "can I ask",
    "can you say", "can you please tell me", "I was wondering", "one more thing:", "also,",
    "thanks,", "thank you,", "good morning,", "hello!", "hi!", "I have a question:", "@bot",
    "first,", "actually,", "honestly,", "in simple words,", "help me:", "pls", "yes, but",
)  # fmt: skip
_CLOSERS = (
    "please", "thanks", "thank you", "exactly", "for me", "in short", "briefly", "again", "here",
    "now", "then", "by the way", "in one sentence", "if I may ask", "actually", "really", "pls",
    "in simple words", "for beginners", "today", "mate", "my friend", "anyway", "on my machine",
    "on windows", "on linux", "on my mac", "I forgot", "I am new here", "I am confused",
)  # fmt: skip
_SHORT_FORMS = (
    ("what is", ("what's", "whats")), ("who is", ("who's", "whos")), ("how do I", ("how to",)),
    ("where is", ("where's", "wheres")), ("I am", ("I'm", "im")), ("do not", ("don't", "dont")),
    ("you are", ("you're", "ur")), ("cannot", ("can't", "cant")), ("does not", ("doesn't",)),
    ("it is", ("it's", "its")), ("that is", ("that's", "thats")), ("I have", ("I've", "ive")),
    ("is not", ("isn't", "isnt")), ("are you", ("r u",)), ("will not", ("won't", "wont")),
    ("please", ("pls", "plz")), ("how can I", ("how to", "how could i", "how might I")),
)  # fmt: skip
_KEYS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "ko", "m": "n", "n": "bm", "o": "ip", "p": "ol",
    "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc",
    "y": "tu", "z": "x",
}  # fmt: skip


def polite(text: str, rng: Random) -> str:
    """Put an opener before or a closer behind *text*, sometimes both."""
    if rng.random() < 0.2:
        text = f"{rng.choice(_OPENERS)} {text}"
    if rng.random() < 0.1:
        text = f"{text}{rng.choice((' ', ', '))}{rng.choice(_CLOSERS)}"
    return text


def shortened(text: str, rng: Random) -> str:
    """Use the short forms people type, such as ``what's`` and ``dont``."""
    for long_form, short in _SHORT_FORMS:
        if long_form in text and rng.random() < 0.35:
            text = text.replace(long_form, rng.choice(short), 1)
    return text


def punctuated(text: str, rng: Random) -> str:
    """Give *text* a person's capitals and final marks."""
    if text[-1] not in "?!.":
        text += rng.choices(("", "?", ".", "??", "!", "...", " ?"), (40, 40, 10, 3, 3, 2, 2))[0]
    shape = rng.random()
    if shape < 0.35:
        return text
    if shape < 0.62:
        return text.lower()
    if shape < 0.65:
        return text.upper()
    if shape < 0.68:
        return text.title()
    return text[0].upper() + text[1:]


def mistyped(text: str, rng: Random) -> str:
    """Swap, drop, double or mistype one or two letters."""
    for _ in range(rng.choice((1, 1, 2))):
        places = [i for i, char in enumerate(text[:-1]) if char.isalpha()]
        if len(places) < 4:
            return text
        at = rng.choice(places)
        char = text[at]
        slip = rng.randrange(4)
        if slip == 0:
            text = text[:at] + text[at + 1] + char + text[at + 2 :]
        elif slip == 1:
            text = text[:at] + text[at + 1 :]
        elif slip == 2:
            text = text[:at] + char + text[at:]
        else:
            text = text[:at] + rng.choice(_KEYS.get(char.lower(), char)) + text[at + 1 :]
    return text


def typed(text: str, rng: Random) -> str:
    """Return *text* as one of the many ways in which a person would type it."""
    text = polite(text, rng)
    text = shortened(text, rng)
    text = punctuated(text, rng)
    if rng.random() < 0.15:
        text = mistyped(text, rng)
    return text
