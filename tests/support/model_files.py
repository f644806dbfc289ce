"""Model directories for tests that only read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def make_model_files(directory: Path, **model: Any) -> Path:
    """A directory as the model builder writes it, without the weight of real files."""
    directory.mkdir(parents=True)
    decoder = {"filename": "model.onnx", "session_options": {"provider_options": []}}
    config = {"model": {"context_length": 32768, "decoder": decoder, **model}, "search": {}}
    (directory / "genai_config.json").write_text(json.dumps(config))
    (directory / "model.onnx").write_bytes(b"onnx")
    (directory / "tokenizer.json").write_text("{}")
    return directory
