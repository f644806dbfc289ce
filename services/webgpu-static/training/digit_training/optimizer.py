"""Adam with decoupled weight decay, and the running average of the weights that is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from digit_training.network import Weights


class AdamW:
    """Loshchilov and Hutter, 2019; changes the weights in place."""

    def __init__(self, weights: Weights, *, decay: float = 0.02, average: float = 0.995) -> None:
        self._weights = weights
        self._decay = decay
        self._average = average
        self._first = {name: np.zeros_like(value) for name, value in weights.items()}
        self._second = {name: np.zeros_like(value) for name, value in weights.items()}
        self._steps = 0
        self.averaged: Weights = {name: value.copy() for name, value in weights.items()}

    def step(self, gradients: Weights, rate: float) -> None:
        """One step against ``gradients``."""
        self._steps += 1
        early = min(self._average, self._steps / (self._steps + 10.0))
        for name, weight in self._weights.items():
            gradient = gradients[name]
            first, second = self._first[name], self._second[name]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            size = np.sqrt(second / (1.0 - 0.999**self._steps)) + 1e-8
            decay = self._decay * weight if name.endswith(".weight") else 0.0
            np.subtract(
                weight, rate * (first / (1.0 - 0.9**self._steps) / size + decay), out=weight
            )
            self.averaged[name] += (1.0 - early) * (weight - self.averaged[name])
