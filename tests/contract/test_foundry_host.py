"""``python -m foundry_host`` with the real runtime, no network, no accelerator."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from support.foundry import (
    DEMO_ALIAS,
    DEMO_VARIANT,
    HOST_SOURCE,
    Foundry,
    demo_dir,
    get_json,
    post_json,
    start_foundry_v2,
    wait_until,
)
from support.processes import ask_to_stop_thrice, free_port_pair, python_path, running

DOCKER_WAITS = 20
"""Seconds that compose.yaml gives Foundry Local to end."""


@dataclass(frozen=True)
class OwnEnd:
    """Tells an interpreter that came to its own end from one that was made to exit, also with 0."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes an interpreter leave a mark at its end."""
        return {"PYTHONPATH": os.pathsep.join((str(self.folder), python_path(HOST_SOURCE)))}

    def came(self) -> bool:
        """Whether it has left the mark."""
        return (self.folder / "mark").exists()


@pytest.fixture
def own_end(tmp_path: Path) -> OwnEnd:
    folder = tmp_path / "own-end"
    folder.mkdir()
    leave = (
        f"import atexit, pathlib\natexit.register(pathlib.Path({str(folder / 'mark')!r}).touch)\n"
    )
    (folder / "sitecustomize.py").write_text(leave)
    return OwnEnd(folder)


