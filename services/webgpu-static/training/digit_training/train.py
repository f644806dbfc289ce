"""Train the digit model and write it as ONNX.

usage: python -m digit_training.train [--out FILE] [--seed N] [--epochs N] [--drawn N]
                                      [--log FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from digit_training import network
from digit_training.dataset import Pictures, scanned, to_learn
from digit_training.export import to_onnx
from digit_training.images import augmented
from digit_training.optimizer import AdamW

BATCH = 64
RATE = 2e-3


@dataclass(frozen=True)
class Plan:
    """What one run does; the same plan gives the same weights on the same machine."""

    seed: int = 5
    epochs: int = 12
    drawn: int = 16_000


def train(plan: Plan) -> network.Weights:
    """Learn from freshly distorted pictures in every epoch; returns the averaged weights."""
    random = np.random.default_rng(plan.seed)
    began = time.monotonic()
    pictures = to_learn(plan.drawn, random)
    print(f"{len(pictures.labels)} pictures in {time.monotonic() - began:.0f} s")
    weights = network.first_weights(random)
    optimizer = AdamW(weights)
    per_epoch = len(pictures.labels) // BATCH
    for epoch in range(plan.epochs):
        order = random.permutation(len(pictures.labels))
        total = 0.0
        for step in range(per_epoch):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            images = augmented(pictures.images[chosen], random)
            gradient, loss = network.gradients(weights, images, pictures.labels[chosen], random)
            progress = (epoch * per_epoch + step) / (plan.epochs * per_epoch)
            optimizer.step(gradient, RATE * _schedule(progress))
            total += loss
        print(
            f"epoch {epoch + 1}: loss {total / per_epoch:.4f}, "
            f"held out {accuracy(optimizer.averaged, scanned()[1]):.4f}, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
    return optimizer.averaged


def accuracy(weights: network.Weights, pictures: Pictures) -> float:
    """The share of pictures whose highest score is theirs."""
    guessed = network.logits(weights, pictures.images).argmax(axis=1)
    return float((guessed == pictures.labels).mean())


def _schedule(progress: float) -> float:
    """Rise for a twentieth, then fall along a cosine."""
    warm = 0.05
    if progress < warm:
        return progress / warm
    return 0.5 * (1.0 + math.cos(math.pi * (progress - warm) / (1.0 - warm)))


def main() -> None:
    """Read the command line, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Plan()
    here = Path(__file__).resolve().parents[2]
    parser.add_argument("--out", type=Path, default=here / "models" / "digits.onnx")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--epochs", type=int, default=default.epochs)
    parser.add_argument("--drawn", type=int, default=default.drawn, help="synthetic drawings")
    parser.add_argument("--log", type=Path, help="write the figures here, as JSON")
    given = parser.parse_args()
    plan = Plan(given.seed, given.epochs, given.drawn)
    with threadpool_limits(1):  # one thread adds in one order, and leaves the machine usable
        weights = train(plan)
    figures = {"held_out": accuracy(weights, scanned()[1]), **plan.__dict__}
    note = f"Handwritten digits; seed {plan.seed}, {plan.epochs} epochs, {plan.drawn} drawings."
    given.out.write_bytes(to_onnx(weights, note).SerializeToString(deterministic=True))
    if given.log:
        given.log.write_text(json.dumps(figures))
    print(f"{given.out}: {given.out.stat().st_size} bytes, {figures}")


if __name__ == "__main__":
    main()
