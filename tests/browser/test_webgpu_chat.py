"""The chat of the WebGPU page: one question, answered in the browser and by Foundry Local."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from support.browser import chromium, open_page
from support.foundry import start_foundry_v2
from support.gateway import run_gateway
from support.webgpu import WEBGPU_ARGUMENTS, serve_page

PATIENCE = 60_000
GREEDY = (
    "What am I looking at here?",
    "whats the adress of the chat",
    "Count from 95 to 110.",
    "explain to a newbie what foundry local is please",
    "My name is Zoë 🦊 — what is my name?",
    "Sprichst du Deutsch? Grüße!",
    "  which   port has Grafana?\n\n(the graphs)",
    "Write me a poem about 12345 C++ programs & <b>tags</b>.",
    "Repeat after me: I'll don't they're, WE'VE!",
    "¿Qué hora es? 日本語",
)
"""Questions of many kinds: the tokenizer's rules, other scripts, what the model cannot do."""


class Chat:
    """What a person does on the chat, and sees."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.question = page.get_by_label("Your question")
        self.browser = page.locator(".chat-half[data-half=browser]")
        self.foundry = page.locator(".chat-half[data-half=foundry]")

    async def wait_until_ready(self, backend: str = "wasm") -> None:
        await expect(self.browser).to_have_attribute("data-backend", backend, timeout=PATIENCE)

    async def ask(self, question: str) -> None:
        await self.question.fill(question)
        await self.question.press("Enter")

    def last_answer(self, half: str):
        return self.page.locator(f".chat-turn:last-child .chat-answer[data-half={half}]")

    async def settled(self, half: str, state: str = "done") -> str:
        """The last answer's text, once there is no more to come."""
        answer = self.last_answer(half)
        await expect(answer).to_have_attribute("data-state", state, timeout=PATIENCE)
        return await answer.locator(".chat-text").inner_text()

    async def answers(self, question: str) -> tuple[str, str]:
        await self.ask(question)
        return await self.settled("browser"), await self.settled("foundry")

    async def limit_answers_to(self, tokens: int) -> None:
        await self.page.get_by_text("Options").click()
        await self.page.get_by_label("Greatest length").fill(str(tokens))

    async def start_again(self) -> None:
        await self.page.get_by_role("button", name="New conversation").click()


@asynccontextmanager
async def open_chat(browser: Browser, origin: str, query: str = "", **context):
    """The chat in a fresh profile; at the end, nothing was asked of anyone else or complained of."""
    async with open_page(browser, f"{origin}/{query}#chat", **context) as (page, record):
        yield Chat(page)
        assert record.foreign(origin) == [], "the page asks no other address"
        assert record.errors == [], "and the console shows no error"


@pytest.fixture
async def chat(browser, webgpu_page):
    async with open_chat(browser, webgpu_page.url) as chat:
        await chat.wait_until_ready()
        yield chat


@pytest.fixture
async def gpu_browser():
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=chromium(), args=list(WEBGPU_ARGUMENTS)
        )
        yield running
        await running.close()


# ---- The same answers --------------------------------------------------------------------------


async def test_greedy_text_is_foundry_locals_on_wasm(chat):
    for question in GREEDY:
        here, there = await chat.answers(question)
        assert here == there, question
        assert len(here) > 10, question
        await chat.start_again()


async def test_greedy_text_is_foundry_locals_on_webgpu(gpu_browser, webgpu_page):
    async with open_chat(gpu_browser, webgpu_page.url) as chat:
        await chat.wait_until_ready("webgpu")
        await chat.limit_answers_to(6)
        for question in GREEDY:
            here, there = await chat.answers(question)
            assert here == there, question
            assert len(here) > 2, question
            await chat.start_again()
