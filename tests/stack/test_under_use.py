"""The instruments of the whole stack after some use: through each app, in containers."""

import asyncio
import os
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.browser import open_page
from support.chat_client import ChatClient
from support.panel_queries import TARGETS, Asker, missing_labels
from support.stack import ROOT, RunningStack, eventually, get

SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "artifacts" / "screenshots"))
PATIENCE = 240.0
QUESTION = {"model": "foundry-demo", "messages": [{"role": "user", "content": "Count to 20."}]}
# These panels are empty where nothing is wrong. tests/contract/test_grafana_queries.py makes the
# trouble and sees their figures.
TROUBLE = {
    "chat-performance / Errors / A",
    "overview / What is wrong / A",
    "overview / Alerts firing / A",
    "probes / What is wrong / A",
    "probes / Skipped, by reason / A",
    "probes / Failures, by reason / A",
}
PANELS = [target for target in TARGETS if str(target) not in TROUBLE]


@dataclass(frozen=True)
class Used:
    """What each query returned once there had been some use."""

    returned: dict[str, list[dict[str, str]]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def used(stack: RunningStack) -> Used:
    eventually(lambda: get(f"{stack.open_webui}/ready").status == 200, 240)
    a_cold_load(stack)
    asker = Asker(lambda path, **parameters: prometheus(stack, path, **parameters), 5)
    token = stack.open_webui_token()
    returned: dict[str, list[dict[str, str]]] = {}
    deadline = time.monotonic() + PATIENCE
    async with ChatClient(stack.chat, origin=stack.chat) as chat:
        while time.monotonic() < deadline:
            assert not (await chat.ask("Hello!")).is_error
            url = f"{stack.open_webui}/api/chat/completions"
            assert get(url, QUESTION, Authorization=f"Bearer {token}").status == 200
            url = f"{stack.webgpu}/v1/chat/completions"
            assert get(url, QUESTION, Origin=stack.webgpu).status == 200
            assert stack.ask("Hello!", key="a wrong one").status == 401
            for target in PANELS:
                if str(target) not in returned and (labels := asker.ask(target)):
                    returned[str(target)] = labels
            if len(returned) == len(PANELS):
                break
            await asyncio.sleep(2)
    return Used(returned)


def a_cold_load(stack: RunningStack) -> None:
    unload = (
        "import urllib.request as u; "
        "u.urlopen('http://127.0.0.1:51211/models/unload/foundry-demo', timeout=30)"
    )
    assert stack.run_in("foundry-local", "python", "-c", unload).returncode == 0
    assert stack.ask("Hello!").status == 200


def prometheus(stack: RunningStack, path: str, **parameters: str) -> Any:
    answer = get(f"{stack.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
    assert answer.status == 200, answer
    return answer.json()["data"]


@pytest.mark.parametrize("target", PANELS, ids=str)
def test_every_panel_has_figures(used: Used, target):
    assert used.returned.get(str(target)), f"nothing for {target.expression}"
    assert missing_labels(target, used.returned[str(target)]) == set()


def test_each_app_is_counted_under_its_own_name(stack: RunningStack, used: Used):
    assert used.returned
    counted = "count by (client) (gen_ai_client_operation_duration_seconds_count)"
    series = prometheus(stack, "query", query=counted)["result"]
    clients = {one["metric"]["client"] for one in series}
    assert {"chainlit", "open-webui", "webgpu", "healthcheck"} <= clients


def test_nothing_that_watches_this_stack_finds_a_fault(stack: RunningStack, used: Used):
    assert used.returned

    def green() -> bool:
        status = get(f"{stack.healthcheck}/api/status").json()
        return status["status"] == "up" and {part["state"] for part in status["parts"]} == {"up"}

    eventually(green, 120)
    targets = prometheus(stack, "targets", state="active")["activeTargets"]
    assert {one["labels"]["job"] for one in targets} == {
        *("gateway", "healthcheck", "chainlit", "prometheus")
    }
    assert {one["health"] for one in targets} == {"up"}


async def test_the_status_page_says_so(stack: RunningStack, used: Used, browser):
    assert used.returned
    size = {"width": 1280, "height": 900}
    async with open_page(browser, stack.healthcheck, viewport=size) as (page, record):
        await page.get_by_role("heading", name="All is well").wait_for()
        await page.get_by_text("foundry-local", exact=True).first.wait_for()
        await page.screenshot(path=SCREENSHOTS / "status-stack.png", full_page=True)
    assert record.foreign(stack.healthcheck) == []
    assert record.errors == []