def run_host(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end, for starts that must fail."""
    return subprocess.run(
        [sys.executable, "-m", "foundry_host", *args],
        env={**os.environ, "PYTHONPATH": python_path(HOST_SOURCE), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def states(foundry: Foundry) -> dict[str, str]:
    return {model["alias"]: model["state"] for model in foundry.status()["models"]}


def test_the_demo_model_answers_from_the_start() -> None:
    with start_foundry_v2() as foundry:
        answer = post_json(
            f"{foundry.url}/v1/chat/completions",
            {"model": DEMO_VARIANT, "messages": [{"role": "user", "content": "Hello"}]},
        )
        assert answer["choices"][0]["message"]["content"]
        assert answer["choices"][0]["finish_reason"] == "stop"


def test_the_companion_tells_what_the_web_service_does_not(foundry_v2: Foundry) -> None:
    status = foundry_v2.status()
    demo = next(model for model in status["models"] if model["alias"] == DEMO_ALIAS)
    assert demo == {
        "alias": DEMO_ALIAS,
        "variant": DEMO_VARIANT,
        "state": "loaded",
        "demo": True,
        "context_length": 4096,
        "progress": None,
        "error": None,
    }
    assert status["foundry_host"] == "0.1.0"
    assert status["runtime"].startswith("foundry-local-sdk 2.2.")
    assert status["embedded"] is False


def test_the_web_service_shows_no_limits(foundry_v2: Foundry) -> None:
    """The gateway relies on this shape; were it to grow, the companion would be needed less."""
    assert foundry_v2.get_json("/v1/models") == {
        "object": "list",
        "data": [
            {
                "id": DEMO_VARIANT,
                "object": "model",
                "created": 1767225600,
                "owned_by": "local",
            }
        ],
    }


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/status", 405), ("GET", "/", 404)]
)
def test_the_companion_takes_no_commands(
    foundry_v2: Foundry, method: str, path: str, status: int
) -> None:
    request = urllib.request.Request(f"{foundry_v2.companion_url}{path}", method=method)
    with pytest.raises(urllib.error.HTTPError) as error, urllib.request.urlopen(request):
        pass
    assert error.value.code == status
    error.value.close()


def test_every_valid_directory_is_served_and_a_broken_one_is_named(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(demo_dir(), models / "my-model")
    shutil.copytree(demo_dir(), models / "broken")
    (models / "broken" / "model.onnx").unlink()
    (models / "notes.txt").write_text("not a model")
    broken = {DEMO_ALIAS: "loaded", "broken": "failed"}
    for path in [*models.rglob("*"), models]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with start_foundry_v2(args=["--models-dir", str(models)]) as foundry:
        assert states(foundry) == {**broken, "my-model": "cached"}
        assert "broken: the copy is incomplete, model.onnx is missing." in foundry.output()
        assert "Copy the model again, all of its files." in foundry.output()
        assert foundry.get_json("/models/load/my-model")["status"] == "loaded"
        assert states(foundry) == {**broken, "my-model": "loaded"}
        answer = post_json(
            f"{foundry.url}/v1/chat/completions",
            {
                "model": "my-model-generic-cpu:1",
                "messages": [{"role": "user", "content": "Hello"}],
                "max_tokens": 8,
            },
        )
        assert answer["usage"]["completion_tokens"] > 0


def test_a_directory_that_is_gone_at_the_next_start_is_forgotten(tmp_path: Path) -> None:
    models, data = tmp_path / "models", tmp_path / "data"
    for name in ("my-model", "other"):
        shutil.copytree(demo_dir(), models / name)
    for expected in ({DEMO_ALIAS, "my-model", "other"}, {DEMO_ALIAS, "other"}):
        with start_foundry_v2(args=["--models-dir", str(models)], data_dir=data) as foundry:
            assert set(states(foundry)) == expected
        shutil.rmtree(models / "my-model", ignore_errors=True)


def test_a_local_directory_can_be_the_wanted_model(tmp_path: Path) -> None:
    shutil.copytree(demo_dir(), tmp_path / "models" / "my-model")
    args = ["--models-dir", str(tmp_path / "models"), "--model", "my-model", "--no-demo"]
    with start_foundry_v2(args=args, wait_for=["my-model"]) as foundry:
        assert states(foundry) == {"my-model": "loaded"}


def test_it_stops_cleanly_when_told_to(own_end: OwnEnd) -> None:
    with start_foundry_v2(env=own_end.environment) as foundry:
        ask_to_stop_thrice(foundry.process)
        assert foundry.process.wait(DOCKER_WAITS) == 0
        assert own_end.came()
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", foundry.port))


def test_it_stops_on_ctrl_c_in_the_middle_of_an_answer() -> None:
    with start_foundry_v2() as foundry:
        request = urllib.request.Request(
            f"{foundry.url}/v1/chat/completions",
            json.dumps(
                {
                    "model": DEMO_VARIANT,
                    "messages": [{"role": "user", "content": "count from 1 to 200"}],
                    "stream": True,
                }
            ).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as stream:
            assert stream.readline()
            ask_to_stop_thrice(foundry.process)
            assert foundry.process.wait(DOCKER_WAITS) == 0


def test_it_stops_in_the_middle_of_a_load(tmp_path: Path) -> None:
    shutil.copytree(demo_dir(), tmp_path / "my-model")
    with (
        start_foundry_v2(args=["--models-dir", str(tmp_path)]) as foundry,
        socket.create_connection(("127.0.0.1", foundry.port), timeout=10) as caller,
    ):
        caller.sendall(b"GET /models/load/my-model HTTP/1.1\r\nHost: here\r\n\r\n")
        ask_to_stop_thrice(foundry.process)
        assert foundry.process.wait(DOCKER_WAITS) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells who catches what")
@pytest.mark.parametrize("moment", ["SigCgt", "4096 tokens"])
def test_it_stops_in_the_middle_of_its_start(tmp_path: Path, moment: str) -> None:
    """As soon as signals are caught, and when the runtime is about to be started."""
    url = f"http://127.0.0.1:{free_port_pair()}"
    options = ["--url", url, "--data-dir", str(tmp_path / "data"), "--no-public-catalog"]
    environment = {**os.environ, "PYTHONPATH": python_path(HOST_SOURCE), "PYTHONUNBUFFERED": "1"}
    log = tmp_path / "log"
    command = [sys.executable, "-m", "foundry_host", *options]
    with running(command, environment, log) as process:
        foundry = Foundry(url, process, log)
        wait_until(
            foundry,
            lambda: (
                catches_sigterm(process.pid) if moment == "SigCgt" else moment in log.read_text()
            ),
            moment,
        )
        ask_to_stop_thrice(process)
        assert process.wait(DOCKER_WAITS) == 0


def catches_sigterm(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM, by the kernel's word."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_shutdown_by_the_web_service_ends_the_process() -> None:
    with start_foundry_v2() as foundry:
        request = urllib.request.Request(f"{foundry.url}/shutdown", b"")
        # The runtime may hang up before it has answered.
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10):
            pass
        assert foundry.process.wait(DOCKER_WAITS) == 0
        assert "asked to shut down" in foundry.output()


def test_it_writes_nowhere_but_below_its_data_directory(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    env = {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(scratch)}
    with start_foundry_v2(env=env, data_dir=tmp_path / "data") as foundry:
        assert states(foundry) == {DEMO_ALIAS: "loaded"}
    assert list(home.rglob("*")) == []
    assert list(scratch.rglob("*")) == []


def test_the_runtime_uploads_no_telemetry(tmp_path: Path) -> None:
    env = {"FOUNDRY_HOST_LOG_LEVEL": "Information"}
    with start_foundry_v2(env=env, data_dir=tmp_path / "data"):
        pass
    log = "".join(path.read_text() for path in (tmp_path / "data" / "logs").iterdir())
    assert "1DS upload disabled (events still logged locally)" in log
    assert "1DS initialized" not in log


def test_a_proxy_in_the_environment_does_not_hide_the_private_catalog() -> None:
    proxy = "http://127.0.0.1:9"
    env = {"HTTP_PROXY": proxy, "http_proxy": proxy, "NO_PROXY": "", "no_proxy": ""}
    with start_foundry_v2(env=env) as foundry:
        assert states(foundry) == {DEMO_ALIAS: "loaded"}


def test_a_public_catalog_that_never_answers_delays_neither_start_nor_stop(
    own_end: OwnEnd,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/asset-gallery/v1.0/models"
        env = {**own_end.environment, "FOUNDRY_HOST_PUBLIC_CATALOG_URL": url}
        with start_foundry_v2(env=env, public=True) as foundry:
            (notice,) = foundry.status()["notices"]
            assert "(no answer in time)" in notice["message"], "it was waited for to the end"
            assert foundry.stop() == 0
            assert own_end.came()


@pytest.mark.parametrize("word", ["yes", "no"])
def test_without_the_public_catalog_nobody_outside_is_asked(word: str) -> None:
    wanted = "no-such-model"
    with socket.create_server(("127.0.0.1", 0)) as outside:
        url = f"http://127.0.0.1:{outside.getsockname()[1]}/asset-gallery/v1.0/models"
        env = {"FOUNDRY_HOST_PUBLIC_CATALOG_URL": url, "FOUNDRY_HOST_PUBLIC_CATALOG": word}
        with start_foundry_v2(args=["--model", wanted], env=env, public=True) as foundry:
            # It has looked everywhere; and once it has ended, whoever was asked has a caller.
            wait_until(foundry, lambda: states(foundry).get(wanted) == "failed", "not found")
            foundry.stop()
        asked, _, _ = select.select([outside], [], [], 0)
    assert bool(asked) is (word == "yes")


def test_its_output_is_a_few_lines_without_native_noise() -> None:
    with start_foundry_v2() as foundry:
        foundry.stop()
        lines = foundry.output().splitlines()
    assert len(lines) <= 5
    assert not [line for line in lines if "[warning]" in line or "[error]" in line]


def test_a_taken_port_is_explained_by_what_has_it(foundry_v2: Foundry) -> None:
    result = run_host("--url", foundry_v2.url)
    assert result.returncode == 1
    assert f"taken by Foundry Local 2.x (process {foundry_v2.pid})" in result.stderr
    assert f"FOUNDRY_URL={foundry_v2.url}" in result.stderr


def test_a_port_taken_by_another_web_server_is_explained() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        result = run_host("--url", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert result.returncode == 1
    assert "taken by another web server" in result.stderr
    assert "--url http://127.0.0.1:" in result.stderr


def test_a_data_directory_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    url = f"http://127.0.0.1:{free_port_pair()}"
    result = run_host("--url", url, "--data-dir", str(tmp_path / "file"))
    assert result.returncode == 1
    assert "cannot be written" in result.stderr
    assert "--data-dir" in result.stderr


def test_wrong_usage_ends_in_2() -> None:
    assert run_host("--url", "http://*:51211").returncode == 2
    assert run_host("--bogus").returncode == 2
    assert run_host(FOUNDRY_HOST_DEMO="perhaps").returncode == 2


def test_the_healthcheck_is_about_a_loaded_model(foundry_v2: Foundry) -> None:
    healthy = run_host("healthcheck", FOUNDRY_HOST_URL=foundry_v2.url)
    assert (healthy.returncode, healthy.stdout.strip()) == (0, f"loaded: {DEMO_VARIANT}")
    with start_foundry_v2(args=["--no-demo"], wait_for=[]) as empty:
        unhealthy = run_host("healthcheck", FOUNDRY_HOST_URL=empty.url)
        assert unhealthy.returncode == 1
        assert "no model is loaded" in unhealthy.stderr
    assert run_host("healthcheck", FOUNDRY_HOST_URL=empty.url).returncode == 1


def test_v1_serves_the_same_demo_model(foundry_v1: Foundry) -> None:
    assert foundry_v1.get_json("/models/loaded") == [DEMO_VARIANT]
    answer: Any = post_json(
        f"{foundry_v1.url}/v1/chat/completions",
        {
            "model": DEMO_ALIAS,
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 8,
        },
    )
    assert answer["choices"][0]["message"]["content"]


def test_several_addresses_are_served_each_with_its_companion() -> None:
    other = free_port_pair()
    with start_foundry_v2(args=["--url", f"http://127.0.0.1:{other}"]) as foundry:
        wait_until(foundry, lambda: foundry.get_json("/models/loaded"), "the first address")
        for port, path in ((other, "/models/loaded"), (other + 1, "/status")):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
                assert response.status == 200


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere 127.0.2.1 is nobody's")
def test_at_a_name_it_listens_at_the_address_of_that_name_and_at_no_other() -> None:
    port = free_port_pair()
    # To the resolver 127.0.0x201 is a name; it stands for 127.0.2.1 without any network.
    with start_foundry_v2(args=["--url", f"http://127.0.0x201:{port}"]):
        for number, path in ((port, "/v1/models"), (port + 1, "/status")):
            assert get_json(f"http://127.0.2.1:{number}{path}")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", number), timeout=2)
