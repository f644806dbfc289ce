"""Turns conversations into batches of token ids, labels and positions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from foundry_demo import vocabulary
from foundry_demo.dialogues import long_conversations, short_conversations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenizers import Tokenizer

    from foundry_demo.dialogues import Turn

IGNORED = -100
_POOL = 1024
# Where a request has `tools`, the runtime's grammar makes every answer begin with this line or with
# a tool call. The line is learnt as an answer's beginning just enough to be likelier than a call.
_FRAME = "MESSAGE\n"
_FRAMED, _FRAME_WEIGHT = 0.06, 0.003
# Hundreds of numbers say "go on" for each that says "stop": its full stop counts for more.
_END_OF_COUNT = 8.0


@dataclass(frozen=True)
class Batch:
    """Token ids, what to predict (``IGNORED`` elsewhere), positions and the labels' weights.

    Each is rows x length.
    """

    ids: Tensor
    labels: Tensor
    positions: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Row:
    """One conversation: its tokens, its labels, and the places of what is special in it."""

    ids: list[int]
    labels: list[int]
    turns: list[int]
    ends: list[int]
    frames: list[int]


def encode(turns: list[Turn], tokenizer: Tokenizer, limit: int, rng: Random) -> Row:
    """Return the conversation up to *limit* tokens; only what the assistant says is learnt."""
    user, assistant, end = (
        vocabulary.token_id(tokenizer, token)
        for token in (vocabulary.USER, vocabulary.ASSISTANT, vocabulary.END)
    )
    row = Row([], [], [], [], [])
    for turn in turns:
        asked = [user, *tokenizer.encode(turn.asked).ids, end, assistant]
        frame = _any_spelling(_FRAME, tokenizer, rng) if rng.random() < _FRAMED else []
        said = [*tokenizer.encode(turn.said).ids, end]
        start = len(row.ids)
        if start + len(asked) + len(frame) + len(said) > limit:
            break
        row.turns.append(start)
        row.ids.extend(asked + frame + said)
        row.labels.extend([IGNORED] * len(asked) + frame + said)
        row.frames.extend(range(start + len(asked), start + len(asked) + len(frame)))
        if turn.said[0].isdigit():
            row.ends.append(len(row.ids) - 2)
    return row


def _any_spelling(text: str, tokenizer: Tokenizer, rng: Random) -> list[int]:
    text = text.replace("\n", "\u010a")  # ByteLevel's newline
    ids = []
    while text:
        known = [text[:n] for n in range(1, len(text) + 1) if tokenizer.token_to_id(text[:n])]
        piece = rng.choice(known)
        ids.append(vocabulary.token_id(tokenizer, piece))
        text = text[len(piece) :]
    return ids


def copying(seed: int, size: int, rows: int = 32) -> Iterator[Batch]:
    """Yield random tokens written twice: what teaches a small transformer to copy at all."""
    generator = torch.Generator().manual_seed(seed)
    rng = Random(seed)
    first = len(vocabulary.SPECIAL)
    while True:
        length = rng.choice((8, 16, 24, 40))
        words = torch.randint(first, size, (rows, length), generator=generator)
        ids = torch.cat((words, words), dim=1)
        labels = ids.clone()
        labels[:, : length + 1] = IGNORED
        start = rng.randrange(3900)
        positions = torch.arange(start, start + 2 * length).expand(rows, -1)
        yield Batch(ids, labels, positions, torch.ones(labels.shape))


def short(seed: int, tokenizer: Tokenizer, budget: int, context: int) -> Iterator[Batch]:
    """Yield batches of about *budget* tokens of conversations of similar length.

    Half of the rows skip positions between turns, so that few tokens span the whole context.
    """
    rng = Random(seed)
    stream = (encode(talk, tokenizer, 1200, rng) for talk in short_conversations(seed))
    while True:
        pool = [row for row in itertools.islice(stream, _POOL) if row.ids]
        pool.sort(key=lambda row: len(row.ids))
        groups: list[list[Row]] = [[]]
        for row in pool:
            if (len(groups[-1]) + 1) * len(row.ids) > budget and groups[-1]:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for group in groups:
            yield _collate(group, context, rng)


def long(seed: int, tokenizer: Tokenizer, context: int) -> Iterator[Batch]:
    """Yield single conversations of one to four thousand tokens."""
    rng = Random(seed)
    for talk in long_conversations(seed):
        row = encode(talk, tokenizer, rng.randint(context // 2, context - 8), rng)
        if row.ids:
            yield _collate([row], 0, rng)


def _collate(group: list[Row], context: int, rng: Random) -> Batch:
    length = max(len(row.ids) for row in group)
    ids = torch.zeros(len(group), length, dtype=torch.long)
    labels = torch.full((len(group), length), IGNORED)
    weights = torch.ones(labels.shape)
    steps = torch.ones(len(group), length, dtype=torch.long)
    steps[:, 0] = 0
    for index, row in enumerate(group):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        labels[index, : len(row.labels)] = torch.tensor(row.labels)
        weights[index, row.ends] = _END_OF_COUNT
        weights[index, row.frames] = _FRAME_WEIGHT
        room = context - length - 1
        if len(row.turns) > 1 and room > 0 and rng.random() < 0.5:
            for place in row.turns[1:]:
                jump = rng.randint(0, room // len(row.turns))
                steps[index, place] += jump
    return Batch(ids, labels, steps.cumsum(dim=1), weights)
