"""Train the demo model: ``python -m foundry_demo.train --out DIR``."""

from __future__ import annotations

import argparse
import itertools
import math
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from foundry_demo import export, vocabulary
from foundry_demo.dialogues import conversations
from foundry_demo.network import Network, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenizers import Tokenizer

    from foundry_demo.dialogues import Turn

IGNORED = -100


def encode(turns: list[Turn], tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return token ids and, shifted by none, the labels: only what the assistant says counts."""
    user, assistant, end = (
        tokenizer.token_to_id(t) for t in (vocabulary.USER, vocabulary.ASSISTANT, vocabulary.END)
    )
    ids: list[int] = []
    labels: list[int] = []
    for turn in turns:
        asked = [user, *tokenizer.encode(turn.asked).ids, end, assistant]
        said = [*tokenizer.encode(turn.said).ids, end]
        ids += asked + said
        labels += [IGNORED] * len(asked) + said
    return ids, labels


def batches(
    seed: int, tokenizer: Tokenizer, budget: int, turns: tuple[int, ...], context: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield ids, labels and positions in batches of about *budget* tokens of similar length."""
    rng = Random(seed)  # noqa: S311
    stream = (encode(talk, tokenizer) for talk in conversations(seed, turns=turns))
    while True:
        pool = sorted(itertools.islice(stream, 1024), key=lambda pair: len(pair[0]))
        groups: list[list[tuple[list[int], list[int]]]] = [[]]
        for pair in pool:
            if len(pair[0]) > context:
                continue
            if (len(groups[-1]) + 1) * len(pair[0]) > budget:
                groups.append([])
            groups[-1].append(pair)
        rng.shuffle(groups)
        for group in groups:
            if not group:
                continue
            length = max(len(ids) for ids, _ in group)
            ids = torch.zeros(len(group), length, dtype=torch.long)
            labels = torch.full((len(group), length), IGNORED)
            for row, (tokens, wanted) in enumerate(group):
                ids[row, : len(tokens)] = torch.tensor(tokens)
                labels[row, : len(wanted)] = torch.tensor(wanted)
            positions = torch.arange(length).expand(len(group), length)
            yield ids, labels, positions


def train(args: argparse.Namespace) -> None:
    """Train and export."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    tokenizer = vocabulary.train(args.seed, args.vocabulary, 30_000)
    shape = Shape(tokenizer.get_vocab_size())
    network = Network(shape)
    print(f"{sum(p.numel() for p in network.parameters()):,} parameters, {shape}", flush=True)
    matrices = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=args.rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    begun = time.monotonic()
    seen = 0
    stream = batches(args.seed + 1, tokenizer, args.tokens, (1, 1, 2, 3, 5), shape.context)
    for step, (ids, labels, positions) in enumerate(stream):
        done = (time.monotonic() - begun) / 60 / args.minutes if args.minutes else step / args.steps
        if done >= 1:
            break
        rate = (
            args.rate
            * min(1, (step + 1) / 100)
            * (0.5 + 0.5 * math.cos(math.pi * min(1, done)) + 0.02)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        hidden = network(ids, positions)[:, :-1]
        wanted = labels[:, 1:]
        chosen = wanted != IGNORED
        logits = hidden[chosen] @ network.embed_tokens.weight.T
        loss = F.cross_entropy(logits, wanted[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        seen += ids.numel()
        if step % 50 == 0:
            spent = time.monotonic() - begun
            print(
                f"step {step} loss {loss.item():.4f} {seen / max(spent, 1e-9):,.0f} tokens/s {spent:.0f} s",
                flush=True,
            )
    args.out.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), args.out / "weights.pt")
    export.write_hugging_face(network, tokenizer, args.out / "hf")
    export.write_onnx(args.out / "hf", args.out / "onnx", args.precision)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--vocabulary", type=int, default=1536)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="fp32")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
