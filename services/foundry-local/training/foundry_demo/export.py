"""Writes the trained weights as Hugging Face files, then as ONNX for ONNX Runtime GenAI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import onnx
from safetensors.torch import save_file

from foundry_demo import vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer

    from foundry_demo.network import Network


def write_hugging_face(network: Network, tokenizer: Tokenizer, folder: Path) -> None:
    """Write weights, configuration and tokenizer into *folder*."""
    shape = network.shape
    vocabulary.save(tokenizer, folder, shape.context)
    save_file(network.hugging_face_weights(), folder / "model.safetensors", {"format": "pt"})
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "max_position_embeddings": shape.context,
        "rope_theta": shape.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "rms_norm_eps": shape.eps,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "torch_dtype": "float32",
        "bos_token_id": None,
        "eos_token_id": [tokenizer.token_to_id(vocabulary.END), 0],
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    generation = {k: config[k] for k in ("eos_token_id", "pad_token_id")} | {"do_sample": False}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2), "utf-8")


def write_onnx(source: Path, target: Path, precision: str) -> None:
    """Convert the Hugging Face files in *source* to the runtime's files in *target*."""
    subprocess.run(  # noqa: S603 - our own interpreter, our own paths
        [
            sys.executable,
            "-m",
            "onnxruntime_genai.models.builder",
            "-i",
            str(source),
            "-o",
            str(target),
            "-p",
            precision,
            "-e",
            "cpu",
            "-c",
            str(target / "cache"),
        ],  # fmt: skip
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    shutil.rmtree(target / "cache", ignore_errors=True)


def ship(built: Path, target: Path) -> None:
    """Put what the runtime reads into *target*: one file of weights, nothing about this machine."""
    target.mkdir(parents=True, exist_ok=True)
    model = onnx.load(built / "model.onnx")
    model.doc_string = ""
    model.producer_name, model.producer_version = "foundry-demo", ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.save(model, target / "model.onnx", save_as_external_data=False)
    for name in ("tokenizer.json", "chat_template.jinja"):
        shutil.copyfile(built / name, target / name)
    settings = json.loads((built / "tokenizer_config.json").read_text("utf-8"))
    for name in ("is_local", "local_files_only", "backend"):
        settings.pop(name, None)
    _write_json(target / "tokenizer_config.json", settings)
    genai = json.loads((built / "genai_config.json").read_text("utf-8"))
    # One thread, asleep when idle: the model is small, and 32 conversations share the machine.
    genai["model"]["decoder"]["session_options"] = {
        "log_id": "foundry-demo",
        "intra_op_num_threads": 1,
        "inter_op_num_threads": 1,
        "session.intra_op.allow_spinning": "0",
        "session.inter_op.allow_spinning": "0",
        "provider_options": [],
    }
    genai["model"]["bos_token_id"] = 0
    _write_json(target / "genai_config.json", genai)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
