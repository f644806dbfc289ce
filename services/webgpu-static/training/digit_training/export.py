"""Writes the network as ONNX, in operators that every backend of ONNX Runtime Web has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from digit_training.network import CLASSES, FEATURES, LAYERS

if TYPE_CHECKING:
    from onnx import ModelProto

    from digit_training.network import Weights

OPSET = 17


def to_onnx(weights: Weights, note: str) -> ModelProto:
    """The model: ``image`` [1,1,28,28] to ``probabilities`` [1,10] and ``logits`` [1,10]."""
    nodes, stored = [], {}
    given = "image"
    for index, layer in enumerate(LAYERS):
        # ONNX wants (out, in, height, width).
        stored[f"conv{index}.weight"] = weights[f"conv{index}.weight"].transpose(3, 2, 0, 1)
        stored[f"conv{index}.bias"] = weights[f"conv{index}.bias"]
        nodes.append(
            helper.make_node(
                "Conv",
                [given, f"conv{index}.weight", f"conv{index}.bias"],
                [f"conv{index}"],
                kernel_shape=[layer.kernel] * 2,
                strides=[layer.stride] * 2,
                pads=[layer.kernel // 2] * 4,
            )
        )
        nodes.append(helper.make_node("Relu", [f"conv{index}"], [f"relu{index}"]))
        given = f"relu{index}"
    # Flattening goes channel by channel in ONNX and pixel by pixel in the trainer.
    dense = weights["dense.weight"].reshape(7, 7, -1, CLASSES).transpose(2, 0, 1, 3)
    stored["dense.weight"] = dense.reshape(FEATURES, CLASSES)
    stored["dense.bias"] = weights["dense.bias"]
    nodes += [
        helper.make_node("Flatten", [given], ["features"], axis=1),
        helper.make_node("Gemm", ["features", "dense.weight", "dense.bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, CLASSES]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES]),
        ],
        [
            numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name)
            for name, value in stored.items()
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="digits"
    )
    helper.set_model_props(model, {"description": note, "classes": "0 1 2 3 4 5 6 7 8 9"})
    checker.check_model(model, full_check=True)
    return model
