"""Pictures as the model sees them: 28 by 28, white on black, centred as in MNIST."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SIDE = 28
BOX = 20
INK = 0.05  # less than this is paper, as in the page's preprocessing


def prepared(picture: Floats) -> Floats:
    """What the page makes of a drawing: cropped, scaled into 20 by 20, its mass in the middle.

    The same steps as ``page/digits/preprocess.js``; a test compares the two.

    Args:
        picture: Any height and width, values 0 to 1. It must have some ink.
    """
    inked = picture >= INK
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    crop = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(crop.shape)
    height, width = (max(1, int(side * scale + 0.5)) for side in crop.shape)
    small = area_weights(crop.shape[0], height) @ crop @ area_weights(crop.shape[1], width).T
    image = np.zeros((SIDE, SIDE), np.float32)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    image[top : top + height, left : left + width] = small
    return centred(image)


def area_weights(source: int, target: int) -> Floats:
    """Rows that average ``source`` pixels into ``target`` by the area each covers."""
    edges = np.linspace(0.0, source, target + 1)
    pixels = np.arange(source)
    overlap = np.minimum(edges[1:, None], pixels + 1.0) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(overlap, 0.0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def centred(image: Floats) -> Floats:
    """Moved by whole pixels so that the centre of mass is in the middle; no ink falls off."""
    moved = image
    for axis in (0, 1):
        profile = image.sum(axis=1 - axis)
        total = float(profile.sum())
        if total <= 0.0:
            return image
        mass = float((profile * (np.arange(SIDE) + 0.5)).sum()) / total
        inked = np.flatnonzero(profile > 0.0)
        shift = int(np.floor(SIDE / 2 - mass + 0.5))
        shift = int(np.clip(shift, -inked[0], SIDE - 1 - inked[-1]))
        moved = np.roll(moved, shift, axis=axis)
    return moved


def augmented(images: Floats, random: np.random.Generator) -> Floats:
    """Each picture turned, leaned, scaled, bent, shifted, and with more or less ink."""
    count = len(images)
    axis = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    down, across = (each.reshape(-1) for each in np.meshgrid(axis, axis, indexing="ij"))
    angle = random.normal(0.0, 0.12, count)
    slant = random.normal(0.0, 0.12, count)
    size = np.exp(random.normal(0.0, 0.07, (2, count)))
    shift = random.normal(0.0, 0.7, (2, count))
    cosine, sine = np.cos(angle), np.sin(angle)
    bend = random.normal(0.0, 0.55, (2, count, _BENDS.shape[0])) @ _BENDS
    y = (
        (sine / size[0])[:, None] * across
        + (cosine / size[0])[:, None] * down
        + shift[0][:, None]
        + bend[0]
    )
    x = (
        (cosine / size[1])[:, None] * across
        + ((slant - sine) / size[1])[:, None] * down
        + shift[1][:, None]
        + bend[1]
    )
    moved = _sampled(images, y + (SIDE - 1) / 2, x + (SIDE - 1) / 2)
    gamma = np.exp(random.normal(0.0, 0.35, (count, 1))).astype(np.float32)
    strength = random.uniform(0.8, 1.15, (count, 1)).astype(np.float32)
    moved = np.minimum(moved**gamma * strength, 1.0)
    return moved.reshape(count, SIDE, SIDE).astype(np.float32)


def _hats() -> NDArray[np.float64]:
    """Bilinear bumps on a grid of 5 by 5: random weights of them bend a picture smoothly."""
    knots = np.linspace(0.0, SIDE - 1.0, 5)
    spacing = knots[1] - knots[0]
    hat = np.clip(1.0 - np.abs(np.arange(SIDE) - knots[:, None]) / spacing, 0.0, None)
    return np.einsum("ay,bx->abyx", hat, hat).reshape(25, SIDE * SIDE)


_BENDS = _hats()


def _sampled(images: Floats, y: NDArray[np.float64], x: NDArray[np.float64]) -> Floats:
    """Bilinear samples at (y, x); outside is black."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1))).reshape(len(images), -1)
    width = SIDE + 2
    y, x = np.clip(y + 1, 0, SIDE + 0.999), np.clip(x + 1, 0, SIDE + 0.999)
    top, left = y.astype(np.int32), x.astype(np.int32)
    fy, fx = (y - top).astype(np.float32), (x - left).astype(np.float32)
    corner = top * width + left
    row = np.arange(len(images))[:, None]
    upper = padded[row, corner] * (1 - fx) + padded[row, corner + 1] * fx
    lower = padded[row, corner + width] * (1 - fx) + padded[row, corner + width + 1] * fx
    return upper * (1 - fy) + lower * fy
