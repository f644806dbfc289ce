"""The pictures to learn from and the pictures to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_digits

from digit_training.images import prepared
from digit_training.strokes import drawings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int64]

HELD_OUT_EVERY = 5  # the 5th, 10th, … of scikit-learn's 1,797 digits are never trained on
_ENLARGED = 40  # pixels; 8 by 8 is enlarged smoothly before it is prepared like a drawing


@dataclass(frozen=True)
class Pictures:
    """Images of shape (n, 28, 28), values 0 to 1, and the digits they show."""

    images: Floats
    labels: Labels


def scanned() -> tuple[Pictures, Pictures]:
    """scikit-learn's bundled digits as the page would show them: (to learn, held out)."""
    digits = load_digits()
    enlarge = _cubic_weights(8, _ENLARGED)
    enlarged = np.clip(enlarge @ (digits.images / 16.0) @ enlarge.T, 0.0, 1.0)
    images = np.stack([prepared(each.astype(np.float32)) for each in enlarged])
    labels = digits.target.astype(np.int64)
    held_out = np.arange(len(labels)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    return (
        Pictures(images[~held_out], labels[~held_out]),
        Pictures(images[held_out], labels[held_out]),
    )


def to_learn(drawn: int, random: np.random.Generator) -> Pictures:
    """Drawn digits, and the scanned ones as often as makes a quarter of the whole."""
    learned, _ = scanned()
    images, labels = drawings(drawn, random)
    times = max(1, round(drawn / 3 / len(learned.labels)))
    return Pictures(
        np.concatenate([images, np.repeat(learned.images, times, axis=0)]),
        np.concatenate([labels, np.repeat(learned.labels, times)]),
    )


def _cubic_weights(source: int, target: int) -> NDArray[np.float64]:
    """Rows that enlarge ``source`` pixels to ``target`` by Catmull-Rom interpolation."""
    at = (np.arange(target) + 0.5) * source / target - 0.5
    distance = np.abs(at[:, None] - np.arange(-2, source + 2))
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return weights[:, 2:-2]  # beyond the picture is paper: its weight times zero
