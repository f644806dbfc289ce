"""Reads an ONNX Runtime GenAI model directory and says whether Foundry Local can serve it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundry_host.errors import ModelDirectoryError

if TYPE_CHECKING:
    from pathlib import Path

#: The runtime answers 400 to prompt + 2,048 over the context, so this is its real default budget.
DEFAULT_MAX_OUTPUT_TOKENS = 2048

_JINJA_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
CONFIG = "genai_config.json"
_POINTER = b"version https://git-lfs"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """One model directory on this machine, as the private catalog lists it."""

    alias: str
    path: Path
    context_length: int
    max_output_tokens: int
    size_bytes: int
    chat_template: bool
    tool_calling: bool
    display_name: str
    execution_provider: str = "CPUExecutionProvider"
    device: str = "cpu"
    version: int = 1
    demo: bool = False

    @property
    def name(self) -> str:
        """The catalog name; the runtime's own variants are named alike (``…-generic-cpu``)."""
        return f"{self.alias}-generic-{self.device}"

    @property
    def variant(self) -> str:
        """The id that chat requests name, ``name:version``."""
        return f"{self.name}:{self.version}"


def is_alias(name: str) -> bool:
    """Whether a model can go by this name."""
    return _ALIAS.match(name) is not None


def read_model_directory(
    path: Path,
    *,
    alias: str | None = None,
    display_name: str | None = None,
    demo: bool = False,
) -> LocalModel:
    """Check the directory at ``path`` and describe it.

    Args:
        path: A directory as ``onnxruntime_genai.models.builder`` writes it.
        alias: The name callers use; the directory's own name when not given.
        display_name: For people; the alias when not given.
        demo: Whether this is the bundled demo model.

    Raises:
        ModelDirectoryError: A file is missing or unreadable, or the name cannot be an alias.
    """
    alias = alias or path.name
    if not is_alias(alias):
        raise ModelDirectoryError(
            path,
            "its name is the model's alias, and may hold only letters, digits, '.', '_' and '-'",
            "Rename the folder.",
        )
    config = _read_json(path / "genai_config.json", "it is not an ONNX Runtime GenAI model")
    model = _section(config, "model", path)
    search = _section(config, "search", path, required=False)
    context = model.get("context_length") or search.get("max_length")
    if not isinstance(context, int) or isinstance(context, bool) or context <= 0:
        raise ModelDirectoryError(
            path,
            "genai_config.json names neither model.context_length nor search.max_length",
            "Add the model's context length in tokens, or export the model again.",
        )
    _require_model_files(path, model)
    template = _chat_template(path)
    provider, device = _execution_provider(model)
    return LocalModel(
        alias=alias,
        path=path.resolve(),
        context_length=context,
        max_output_tokens=min(DEFAULT_MAX_OUTPUT_TOKENS, max(1, context // 2)),
        size_bytes=sum(f.stat().st_size for f in path.rglob("*") if f.is_file()),
        chat_template=template is not None,
        tool_calling=template is not None and "tools" in _JINJA_COMMENT.sub("", template),
        display_name=display_name or alias,
        execution_provider=provider,
        device=device,
        demo=demo,
    )


def _read_json(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelDirectoryError(
            path.parent,
            f"it has no {path.name}; {otherwise}",
            "Export one with onnxruntime-genai's model builder, or move the folder away.",
        ) from None
    except ValueError as error:
        raise ModelDirectoryError(
            path.parent, f"{path.name} is not valid JSON ({error})", "Copy the model again."
        ) from None
    if not isinstance(value, dict):
        raise ModelDirectoryError(
            path.parent, f"{path.name} holds no JSON object", "Copy the model again."
        )
    return value


def _section(
    config: dict[str, Any], name: str, path: Path, *, required: bool = True
) -> dict[str, Any]:
    section = config.get(name)
    if isinstance(section, dict):
        return section
    if required:
        raise ModelDirectoryError(
            path, f"genai_config.json has no '{name}' section", "Export the model again."
        )
    return {}


def _require_model_files(path: Path, model: dict[str, Any]) -> None:
    """Every file that ``genai_config.json`` names must be there, and a tokenizer beside it."""
    named = [
        part["filename"]
        for part in model.values()
        if isinstance(part, dict) and isinstance(part.get("filename"), str)
    ]
    missing = [name for name in named or ["model.onnx"] if not (path / name).is_file()]
    if missing:
        raise ModelDirectoryError(
            path,
            f"the copy is incomplete, {', '.join(missing)} is missing",
            "Copy the model again, all of its files.",
        )
    for name in named or ["model.onnx"]:
        with (path / name).open("rb") as file:
            beginning = file.read(len(_POINTER))
        if not beginning or beginning == _POINTER:
            what = "is a Git LFS pointer" if beginning else "is empty"
            raise ModelDirectoryError(
                path,
                f"{name} {what}, not a model",
                "Download the model itself; after `git clone`: `git lfs pull`."
                if beginning
                else "Copy the model again, all of its files.",
            )
    if not any((path / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelDirectoryError(
            path,
            f"it has no tokenizer ({', '.join(_TOKENIZER_FILES)})",
            "Copy the tokenizer files of the original model beside the ONNX file.",
        )


def _chat_template(path: Path) -> str | None:
    """The Jinja template, from its own file or from the tokenizer's configuration."""
    own_file = path / "chat_template.jinja"
    if own_file.is_file():
        return own_file.read_text(encoding="utf-8")
    try:
        config = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    template = config.get("chat_template") if isinstance(config, dict) else None
    return template if isinstance(template, str) else None


#: ``provider_options`` key in ``genai_config.json`` → what the catalog calls it, and its device.
_PROVIDERS = {
    "cuda": ("CUDAExecutionProvider", "gpu"),
    "nvtensorrtrtx": ("NvTensorRTRTXExecutionProvider", "gpu"),
    "webgpu": ("WebGpuExecutionProvider", "gpu"),
    "dml": ("DmlExecutionProvider", "gpu"),
    "qnn": ("QNNExecutionProvider", "npu"),
    "openvino": ("OpenVINOExecutionProvider", "npu"),
    "vitisai": ("VitisAIExecutionProvider", "npu"),
}


def _execution_provider(model: dict[str, Any]) -> tuple[str, str]:
    decoder = model.get("decoder")
    session = decoder.get("session_options") if isinstance(decoder, dict) else None
    options = session.get("provider_options") if isinstance(session, dict) else None
    for entry in options if isinstance(options, list) else ():
        for key in entry if isinstance(entry, dict) else ():
            known = _PROVIDERS.get(key.lower())
            if known:
                return known
    return "CPUExecutionProvider", "cpu"
