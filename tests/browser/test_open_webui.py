"""Open WebUI in headless Chromium: the first start, what one message costs, and trouble."""

import os
from pathlib import Path

import pytest

from support.browser import open_page
from support.edge import request_of, serve_edge
from support.open_webui import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    ROOT,
    Recorder,
    gateway_to,
    open_webui,
    settings_file,
)

SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "artifacts" / "screenshots"))


async def screenshot(page, name):
    await page.screenshot(path=SCREENSHOTS / f"open-webui-{name}.png")


async def send(page, text):
    await page.locator("#chat-input").click()
    await page.keyboard.type(text)
    await page.keyboard.press("Enter")


async def create_administrator(page):
    page.set_default_timeout(120_000)  # a busy machine takes its time over 500 small files
    await page.get_by_role("button", name="Get started").click()
    await page.fill("#name", "Ada")
    await page.fill("#email", ADMIN_EMAIL)
    await page.fill("#password", ADMIN_PASSWORD)
    await page.get_by_role("button", name="Create Admin Account").click()


async def answered(page):
    """Wait for the answer's buttons, which come when it is complete; returns its text."""
    await page.locator(".copy-response-button").first.wait_for()
    return await page.locator(".chat-assistant").last.inner_text()


async def test_first_start_create_the_administrator_type_and_read_an_answer(
    browser, recorder, tmp_path
):
    with (
        Recorder(recorder.target).serving() as gateway,
        open_webui(gateway.url, tmp_path) as ui,
    ):
        async with open_page(browser, ui.url, viewport={"width": 1280, "height": 800}) as opened:
            page, record = opened
            await create_administrator(page)
            await page.get_by_text("The built-in demo model is answering").wait_for()
            await page.get_by_text("a term in two sentences").wait_for()
            await screenshot(page, "new-chat")

            await send(page, "hello there")
            answer = await answered(page)
            assert answer.strip()
            await screenshot(page, "chat")

            # One typed message is one model request, and a small one.
            [chat] = gateway.chats
            assert len(chat.body) < 1500
            assert chat.json["messages"] == [{"role": "user", "content": "hello there"}]
            assert chat.json["stream"] is True

            await page.reload()
            await page.locator(".chat-assistant").wait_for()
            assert await answered(page) == answer
            assert len(gateway.chats) == 1
            assert record.foreign(ui.url) == []
            assert [line for line in record.console if "Content Security Policy" in line] == []


async def test_as_it_comes_one_message_is_four_model_requests_and_the_chat_alone_over_20_kb(
    browser, recorder, tmp_path
):
    # Only what it takes to start without the internet; nothing about the chat.
    needed = ("DATA_DIR", "OFFLINE_MODE", "RAG_EMBEDDING_ENGINE", "ENABLE_OLLAMA_API")
    settings = {name: settings_file()[name] for name in needed}
    with (
        Recorder(recorder.target, answers="Hello!").serving() as gateway,
        open_webui(gateway.url, tmp_path, settings=settings) as ui,
    ):
        async with open_page(browser, ui.url) as (page, _):
            await create_administrator(page)
            await page.get_by_role("button", name="Okay, Let's Go!").click()
            await send(page, "hello there")
            await answered(page)
            for _ in range(600):
                if len(gateway.chats) >= 4:
                    break
                await page.wait_for_timeout(100)
        assert len(gateway.chats) == 4
        assert max(len(chat.body) for chat in gateway.chats) > 20_000


async def test_when_foundry_local_is_down_the_chat_shows_the_gateways_message(
    browser, chat_ui, recorder, tmp_path
):
    foundry, refused = recorder.target, "http://127.0.0.1:9 refused the connection"
    with gateway_to("http://127.0.0.1:9", tmp_path / "log") as gateway:
        recorder.target = gateway
        try:
            async with open_page(browser, chat_ui.url, viewport={"width": 1280, "height": 800}) as (
                page,
                _,
            ):
                await sign_in(page)
                # The model stays in the list; the banner and the chat say what is wrong.
                await page.get_by_text("phi-4-mini").first.wait_for()
                await page.get_by_text(refused).first.wait_for()
                await send(page, "hello there")
                error = page.locator(".chat-assistant")
                await error.get_by_text(refused).wait_for()
                await screenshot(page, "foundry-down")
        finally:
            recorder.target = foundry


