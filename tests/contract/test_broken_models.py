"""Models that break under a running Foundry Local, and what the gateway makes of its words."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.foundry import demo_dir, post_json, start_foundry_v2
from support.gateway import run_gateway
from support.sentences import complaints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.foundry import Foundry
    from support.gateway import Gateway

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there nobody is kept from reading a file")

WITHOUT_ROOTS_RIGHTS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Root reads every file; without these two of its rights it reads what others would."""


def change(path: Path, **settings: Any) -> None:
    """Change some of a model's settings."""
    config = json.loads((path / "genai_config.json").read_text())
    config["model"].update(settings)
    (path / "genai_config.json").write_text(json.dumps(config))


def halve(path: Path) -> None:
    content = (path / "model.onnx").read_bytes()
    (path / "model.onnx").write_bytes(content[: len(content) // 2])


DAMAGES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "closed": (lambda p: (p / "model.onnx").chmod(0), "may not read", "`chmod -R a+rX FOLDER`"),
    "gone": (lambda p: (p / "model.onnx").unlink(), "is missing", "Copy or download"),
    "halved": (halve, "damaged or cut short", "Copy or download"),
    "empty": (lambda p: (p / "model.onnx").write_bytes(b""), "damaged", "Copy or download"),
    "not-onnx": (lambda p: (p / "model.onnx").write_bytes(b"x" * 999), "damaged", "Copy or"),
    "no-json": (lambda p: (p / "tokenizer.json").write_text("{"), "settings", "Copy or download"),
    "newer": (lambda p: change(p, surprise=1), "settings", "Copy or download"),
    "odd-kind": (lambda p: change(p, type="surprise"), "that kind of model", "Update Foundry"),
}


def on_a_gpu(path: Path) -> None:
    """Before the start: the catalog takes the device from it."""
    config = json.loads((path / "genai_config.json").read_text())
    session = config["model"]["decoder"]["session_options"]
    session["provider_options"] = [{"cuda": {}}]
    (path / "genai_config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name in (*DAMAGES, "for-a-gpu"):
        shutil.copytree(demo_dir(), root / name)
    on_a_gpu(root / "for-a-gpu")
    return root


@pytest.fixture(scope="module")
def foundry(models: Path) -> Iterator[Foundry]:
    through = WITHOUT_ROOTS_RIGHTS if sys.platform == "linux" and os.geteuid() == 0 else ()
    arguments = ["--models-dir", str(models), "--no-accelerate"]
    with start_foundry_v2(args=arguments, through=through) as running:
        for name, (damage, *_) in DAMAGES.items():
            damage(models / name)
        yield running


@pytest.fixture(scope="module")
def gateway(foundry: Foundry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    log = tmp_path_factory.mktemp("gateway") / "log"
    with run_gateway(log, FOUNDRY_URL=foundry.url, MODEL="foundry-demo") as running:
        running.wait_until(lambda status: status["ready"], "ready")
        yield running


@pytest.mark.parametrize(
    ("name", "problem", "remedy"),
    [
        *((name, problem, remedy) for name, (_, problem, remedy) in DAMAGES.items()),
        ("for-a-gpu", "needs a GPU or NPU", "variant for the CPU"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told_with_its_reason(
    gateway: Gateway, name: str, problem: str, remedy: str
) -> None:
    body = {"model": name, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    url = f"{gateway.url}/v1/chat/completions"
    status, answer = post_json(url, body, headers=gateway.headers, allow_errors=True)
    error = answer["error"]
    assert (status, error["code"]) == (503, "model_load_failed"), error
    assert error["problem"].startswith(f"Foundry Local could not load {name}: ")
    assert problem in error["problem"]
    assert remedy in error["remedy"]
    assert [*complaints(error["problem"]), *complaints(error["remedy"])] == []
    last = gateway.get("/status")[1]["last_error"]
    assert name not in last["problem"]
    assert problem in last["problem"]
