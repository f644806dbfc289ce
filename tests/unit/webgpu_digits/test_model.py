"""The committed model: what it takes and gives, how big it is, how often it is right."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from digit_training.dataset import scanned

MODEL = Path(__file__).resolve().parents[3] / "services/webgpu-static/models/digits.onnx"
# What ONNX Runtime Web runs on WebGPU without copying back to the processor.
ON_WEBGPU = {"Conv", "Relu", "Flatten", "Gemm", "Softmax"}


@pytest.fixture(scope="module")
def session():
    return onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])


def test_contract_is_one_picture_in_and_ten_classes_out(session):
    (given,) = session.get_inputs()
    assert (given.type, given.shape) == ("tensor(float)", [1, 1, 28, 28])
    outputs = {each.name: (each.type, each.shape) for each in session.get_outputs()}
    assert outputs == {
        "probabilities": ("tensor(float)", [1, 10]),
        "logits": ("tensor(float)", [1, 10]),
    }
    assert session.get_outputs()[0].name == "probabilities", "the first output is the answer"


def test_probabilities_are_the_softmax_of_the_logits(session):
    picture = np.random.default_rng(0).random((1, 1, 28, 28), np.float32)
    probabilities, logits = session.run(["probabilities", "logits"], {"image": picture})
    risen = np.exp(logits - logits.max())
    assert np.allclose(probabilities, risen / risen.sum(), atol=1e-6)


def test_file_is_small():
    assert MODEL.stat().st_size < 200_000


def test_only_operators_that_webgpu_runs():
    model = onnx.load(MODEL)
    assert {node.op_type for node in model.graph.node} <= ON_WEBGPU
    assert model.opset_import[0].version <= 17


def test_held_out_digits_are_recognised(session):
    _, held_out = scanned()
    assert len(held_out.labels) == 359
    right = [
        session.run(["probabilities"], {"image": image[None, None]})[0].argmax() == label
        for image, label in zip(held_out.images, held_out.labels, strict=True)
    ]
    assert np.mean(right) >= 0.97
