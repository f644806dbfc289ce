"""The doctor meets every generation of Foundry Local, the real one where there is one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.doctor import examine
from support.fake_foundry import FakeFoundry
from support.foundry import Foundry


def test_the_2_x_runtime(foundry_v2: Foundry, tmp_path: Path) -> None:
    found = examine(tmp_path, FOUNDRY_URL=foundry_v2.url, MODEL="foundry-demo")
    told = found.check("foundry")
    assert told["state"] == "ok"
    assert told["facts"]["generation"] == "v2"
    assert told["facts"]["pid"] == foundry_v2.pid
    assert found.check("models")["message"] == "foundry-demo is loaded"


def test_the_1_x_runtime(foundry_v1: Foundry, tmp_path: Path) -> None:
    found = examine(tmp_path, FOUNDRY_URL=foundry_v1.url, MODEL="foundry-demo")
    told = found.check("foundry")
    assert told["state"] == "ok"
    assert told["facts"]["generation"] == "v1"
    assert found.check("models")["message"] == "foundry-demo is loaded"


async def test_the_generation_up_to_cli_0_8(tmp_path: Path) -> None:
    async with FakeFoundry(dialect="legacy") as fake:
        found = await asyncio.to_thread(
            examine, tmp_path, FOUNDRY_URL=fake.url, MODEL="no-such-model"
        )
    told = found.check("foundry")
    assert told["state"] == "ok", found.text
    assert told["facts"]["generation"] == "legacy"
    assert told["message"].startswith("generation up to CLI 0.8 answers on 127.0.0.1, ")
    assert found.check("models")["message"].startswith("no such model: ")
    assert found.check("models")["facts"]["alternatives"]
