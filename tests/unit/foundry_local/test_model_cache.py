from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from foundry_host.model_cache import place_models
from foundry_host.model_directory import LocalModel, read_model_directory
from support.model_files import make_model_files as make

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def model(tmp_path: Path) -> LocalModel:
    return read_model_directory(make(tmp_path / "models" / "my-model"))


def placed(cache: Path) -> Path:
    return cache / "local" / "my-model-generic-cpu"


def test_the_runtime_finds_the_model_where_it_looks(tmp_path: Path, model: LocalModel) -> None:
    place_models(tmp_path / "cache", [model])
    target = placed(tmp_path / "cache")
    assert json.loads((target / "inference_model.json").read_text()) == {
        "Name": "my-model-generic-cpu:1"
    }
    assert (target / "model.onnx").read_bytes() == b"onnx"
    assert (target / "model.onnx").is_symlink()


def test_nothing_is_written_beside_the_original(tmp_path: Path, model: LocalModel) -> None:
    before = sorted(model.path.rglob("*"))
    place_models(tmp_path / "cache", [model])
    assert sorted(model.path.rglob("*")) == before


def test_files_in_folders_below_are_taken_along(tmp_path: Path, model: LocalModel) -> None:
    (model.path / "adapters").mkdir()
    (model.path / "adapters" / "one.onnx").write_bytes(b"adapter")
    place_models(tmp_path / "cache", [model])
    assert (placed(tmp_path / "cache") / "adapters" / "one.onnx").read_bytes() == b"adapter"


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "a required privilege is not held by the client")


# Windows without the symlink privilege, then across drives: nothing else can make them refuse here.
@pytest.mark.parametrize("refused", [["symlink_to"], ["symlink_to", "link"]])
def test_without_links_the_files_are_there_all_the_same(
    tmp_path: Path, model: LocalModel, monkeypatch: pytest.MonkeyPatch, refused: list[str]
) -> None:
    for name in refused:
        monkeypatch.setattr(Path if name == "symlink_to" else os, name, refuse)
    place_models(tmp_path / "cache", [model])
    copy = placed(tmp_path / "cache") / "model.onnx"
    assert copy.read_bytes() == b"onnx"
    assert not copy.is_symlink()
    assert copy.samefile(model.path / "model.onnx") is (len(refused) == 1)


def test_a_changed_directory_replaces_what_was_placed(tmp_path: Path, model: LocalModel) -> None:
    place_models(tmp_path / "cache", [model])
    (model.path / "tokenizer.json").unlink()
    (model.path / "tokenizer.model").write_text("new")
    place_models(tmp_path / "cache", [model])
    names = {path.name for path in placed(tmp_path / "cache").iterdir()}
    assert {"tokenizer.model", "model.onnx"} <= names
    assert "tokenizer.json" not in names


def forget(cache: Path, model: LocalModel) -> bool:
    place_models(cache, [])
    return not placed(cache).exists()


def keep_what_is_not_ours(cache: Path, model: LocalModel) -> bool:
    foreign = cache / "local" / "by-hand"
    foreign.mkdir(parents=True)
    place_models(cache, [])
    return foreign.exists()


def keep_the_original(cache: Path, model: LocalModel) -> bool:
    place_models(cache, [])
    return (model.path / "model.onnx").read_bytes() == b"onnx"


@pytest.mark.parametrize("expectation", [forget, keep_what_is_not_ours, keep_the_original])
def test_the_next_start_removes_its_own_links_and_nothing_else(
    tmp_path: Path, model: LocalModel, expectation: Callable[[Path, LocalModel], bool]
) -> None:
    place_models(tmp_path / "cache", [model])
    assert expectation(tmp_path / "cache", model)
