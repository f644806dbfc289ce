"""A tiny template language: ``(a|b|)`` chooses, ``[a]`` may be left out, ``{name}`` fills a slot."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random


class Node:
    """A parsed template: literal text, a slot, or a choice between sequences of nodes."""

    __slots__ = ("choices", "slot", "text")

    def __init__(
        self, text: str = "", slot: str = "", choices: tuple[tuple[Node, ...], ...] = ()
    ) -> None:
        self.text = text
        self.slot = slot
        self.choices = choices


@lru_cache(maxsize=None)
def parse(template: str) -> tuple[Node, ...]:
    """Parse a template once; unbalanced brackets raise ``ValueError``."""
    nodes, end = _sequence(template, 0, "")
    if end != len(template):
        raise ValueError(f"unbalanced bracket in template: {template!r}")
    return nodes


def _sequence(template: str, at: int, closers: str) -> tuple[tuple[Node, ...], int]:
    nodes: list[Node] = []
    while at < len(template) and template[at] not in closers:
        char = template[at]
        if char in "([":
            closer = ")" if char == "(" else "]"
            choices: list[tuple[Node, ...]] = [] if char == "(" else [()]
            while True:
                choice, at = _sequence(template, at + 1, f"|{closer}")
                choices.append(choice)
                if at >= len(template):
                    raise ValueError(f"unbalanced bracket in template: {template!r}")
                if template[at] == closer:
                    break
            nodes.append(Node(choices=tuple(choices)))
            at += 1
        elif char == "{":
            close = template.index("}", at)
            nodes.append(Node(slot=template[at + 1 : close]))
            at = close + 1
        else:
            stop = at
            while stop < len(template) and template[stop] not in "([{|)]":
                stop += 1
            nodes.append(Node(text=template[at : max(stop, at + 1)]))
            at = max(stop, at + 1)
    return tuple(nodes), at


def expand(template: str, rng: Random, slots: Mapping[str, Sequence[str]]) -> str:
    """Return one random sentence of the template, with single spaces."""
    return re.sub(r" +", " ", _expand(parse(template), rng, slots)).strip()


def _expand(nodes: tuple[Node, ...], rng: Random, slots: Mapping[str, Sequence[str]]) -> str:
    parts = []
    for node in nodes:
        if node.choices:
            parts.append(_expand(rng.choice(node.choices), rng, slots))
        elif node.slot:
            parts.append(_expand(parse(rng.choice(slots[node.slot])), rng, slots))
        else:
            parts.append(node.text)
    return "".join(parts)
