"""Open WebUI in headless Chromium: the first start, what one message costs, and trouble."""

import os
from pathlib import Path

from support.browser import open_page
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
            for _ in range(100):
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
