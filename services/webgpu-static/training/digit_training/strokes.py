"""Draws varied digits from the templates, as the page's canvas would show them to the model."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from digit_training.images import SIDE, centred
from digit_training.templates import TEMPLATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

BOX = 20.0  # the longer side of a digit, in pixels, as in MNIST
_STEPS = 5  # line segments between two points of a curve


def drawings(count: int, random: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Draw ``count`` digits, every class equally often.

    Returns:
        Images of shape (count, 28, 28) with values 0 to 1, and the digits they show.
    """
    labels = np.arange(count) % 10
    random.shuffle(labels)
    images = np.stack([draw(int(label), random) for label in labels])
    return images.astype(np.float32), labels


def draw(digit: int, random: np.random.Generator) -> Floats:
    """One digit in a random way of writing, shaken, leaning, and with a random pen."""
    ways = TEMPLATES[digit]
    way = ways[random.integers(len(ways))]
    shake = random.uniform(1.0, 5.0)
    curves = [curve(stroke, shake, random) for stroke in way]
    warp = _handwriting(random)
    curves = [warp(each) for each in curves]
    # Relative to the digit's own size: a small drawing has a thick pen.
    radius = 0.5 * BOX * float(np.exp(random.uniform(np.log(0.055), np.log(0.24))))
    return centred(_render(_fitted(curves, radius), radius, random))


def curve(stroke: str, shake: float, random: np.random.Generator) -> Floats:
    """The stroke's points as one fine polyline, its corners kept sharp."""
    pieces = [
        np.array([point.split(",") for point in piece.split()], np.float32)
        for piece in stroke.split("|")
    ]
    line: list[Floats] = []
    start: Floats | None = None
    for piece in pieces:
        points = piece + random.normal(0.0, shake, piece.shape).astype(np.float32)
        if start is not None:
            points = np.concatenate([start[None], points])
        line.append(smooth(points))
        start = points[-1]
    return np.concatenate(line)


def smooth(points: Floats) -> Floats:
    """A Catmull-Rom curve through ``points``."""
    if len(points) == 1:
        return points
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    weights = _weights()
    windows = np.stack([padded[:-3], padded[1:-2], padded[2:-1], padded[3:]])
    inner = np.einsum("sk,knd->nsd", weights, windows).reshape(-1, 2)
    return np.concatenate([inner, points[-1:]]).astype(np.float32)


@cache
def _weights() -> Floats:
    at = np.arange(_STEPS, dtype=np.float32) / _STEPS
    return 0.5 * np.stack(
        [
            -at + 2 * at**2 - at**3,
            2 - 5 * at**2 + 3 * at**3,
            at + 4 * at**2 - 3 * at**3,
            -(at**2) + at**3,
        ],
        axis=1,
    )


class _handwriting:  # noqa: N801 - reads as the verb it is
    """One person's slant, width, rotation and bends, the same for all strokes of a digit."""

    def __init__(self, random: np.random.Generator) -> None:
        angle = random.normal(0.0, 0.11)
        slant = random.normal(0.05, 0.17)
        narrow = float(np.exp(random.normal(-0.18, 0.24)))
        rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self._linear = (rotate @ np.array([[narrow, -slant], [0.0, 1.0]])).astype(np.float32)
        self._phase = random.uniform(0.0, 2 * np.pi, 2)
        self._bend = random.normal(0.0, 2.5, 2)
        self._waves = random.uniform(0.02, 0.07, 2)

    def __call__(self, points: Floats) -> Floats:
        moved = (points - 50.0) @ self._linear.T
        across = self._bend[0] * np.sin(self._waves[0] * moved[:, 1] + self._phase[0])
        down = self._bend[1] * np.sin(self._waves[1] * moved[:, 0] + self._phase[1])
        return moved + np.stack([across, down], axis=1).astype(np.float32)


def _fitted(curves: list[Floats], radius: float) -> list[Floats]:
    """Scaled so that the ink, not the line's middle, fills the box; in the picture's middle."""
    everything = np.concatenate(curves)
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = (BOX - 2 * radius) / max(float((high - low).max()), 1e-6)
    middle = (low + high) / 2
    return [(each - middle) * scale + SIDE / 2 for each in curves]


def _render(curves: list[Floats], radius: float, random: np.random.Generator) -> Floats:
    """Ink by the distance to the nearest line: round caps and joins, soft by one pixel."""
    starts = np.concatenate([each[:-1] for each in curves])
    ends = np.concatenate([each[1:] for each in curves])
    along = ends - starts
    length = np.maximum((along**2).sum(axis=1), 1e-9)
    columns = np.arange(SIDE, dtype=np.float32) + 0.5
    grid = np.stack(np.meshgrid(columns, columns), axis=-1).reshape(-1, 1, 2)
    offset = grid - starts
    nearest = np.clip((offset * along).sum(axis=2) / length, 0.0, 1.0)
    distance = ((offset - nearest[..., None] * along) ** 2).sum(axis=2)
    soft = random.uniform(0.8, 1.6)
    ink = 0.5 + (radius - np.sqrt(distance.min(axis=1))) / soft
    return np.clip(ink, 0.0, 1.0).reshape(SIDE, SIDE).astype(np.float32)
