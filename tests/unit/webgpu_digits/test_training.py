"""Training: repeatable, honest about what it learns from, and with right gradients."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from threadpoolctl import threadpool_limits

from digit_training import network
from digit_training.dataset import scanned
from digit_training.export import to_onnx
from digit_training.templates import TEMPLATES
from digit_training.train import Plan, accuracy, train

DRAWINGS = Path(__file__).resolve().parents[2] / "browser" / "digit_strokes.json"
FIRST_EPOCH = Plan(seed=11, epochs=1, drawn=200)


@pytest.fixture(scope="module")
def trained():
    with threadpool_limits(1):
        return train(FIRST_EPOCH)


def test_same_seed_gives_the_same_weights_after_the_first_epoch(trained):
    with threadpool_limits(1):
        again = train(FIRST_EPOCH)
    assert all(np.array_equal(trained[name], again[name]) for name in trained)


def test_another_seed_gives_others(trained):
    with threadpool_limits(1):
        other = train(Plan(seed=12, epochs=1, drawn=200))
    assert not np.array_equal(trained["conv0.weight"], other["conv0.weight"])


def test_the_first_epoch_already_teaches(trained):
    assert accuracy(trained, scanned()[1]) > 0.3  # a guess is right one time in ten


def test_exported_model_computes_what_was_trained(trained):
    model = to_onnx(trained, "a test")
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    image = scanned()[1].images[3]
    (scores,) = session.run(["logits"], {"image": image[None, None]})
    assert np.allclose(scores, network.logits(trained, image[None]), atol=1e-4)


def test_no_held_out_digit_is_among_those_learnt():
    learned, held_out = scanned()
    assert len(learned.labels) + len(held_out.labels) == 1797
    known = {image.tobytes() for image in learned.images}
    assert not [image for image in held_out.images if image.tobytes() in known]


def test_drawings_that_judge_the_model_are_no_templates_of_the_training():
    judged = {
        point
        for hand in json.loads(DRAWINGS.read_text())["hands"].values()
        for strokes in hand.values()
        for stroke in strokes
        for point in _runs(stroke)
    }
    taught = {
        run
        for ways in TEMPLATES.values()
        for way in ways
        for stroke in way
        for run in _runs(stroke)
    }
    assert judged
    assert not judged & taught


def _runs(stroke):
    """Every three points in a row: a copied piece of a stroke would share one."""
    points = re.findall(r"\d+,\d+", stroke)
    return [" ".join(points[at : at + 3]) for at in range(len(points) - 2)]


def test_gradients_are_the_slopes_of_the_loss():
    random = np.random.default_rng(0)
    weights = {
        name: value.astype(np.float64) for name, value in network.first_weights(random).items()
    }
    images, labels = random.random((2, 28, 28)), np.array([3, 8])

    def loss_and_gradients():
        return network.gradients(weights, images, labels, random, dropout=0.0)

    gradients, _ = loss_and_gradients()
    step = 1e-6
    for name, value in weights.items():
        place = tuple(int(at) for at in np.argwhere(np.abs(gradients[name]) > 1e-3)[0])
        before = value[place]
        value[place] = before + step
        _, above = loss_and_gradients()
        value[place] = before - step
        _, below = loss_and_gradients()
        value[place] = before
        assert gradients[name][place] == pytest.approx((above - below) / (2 * step), rel=1e-3), name