async def sign_in(page):
    page.set_default_timeout(120_000)
    await page.fill("#email", ADMIN_EMAIL)
    await page.fill("#password", ADMIN_PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


@pytest.fixture(scope="module")
def edge(chat_ui, tmp_path_factory):
    """The edge in front of Open WebUI, by another port than that knows, as if forwarded."""
    address = chat_ui.url.removeprefix("http://")
    with serve_edge(tmp_path_factory.mktemp("edge"), real={"open-webui": address}) as running:
        yield running


@pytest.fixture
def address(edge):
    return f"http://localhost:{edge.ports['open-webui']}"


async def come_in(page, ui):
    """Be signed in, without the form."""
    token = await ui.sign_in()
    await page.evaluate("token => { localStorage.token = token }", token)
    await page.reload()


PYTHON = """```python
import numpy as np
from js import fetch
print("sum", np.arange(10).sum())
try:
    await fetch("{address}/api/config")
    print("reached")
except Exception as error:
    print("out of reach")
```"""


async def test_python_runs_behind_the_edge_and_reaches_nothing_there(
    browser, chat_ui, recorder, address, monkeypatch
):
    monkeypatch.setattr(recorder, "answers", PYTHON.format(address=address))
    async with open_page(browser, address, viewport={"width": 1280, "height": 800}) as opened:
        page, record = opened
        await come_in(page, chat_ui)
        await page.locator("#chat-input").wait_for()
        await send(page, "hello there")
        await answered(page)
        await page.get_by_role("button", name="Run", exact=True).click()
        printed = await page.locator(".chat-assistant").get_by_text("sum 45").inner_text()
        assert printed.splitlines() == ["sum 45", "out of reach"]
        await screenshot(page, "python")
        assert record.foreign(address) == []


async def test_what_a_model_draws_and_writes_is_shown(
    browser, chat_ui, recorder, address, monkeypatch
):
    html = "<h1 id=t></h1><script>t.textContent = `drawn ${6 * 7}`</script>"
    answer = f"```mermaid\ngraph TD; Tea-->Cup;\n```\n\n$$x^2$$\n\n```html\n{html}\n```"
    monkeypatch.setattr(recorder, "answers", answer)
    async with open_page(browser, address, viewport={"width": 1280, "height": 800}) as opened:
        page, record = opened
        await come_in(page, chat_ui)
        await page.locator("#chat-input").wait_for()
        await send(page, "hello there")
        await answered(page)
        await page.locator(".chat-assistant svg").get_by_text("Cup").wait_for()
        await page.locator(".chat-assistant .katex").first.wait_for()
        await page.frame_locator("iframe").get_by_text("drawn 42").wait_for()
        assert record.foreign(address) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_administrator_is_offered_no_voice_and_no_page_of_the_web(
    browser, chat_ui, address, scheme
):
    async with open_page(
        browser, address, viewport={"width": 1280, "height": 800}, color_scheme=scheme
    ) as (page, _):
        await come_in(page, chat_ui)
        await page.locator("#send-message-button").wait_for()
        assert not await page.locator("#voice-input-button").is_visible()
        assert await page.get_by_role("button", name="Voice mode").count() == 0
        await page.locator("#input-menu-button").click()
        await page.get_by_text("Upload Files").wait_for()
        assert not await page.get_by_text("Attach Webpage").is_visible()
        await screenshot(page, f"menu-{scheme}")


def test_a_frame_that_was_not_told_the_name_of_pythons_files_reads_nothing(edge):
    guess = f"/sandbox/{'0' * 32}/pyodide.js"
    for origin in ({"Origin": "null"}, {}):
        request = request_of("GET", guess, **{"Sec-Fetch-Site": "cross-site"}, **origin)
        answer = edge.ask("open-webui", request)
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
