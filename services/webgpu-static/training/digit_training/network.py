"""A small convolutional network and its gradients, in NumPy alone.

NumPy, not a training framework: the network has 30 thousand weights and learns in minutes, so that
training it again, and the test that does so, need no gigabytes of packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Convolution:
    """One layer's shape; every one is followed by a rectifier."""

    kernel: int
    stride: int
    inputs: int
    outputs: int


LAYERS = (
    Convolution(kernel=5, stride=2, inputs=1, outputs=16),  # 28 → 14
    Convolution(kernel=3, stride=1, inputs=16, outputs=24),
    Convolution(kernel=3, stride=2, inputs=24, outputs=32),  # 14 → 7
    Convolution(kernel=3, stride=1, inputs=32, outputs=32),
)
FEATURES = 7 * 7 * 32
CLASSES = 10

Weights = dict[str, "Floats"]
"""``conv0.weight`` (kernel, kernel, in, out), ``conv0.bias``, …, ``dense.weight``, …"""


def first_weights(random: np.random.Generator) -> Weights:
    """Scaled for rectifiers (He et al., 2015)."""
    weights: Weights = {}
    for index, layer in enumerate(LAYERS):
        shape = (layer.kernel, layer.kernel, layer.inputs, layer.outputs)
        spread = np.sqrt(2.0 / (layer.kernel**2 * layer.inputs))
        weights[f"conv{index}.weight"] = random.normal(0.0, spread, shape).astype(np.float32)
        weights[f"conv{index}.bias"] = np.zeros(layer.outputs, np.float32)
    spread = np.sqrt(1.0 / FEATURES)
    weights["dense.weight"] = random.normal(0.0, spread, (FEATURES, CLASSES)).astype(np.float32)
    weights["dense.bias"] = np.zeros(CLASSES, np.float32)
    return weights


def logits(weights: Weights, images: Floats) -> Floats:
    """The scores of the ten classes; images of shape (n, 28, 28)."""
    values = images[..., None]
    for index, layer in enumerate(LAYERS):
        values, _ = _convolve(weights, index, layer, values)
    return values.reshape(len(images), -1) @ weights["dense.weight"] + weights["dense.bias"]


def gradients(
    weights: Weights,
    images: Floats,
    labels: Labels,
    random: np.random.Generator,
    *,
    dropout: float = 0.3,
    smoothing: float = 0.01,
) -> tuple[Weights, float]:
    """The gradients of the mean cross-entropy, and the cross-entropy itself."""
    count = len(images)
    values, remembered = images[..., None], []
    for index, layer in enumerate(LAYERS):
        given = values.shape
        values, columns = _convolve(weights, index, layer, values)
        remembered.append((given, columns, values))
    features = values.reshape(count, -1)
    kept = (random.random(features.shape, np.float32) >= dropout).astype(np.float32)
    kept /= 1.0 - dropout
    features = features * kept
    scores = features @ weights["dense.weight"] + weights["dense.bias"]

    probabilities = softmax(scores)
    targets = np.full((count, CLASSES), smoothing / CLASSES, np.float32)
    targets[np.arange(count), labels] += 1.0 - smoothing
    loss = float(-(targets * np.log(probabilities + 1e-9)).sum() / count)

    error = (probabilities - targets) / count
    result: Weights = {"dense.weight": features.T @ error, "dense.bias": error.sum(axis=0)}
    back = ((error @ weights["dense.weight"].T) * kept).reshape(values.shape)
    for index in reversed(range(len(LAYERS))):
        given, columns, output = remembered[index]
        back = (back * (output > 0)).reshape(-1, LAYERS[index].outputs)
        kernel = weights[f"conv{index}.weight"]
        result[f"conv{index}.weight"] = (columns.T @ back).reshape(kernel.shape)
        result[f"conv{index}.bias"] = back.sum(axis=0)
        if index:
            spread = back @ kernel.reshape(-1, LAYERS[index].outputs).T
            back = _gather(spread, LAYERS[index], given)
    return result, loss


def softmax(scores: Floats) -> Floats:
    """Probabilities of the last axis."""
    risen = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return risen / risen.sum(axis=-1, keepdims=True)


def _convolve(
    weights: Weights, index: int, layer: Convolution, values: Floats
) -> tuple[Floats, Floats]:
    """The rectified layer, and the columns it multiplied, which its gradient needs."""
    count, height, width, _ = values.shape
    pad, stride = layer.kernel // 2, layer.stride
    padded = np.pad(values, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = sliding_window_view(padded, (layer.kernel, layer.kernel), axis=(1, 2))
    windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    columns = windows.reshape(-1, layer.kernel**2 * layer.inputs)
    result = columns @ weights[f"conv{index}.weight"].reshape(-1, layer.outputs)
    result += weights[f"conv{index}.bias"]
    shape = (count, height // stride, width // stride, layer.outputs)
    return np.maximum(result, 0.0).reshape(shape), columns


def _gather(spread: Floats, layer: Convolution, shape: tuple[int, ...]) -> Floats:
    """The columns' gradient added back to the pixels each column was taken from."""
    count, height, width, channels = shape
    pad, stride, kernel = layer.kernel // 2, layer.stride, layer.kernel
    rows, columns = height // stride, width // stride
    spread = spread.reshape(count, rows, columns, kernel, kernel, channels)
    padded = np.zeros((count, height + 2 * pad, width + 2 * pad, channels), np.float32)
    for y in range(kernel):
        for x in range(kernel):
            target = padded[:, y : y + rows * stride : stride, x : x + columns * stride : stride]
            target += spread[:, :, :, y, x]
    return padded[:, pad : pad + height, pad : pad + width]
