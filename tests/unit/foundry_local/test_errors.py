from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from foundry_host.errors import HostError, plain
from support.foundry import HOST_SOURCE
from support.processes import free_port_pair, python_path


def test_an_error_without_words_is_named() -> None:
    assert plain(ValueError("")) == "ValueError"
    assert plain(ValueError("a.cc:1 void b::c(int) it broke.")) == "it broke"


def test_an_error_reads_as_problem_then_remedy() -> None:
    assert str(HostError("It is broken.", "Mend it.")) == "It is broken. Mend it."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux refuses every write")
def test_an_output_that_takes_nothing_more_brings_no_trace(tmp_path: Path) -> None:
    """It goes on serving when whoever read along has left, as `| head` does."""
    (tmp_path / "file").touch()
    url = f"http://127.0.0.1:{free_port_pair()}"
    options = ["--no-public-catalog", "--data-dir", tmp_path / "file", "--url", url]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "foundry_host", *options],
            env={**os.environ, "PYTHONPATH": python_path(HOST_SOURCE)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path / 'file'} cannot be written: ")
