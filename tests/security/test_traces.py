"""What people write and the stack's keys leave no trace: not in a log, a status, a figure."""

import contextlib
import json
import os
import secrets
from pathlib import Path

import pytest
import pytest_asyncio

from support import engine
from support.attack import at_once
from support.chat_client import ChatClient
from support.stack import PROJECT, ROOT, Answer, RunningStack, eventually, get

SHOWN = (
    "{stack.gateway}/status",
    "{stack.gateway}/metrics",
    "{stack.gateway}/ready",
    "{stack.healthcheck}/api/status",
    "{stack.healthcheck}/metrics",
    "{stack.webgpu}/gateway/status",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def written(stack: RunningStack) -> str:
    """A word that was written wherever something can be written, by every way in."""
    word = f"confidential{secrets.token_hex(8)}"
    eventually(lambda: get(f"{stack.open_webui}/ready").status == 200, 240)
    assert stack.ask(f"My word is {word}.").status == 200
    page = {"messages": [{"role": "user", "content": word}]}
    assert get(f"{stack.webgpu}/v1/chat/completions", page, Origin=stack.webgpu).status == 200
    async with ChatClient(stack.chat, origin=stack.chat) as chat:
        assert not (await chat.ask(f"My word is {word}.")).is_error
    token = f"Bearer {stack.open_webui_token()}"
    asked = {"model": "foundry-demo", **page}
    url = f"{stack.open_webui}/api/chat/completions"
    assert get(url, asked, Authorization=token).status == 200
    statuses = [chat_completion(stack, body).status for body in wrong_requests(word)]
    assert statuses.count(400) > len(statuses) / 2, statuses
    get(f"{stack.gateway}/v1/models/{word}", Authorization=f"Bearer {stack.api_key}")
    get(f"{stack.healthcheck}/probe?module={word}&target=http://{word}:1")
    at_once(3, lambda: get(f"{stack.gateway}/status", Authorization=f"Bearer {word}"))
    return word


def wrong_requests(word: str) -> list[dict[str, object]]:
    message = {"role": "user", "content": word}
    tool = {"type": "function", "function": {"name": word, "parameters": {"type": word}}}
    return [
        {"model": word, "messages": [message]},
        {"model": f"{word}:9", "messages": [message]},
        {"messages": [message], "tools": [tool], "tool_choice": word},
        {"messages": [message], "temperature": 9, "metadata": {"note": word}},
        {"messages": [{"role": word, "content": [{"type": word, word: word}]}]},
        {"messages": [message], "response_format": {"type": word}},
        {"messages": [{"role": "user", "content": f"{word} " * 3000}]},
        {"messages": word},
        {"messages": [message], word: {"deep": [word]}, "max_tokens": word},
    ]


def chat_completion(stack: RunningStack, body: dict[str, object]) -> Answer:
    return get(
        f"{stack.gateway}/v1/chat/completions", body, Authorization=f"Bearer {stack.api_key}"
    )


def files_with(word: str, folder: Path) -> list[Path]:
    """The files of a folder that hold a word, but for its history and its virtual environments.

    Other tests write there meanwhile: a file that is gone before it is read holds nothing.
    """
    found = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git" and not name.startswith(".venv")]
        for path in (Path(top, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                if word.encode() in path.read_bytes():
                    found.append(path)
    return found


@pytest.mark.parametrize("url", SHOWN)
def test_no_status_and_no_figure_repeats_what_people_wrote(
    stack: RunningStack, written: str, url: str
):
    assert written not in get(url.format(stack=stack)).body.decode()


def test_no_log_repeats_what_people_wrote(stack: RunningStack, written: str):
    logs = stack.compose("--profile", "*", "logs", "--no-color")
    assert "gateway" in logs
    lines = [line for line in logs.splitlines() if written in line]
    # A path is no prompt: nginx writes down which page was asked for.
    assert [line for line in lines if "/v1/models/" not in line and "/probe?" not in line] == []


def test_prometheus_stores_no_word_of_it(stack: RunningStack, written: str):
    values = get(f"{stack.prometheus}/api/v1/query?query=%7Bjob%3D~%22.%2B%22%7D").body.decode()
    assert "foundry-demo" in values
    assert written not in values


def test_no_key_is_in_an_image_or_a_file_of_the_folder(stack: RunningStack):
    listed = stack.compose("--profile", "*", "config", "--images").split()
    # Grafana cannot be built without a registry.
    built = [name for name in listed if not name.startswith("foundry-chat/grafana:")]
    assert built
    for name in built:
        image = engine.client().images.get(name)
        assert stack.api_key not in json.dumps([image.attrs, image.history()]), image
    assert files_with(stack.api_key, ROOT) == []


def test_a_word_is_found_wherever_it_lies_and_what_went_away_holds_none(tmp_path: Path):
    laid = [tmp_path / ".env", tmp_path / ".cache" / "deep" / "notes", tmp_path / "services" / "x"]
    for path in [*laid, tmp_path / ".venv-else" / "x", tmp_path / ".git" / "x"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\x00before it\nmy-word, after it")
    (tmp_path / "went-away").symlink_to(tmp_path / "nowhere")
    assert sorted(files_with("my-word", tmp_path)) == sorted(laid)
    assert files_with("my-words", tmp_path) == []


def test_the_keys_lie_in_volumes(stack: RunningStack):
    mounts = stack.inspect("gateway")["Mounts"]
    [key] = [mount for mount in mounts if mount["Destination"] == "/run/foundry-chat/gateway"]
    assert key["Type"] == "volume"
    assert key["Name"].startswith(PROJECT)
    assert json.dumps(stack.inspect("gateway")).count(stack.api_key) == 0
