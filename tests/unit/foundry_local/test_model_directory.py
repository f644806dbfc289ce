from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from foundry_host.errors import ModelDirectoryError
from foundry_host.model_directory import read_model_directory
from foundry_host.own_models import is_meant_as_model, scan_models_directory
from support.model_files import make_model_files as make

if TYPE_CHECKING:
    from pathlib import Path


def test_alias_context_and_size_come_from_the_directory(tmp_path: Path) -> None:
    model = read_model_directory(make(tmp_path / "my-model"))
    assert model.alias == "my-model"
    assert model.name == "my-model-generic-cpu"
    assert model.variant == "my-model-generic-cpu:1"
    assert model.context_length == 32768
    assert model.max_output_tokens == 2048
    assert model.size_bytes == sum(f.stat().st_size for f in (tmp_path / "my-model").iterdir())
    assert not model.demo


def test_a_small_context_leaves_room_for_the_prompt(tmp_path: Path) -> None:
    assert read_model_directory(make(tmp_path / "m", context_length=1024)).max_output_tokens == 512


def test_without_a_context_length_the_search_limit_counts(tmp_path: Path) -> None:
    path = make(tmp_path / "m", context_length=None)
    config = json.loads((path / "genai_config.json").read_text())
    config["search"]["max_length"] = 777
    (path / "genai_config.json").write_text(json.dumps(config))
    assert read_model_directory(path).context_length == 777


def test_the_chat_template_is_found_in_either_place(tmp_path: Path) -> None:
    path = make(tmp_path / "m")
    assert not read_model_directory(path).chat_template
    (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    assert read_model_directory(path).chat_template
    assert not read_model_directory(path).tool_calling
    (path / "chat_template.jinja").write_text("{# No tools\nhere. #}{{ messages }}")
    assert not read_model_directory(path).tool_calling
    (path / "chat_template.jinja").write_text("{{ messages }}{{ tools }}")
    assert read_model_directory(path).tool_calling


@pytest.mark.parametrize(
    ("options", "provider", "device"),
    [
        ([], "CPUExecutionProvider", "cpu"),
        ([{"cuda": {}}], "CUDAExecutionProvider", "gpu"),
        ([{"QNN": {}}], "QNNExecutionProvider", "npu"),
    ],
)
def test_the_device_follows_the_providers_the_model_was_built_for(
    tmp_path: Path, options: list[Any], provider: str, device: str
) -> None:
    decoder = {"filename": "model.onnx", "session_options": {"provider_options": options}}
    model = read_model_directory(make(tmp_path / "m", decoder=decoder))
    assert (model.execution_provider, model.device) == (provider, device)


@pytest.mark.parametrize(
    "session", [None, [], "x", {"provider_options": None}, {"provider_options": 5}]
)
def test_settings_of_another_form_name_no_provider(tmp_path: Path, session: object) -> None:
    decoder = {"filename": "model.onnx", "session_options": session}
    model = read_model_directory(make(tmp_path / "m", decoder=decoder))
    assert model.execution_provider == "CPUExecutionProvider"


def test_each_kind_of_damage_has_its_own_message(tmp_path: Path) -> None:
    damages = {
        "no-config": lambda p: (p / "genai_config.json").unlink(),
        "bad-json": lambda p: (p / "genai_config.json").write_text("{"),
        "no-object": lambda p: (p / "genai_config.json").write_text("[]"),
        "no-section": lambda p: (p / "genai_config.json").write_text("{}"),
        "no-weights": lambda p: (p / "model.onnx").unlink(),
        "no-tokenizer": lambda p: (p / "tokenizer.json").unlink(),
        "empty-weights": lambda p: (p / "model.onnx").write_bytes(b""),
        "a-pointer": lambda p: (p / "model.onnx").write_text(
            "version https://git-lfs.github.com/spec/v1"
        ),
        "bad name!": lambda _: None,
    }
    for name, damage in damages.items():
        damage(make(tmp_path / name))
    (tmp_path / "no-context").mkdir()
    make(tmp_path / "fine")
    make(tmp_path / ".hidden")

    models, problems = scan_models_directory(tmp_path)
    assert [model.alias for model in models] == ["fine"]
    messages = {p.message for p in problems}
    assert len(problems) == len(messages) == len(damages) + 1
    assert all(str(tmp_path) in p.message and p.remedy for p in problems)
    # A folder without a model's settings is not shown to people as a model.
    meant = {p.path.name for p in problems if is_meant_as_model(p.path)}
    assert meant == {*damages} - {"no-config", "bad name!"}


def test_a_directory_that_is_itself_a_model_is_one(tmp_path: Path) -> None:
    models, problems = scan_models_directory(make(tmp_path / "my-model"))
    assert ([m.alias for m in models], problems) == (["my-model"], [])


@pytest.mark.parametrize("context", [0, -1, "4096", True])
def test_a_context_length_that_is_none_is_refused(tmp_path: Path, context: object) -> None:
    with pytest.raises(ModelDirectoryError, match="context_length"):
        read_model_directory(make(tmp_path / "m", context_length=context))
