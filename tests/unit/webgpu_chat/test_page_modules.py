"""The chat's modules, tested in Node.js by the files beside this one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support.webgpu import install_packages

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_module(name):
    install_packages()
    node = shutil.which("node")
    assert node, "There is no Node.js. On Debian: apt-get install nodejs."
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", HERE / name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# tests 0" not in done.stdout, "the file holds tests"
