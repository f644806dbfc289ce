"""Train the demo model and write the runtime's files: ``python -m foundry_demo.train --help``."""

from __future__ import annotations

import argparse
import itertools
import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import distributed, multiprocessing

from foundry_demo import batches, export, vocabulary
from foundry_demo.dialogues import SEED
from foundry_demo.muon import Muon
from foundry_demo.network import Network, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundry_demo.batches import Batch

logger = logging.getLogger("foundry_demo")

# Of the steps after the copying ones: until when every fourth still copies, from when every
# fourth is a long conversation, and from when the learning rate falls.
EVERY, COPY_UNTIL, LONG_FROM, DECAY_FROM = 4, 0.4, 0.6, 0.4


def curriculum(
    seed: int, tokenizer: Tokenizer, shape: Shape, args: argparse.Namespace
) -> Iterator[Batch]:
    """Yield first copying, then short conversations, at last long ones among them."""
    copies = batches.copying(seed, shape.vocabulary)
    shorts = batches.short(seed, tokenizer, args.tokens, shape.context)
    longs = batches.long(seed, tokenizer, shape.context)
    for step in range(args.steps):
        done = (step - args.copy_steps) / (args.steps - args.copy_steps)
        for _ in range(args.workers):
            if done < 0 or (done < COPY_UNTIL and step % EVERY == 0 and not args.resume):
                yield next(copies)
            elif done >= LONG_FROM and step % EVERY == 0:
                yield next(longs)
            else:
                yield next(shorts)


def learning_rate(step: int, copy_steps: int, steps: int) -> float:
    """Return the factor on the learning rate: it rises, stays, and falls to nothing."""
    if step < copy_steps:
        return min(1.0, (step + 1) / 50)
    done = (step - copy_steps) / max(1, steps - copy_steps)
    return min(1.0, (step - copy_steps + 1) / 30, max(0.01, (1 - done) / (1 - DECAY_FROM)))


def loss_of(network: Network, batch: Batch) -> torch.Tensor:
    """Return the mean cross entropy of the labelled tokens."""
    hidden = network(batch.ids, batch.positions)[:, :-1]
    wanted = batch.labels[:, 1:]
    chosen = wanted != batches.IGNORED
    scores = hidden[chosen] @ network.embed_tokens.weight.T
    losses = F.cross_entropy(scores, wanted[chosen], reduction="none")
    return (losses * batch.weights[:, 1:][chosen]).mean()


def train(args: argparse.Namespace, worker: int) -> None:
    """Train, then write ``weights.pt``, ``hf/``, ``built/`` and ``demo_model/`` into the folder."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    if args.tokenizer:
        tokenizer = Tokenizer.from_file(str(args.tokenizer))
    else:
        tokenizer = vocabulary.train(args.seed, args.vocabulary, samples=40_000)
    shape = Shape(tokenizer.get_vocab_size())
    network = Network(shape)
    if args.resume:
        network.load_state_dict(torch.load(args.resume))
    parameters = dict(network.named_parameters())
    inner = [p for name, p in parameters.items() if p.dim() > 1 and "embed" not in name]
    other = [p for name, p in parameters.items() if p.dim() <= 1 or "embed" in name]
    muon = Muon(inner)
    adam = torch.optim.AdamW(other, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    _log(worker, "%d parameters, %s", sum(p.numel() for p in parameters.values()), shape)
    begun, seen, total = time.monotonic(), 0, 0.0
    stream = curriculum(args.seed, tokenizer, shape, args)
    for step, batch in enumerate(itertools.islice(stream, worker, None, args.workers)):
        rate = args.rate * learning_rate(step, args.copy_steps, args.steps)
        loss = loss_of(network, batch)
        loss.backward()
        _average_gradients(list(parameters.values()), args.workers)
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        muon.step(rate)
        adam.param_groups[0]["lr"] = rate
        adam.step()
        network.zero_grad(set_to_none=True)
        seen += batch.ids.numel() * args.workers
        total += loss.item()
        if (step + 1) % 50 == 0:
            spent = time.monotonic() - begun
            text = "step %d of %d, loss %.4f, %.1f million tokens, %d s"
            _log(worker, text, step + 1, args.steps, total / 50, seen / 1e6, spent)
            total = 0.0
            if worker == 0 and (step + 1) % 250 == 0:
                _save(network, args.out)
    if worker == 0:
        _save(network, args.out)
        export.write_hugging_face(network, tokenizer, args.out / "hf")
        export.write_onnx(args.out / "hf", args.out / "built", args.precision)
        export.ship(args.out / "built", args.out / "demo_model")


def _average_gradients(parameters: list[torch.nn.Parameter], workers: int) -> None:
    if workers == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= workers
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def _work(worker: int, args: argparse.Namespace, meeting: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if args.workers > 1:
        distributed.init_process_group(
            "gloo", init_method=meeting, rank=worker, world_size=args.workers
        )
    train(args, worker)
    if args.workers > 1:
        distributed.destroy_process_group()


def _log(worker: int, text: str, *values: object) -> None:
    if worker == 0:
        logger.info(text, *values)


def _save(network: Network, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), folder / "weights.pt")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for everything written")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=6000, help="all steps, copying included")
    parser.add_argument("--copy-steps", type=int, default=250)
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--tokens", type=int, default=2048, help="tokens per batch and worker")
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--precision", default="int8", choices=("fp32", "int8", "int4"))
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json instead of a new one")
    parser.add_argument("--resume", type=Path, help="weights.pt to go on from")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "workers").as_uri()
        if args.workers == 1:
            _work(0, args, meeting)
        else:
            multiprocessing.spawn(_work, (args, meeting), nprocs=args.workers)


if __name__ == "__main__":
    main()
