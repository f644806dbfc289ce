"""Runs the page's pure modules in Node.js, as they are."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "services" / "webgpu-static" / "page"


@pytest.fixture(scope="session")
def run_module():
    """``run_module("digits/outputs.js", "m.percent(given)", 0.5)``: the expression's value."""
    node = shutil.which("node")
    assert node, "There is no Node.js. On Debian: apt-get install nodejs."

    def run(module, expression, given=None):
        script = (
            "let text = ''; for await (const part of process.stdin) text += part;"
            "const given = JSON.parse(text);"
            f"const m = await import({json.dumps((PAGE / module).as_uri())});"
            f"const value = {expression}; console.log(JSON.stringify(value ?? null));"
        )
        done = subprocess.run(
            [node, "--input-type=module", "--eval", script],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
