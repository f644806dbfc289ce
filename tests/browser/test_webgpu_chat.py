"""The chat of the WebGPU page: one question, answered in the browser and by Foundry Local."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, Route, expect

from support.browser import open_page
from support.foundry import start_foundry_v2
from support.gateway import run_gateway
from support.webgpu import serve_page

PATIENCE = 90_000
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
        await self.page.get_by_label("Longest answer").fill(str(tokens))

    async def start_again(self) -> None:
        await self.page.get_by_role("button", name="New conversation").click()


@asynccontextmanager
async def open_chat(browser: Browser, origin: str, query: str = "", **context):
    """The chat in a fresh profile; at the end, nobody else was asked and nothing complained."""
    async with open_page(browser, f"{origin}/{query}#chat", **context) as (page, record):
        yield Chat(page)
        assert record.foreign(origin) == [], "the page asks no other address"
        assert record.errors == [], "and the console shows no error"


@pytest.fixture
async def chat(browser, webgpu_page):
    async with open_chat(browser, webgpu_page.url) as chat:
        await chat.wait_until_ready()
        yield chat


async def break_worker(page: Page, fault: str) -> None:
    """Run a script in the worker before its own."""

    async def put_before(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=fault + await answer.text())

    await page.context.route("**/chat/worker.js", put_before)


# Between two steps the worker gives its thread back by a message to itself.
SLOW = """
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message) {
  setTimeout(() => post.call(this, message), 100);
};
"""


@pytest.fixture
async def slow_chat(browser, webgpu_page):
    """Its model says ten tokens a second: whoever stops it finds it at work."""
    async with open_page(browser, webgpu_page.url) as (page, record):
        await break_worker(page, SLOW)
        await page.get_by_role("tab", name="Chat").click()
        chat = Chat(page)
        await chat.wait_until_ready()
        yield chat
        assert record.foreign(webgpu_page.url) == []
        assert record.errors == []


# ---- The same answers --------------------------------------------------------------------------


async def test_greedy_text_is_foundry_locals_on_wasm(chat):
    for question in GREEDY:
        here, there = await chat.answers(question)
        assert here == there, question
        assert len(here) > 10, question
        await chat.start_again()


async def test_greedy_text_is_foundry_locals_on_webgpu(gpu_browser, webgpu_page):
    async with open_chat(gpu_browser, webgpu_page.url, "?backend=webgpu") as chat:
        await chat.wait_until_ready("webgpu")
        await chat.limit_answers_to(4)
        for question in GREEDY:
            here, there = await chat.answers(question)
            assert here == there, question
            assert len(here) > 2, question
            await chat.start_again()
        await chat.answers("My name is Ada.")
        here, there = await chat.answers("What is my name?")
        assert here == there, "also where the GPU has kept the turn before"


# ---- A conversation ----------------------------------------------------------------------------


async def test_a_question_goes_to_the_gateway_and_nowhere_else(browser, webgpu_page):
    async with open_chat(browser, webgpu_page.url) as chat:
        sent = []
        chat.page.on("request", lambda request: sent.append((request.url, request.post_data)))
        chat.page.on("websocket", lambda socket: sent.append((socket.url, None)))
        await chat.answers("What are you?")
        told = [url for url, body in sent if "What" in f"{url}{body}"]
        assert told == [f"{webgpu_page.url}/v1/chat/completions"]


async def test_each_half_says_how_fast_it_answered(chat):
    await chat.page.get_by_role("button", name="What is Foundry Local?").click()
    for half in ("browser", "foundry"):
        await chat.settled(half)
        figures = chat.last_answer(half).locator(".chat-figures")
        await expect(figures).to_contain_text(
            re.compile(r"First token [\d.]+ m?s\s*Speed [\d.,]+ tokens/s\s*Length 38 tokens")
        )
    verdict = chat.page.get_by_text("Both answers are the same, word for word.")
    await expect(verdict).to_be_visible()
    await expect(chat.page.get_by_role("button", name="What is Foundry Local?")).to_be_hidden()


async def test_next_question_builds_on_the_one_before_in_both_halves(chat):
    await chat.answers("My name is Ada.")
    for answer in await chat.answers("What is my name?"):
        assert "Ada" in answer
    await chat.start_again()
    for answer in await chat.answers("What is my name?"):
        assert "Ada" not in answer


async def test_shift_enter_starts_a_new_line_and_enter_sends(chat):
    await chat.question.press_sequentially("Hello!")
    await chat.question.press("Shift+Enter")
    await chat.question.press_sequentially("What is Foundry Local?")
    assert await chat.question.input_value() == "Hello!\nWhat is Foundry Local?"
    await chat.question.press("Enter")
    await expect(chat.page.locator(".chat-question")).to_contain_text("Hello!\nWhat is")
    await expect(chat.question).to_have_value("")
    await expect(chat.question).to_be_focused()


ENTER = """(field, { keyCode = 13, ...given }) => {
  const event = new KeyboardEvent('keydown', { key: 'Enter', cancelable: true, ...given });
  Object.defineProperty(event, 'keyCode', { value: keyCode });
  field.dispatchEvent(event);
}"""


@pytest.mark.parametrize(
    ("given", "text", "asked"),
    [
        pytest.param({"isComposing": True}, "kon", 0, id="composing"),
        # Safari ends the composition first and tells it by the key code only.
        pytest.param({"keyCode": 229}, "kon", 0, id="composing in Safari"),
        pytest.param({"shiftKey": True}, "Hello", 0, id="with shift"),
        pytest.param({"repeat": True}, "Hello", 0, id="held down"),
        pytest.param({}, "  \n ", 0, id="nothing but blanks"),
        pytest.param({}, "Hello", 1, id="plain"),
    ],
)
async def test_enter_asks_only_where_it_is_meant_to(browser, webgpu_page_alone, given, text, asked):
    async with open_page(browser, f"{webgpu_page_alone.url}/#chat") as (page, _):
        chat = Chat(page)
        await chat.question.fill(text)
        await chat.question.evaluate(ENTER, given)
        await expect(page.locator(".chat-question")).to_have_count(asked)
        await expect(chat.question).to_have_value("" if asked else text)


async def test_hasty_hands_ask_once_and_do_not_stop_what_they_asked(slow_chat):
    await slow_chat.question.fill("Count from 1 to 200.")
    await slow_chat.page.get_by_role("button", name="Send").dblclick(force=True)
    await expect(slow_chat.last_answer("browser").locator(".chat-text")).to_contain_text("1, 2, 3")
    await slow_chat.question.fill("And then?")
    await slow_chat.question.press("Enter")  # kept until the answer is there
    await expect(slow_chat.question).to_have_value("And then?")
    await expect(slow_chat.page.locator(".chat-question")).to_have_count(1)
    await slow_chat.page.get_by_role("button", name="Stop").click()
    await slow_chat.settled("browser")
    await slow_chat.settled("foundry")
    assert "Microsoft" in (await slow_chat.answers("What is Foundry Local?"))[0]


async def test_half_a_model_file_is_told_and_fetched_again(browser, webgpu_page_alone):
    async with open_page(browser, webgpu_page_alone.url) as (page, _):
        chat = Chat(page)

        async def cut(route: Route) -> None:
            answer = await route.fetch()
            await route.fulfill(response=answer, body=(await answer.body())[:1000])

        await page.context.route("**/model.onnx", cut)
        await page.get_by_role("tab", name="Chat").click()
        await expect(chat.browser).to_contain_text(
            re.compile(r"model\.onnx came with 1000 of its \d{7} bytes"), timeout=PATIENCE
        )
        await page.context.unroute("**/model.onnx")
        await chat.browser.get_by_role("button", name="Try again").click()
        await chat.wait_until_ready()


async def test_stop_keeps_what_was_said_and_the_next_question_is_answered(slow_chat):
    await slow_chat.ask("Count from 1 to 200.")
    await expect(slow_chat.last_answer("browser").locator(".chat-text")).to_contain_text("1, 2, 3")
    await slow_chat.page.get_by_role("button", name="Stop").click()
    said = await slow_chat.settled("browser")
    await expect(slow_chat.last_answer("browser")).to_contain_text("Stopped.")
    assert said.startswith("1, 2, 3")
    assert "60" not in said
    await slow_chat.settled("foundry")
    for answer in await slow_chat.answers("What is Foundry Local?"):
        assert "Microsoft" in answer


async def test_oldest_question_gives_way_when_the_context_is_full_and_the_person_is_told(
    browser, webgpu_page
):
    async with open_page(browser, f"{webgpu_page.url}/#chat") as (page, _):
        chat = Chat(page)
        await chat.wait_until_ready()
        await chat.limit_answers_to(4)
        half_a_context = "one two three four five " * 260
        await chat.answers(half_a_context)
        await chat.answers(half_a_context)
        for half in ("browser", "foundry"):
            await expect(chat.last_answer(half)).to_contain_text(
                re.compile(
                    "The oldest question no longer fitted the model.s context and was left out"
                )
            )


async def test_question_longer_than_the_context_is_refused_by_both_with_what_to_do(
    browser, webgpu_page
):
    async with open_page(browser, f"{webgpu_page.url}/#chat") as (page, _):
        chat = Chat(page)
        await chat.wait_until_ready()
        await chat.ask("one two three four five " * 900)
        for half in ("browser", "foundry"):
            await chat.settled(half, "failed")
            await expect(chat.last_answer(half)).to_contain_text(re.compile(r"\d{4,} tokens"))
            await chat.last_answer(half).get_by_text("What to do").click()
            await expect(chat.last_answer(half)).to_contain_text(re.compile("short", re.IGNORECASE))


async def test_only_finished_answers_are_read_out(slow_chat):
    read_out = slow_chat.page.locator("#chat > [role=status]")
    await expect(read_out).to_have_text(["", ""])
    await slow_chat.ask("Count from 1 to 200.")
    await expect(slow_chat.last_answer("browser").locator(".chat-text")).to_contain_text("1, 2, 3")
    await expect(slow_chat.last_answer("browser")).to_have_attribute("aria-busy", "true")
    await expect(read_out.first).to_have_text("")
    await slow_chat.page.get_by_role("button", name="Stop").click()
    await expect(read_out.first).to_contain_text("In this browser: 1, 2, 3")
    await expect(slow_chat.last_answer("browser")).to_have_attribute("aria-busy", "false")


# ---- What it runs on ---------------------------------------------------------------------------


async def test_model_is_loaded_when_the_chat_is_opened_and_not_before(browser, webgpu_page):
    async with open_page(browser, webgpu_page.url) as (page, record):
        await expect(page.get_by_role("tab", name="Chat")).to_be_visible()
        await page.wait_for_load_state("networkidle")
        ours = re.compile("demo-model|huggingface|markdown|/chat/|/v1/")
        assert [url for url in record.requests if ours.search(url)] == []
        await page.get_by_role("tab", name="Chat").click()
        await Chat(page).wait_until_ready()
        assert {url.rpartition("/")[2] for url in record.requests if "demo-model" in url} == {
            "model.onnx",
            "genai_config.json",
            "chat_template.jinja",
            "tokenizer.json",
            "tokenizer_config.json",
        }
        assert any(worker.url.endswith("/chat/worker.js") for worker in page.workers)


async def test_loading_is_shown_in_bytes(browser, webgpu_page):
    async with AsyncExitStack() as stack:
        page, _ = await stack.enter_async_context(open_page(browser, webgpu_page.url))
        held: list[Route] = []

        async def hold(route: Route) -> None:
            held.append(route)

        await page.context.route("**/model.onnx", hold)
        await page.get_by_role("tab", name="Chat").click()
        loading = page.get_by_text(re.compile(r"Loading the model: 0\.1 of 2\.7 MB"))
        await expect(loading).to_be_visible(timeout=PATIENCE)
        await expect(page.get_by_role("progressbar", name="Model loaded")).to_be_visible()
        await Chat(page).ask("What is Foundry Local?")
        assert "Microsoft" in await Chat(page).settled("foundry")
        await held[0].continue_()
        assert "Microsoft" in await Chat(page).settled("browser")


async def test_model_file_that_cannot_be_fetched_is_a_message_with_a_way_on(browser, webgpu_page):
    async with open_page(browser, webgpu_page.url) as (page, _):
        chat = Chat(page)
        await page.context.route("**/model.onnx", lambda route: route.fulfill(status=404))
        await page.get_by_role("tab", name="Chat").click()
        await expect(chat.browser).to_contain_text(
            "The server answered 404 for the file model.onnx.", timeout=PATIENCE
        )
        await chat.ask("What is Foundry Local?")
        await chat.settled("browser", "failed")
        await page.context.unroute("**/model.onnx")
        await chat.last_answer("browser").get_by_role("button", name="Try again").click()
        assert "Microsoft" in await chat.settled("browser")
        await chat.wait_until_ready()


BREAKS = """
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...given) {
  %s
};
"""
AT_START = BREAKS % "throw new Error('the driver is gone');"
AT_ANSWER = (
    BREAKS
    % """
  const device = await request.apply(this, given);
  self.addEventListener('message', ({data}) => data.method === 'answer' && device.destroy());
  return device;
"""
)


@pytest.mark.parametrize("fault", [AT_START, AT_ANSWER], ids=["at-start", "at-the-answer"])
async def test_wasm_answers_where_webgpu_fails_and_the_half_says_so(
    gpu_browser, webgpu_page, fault
):
    async with open_page(gpu_browser, f"{webgpu_page.url}/?backend=webgpu") as (page, record):
        chat = Chat(page)
        await break_worker(page, fault)
        await page.get_by_role("tab", name="Chat").click()
        here, there = await chat.answers("What is Foundry Local?")
        assert here == there
        await expect(chat.browser).to_contain_text("WebGPU failed, so WASM answers.")
        await chat.wait_until_ready("wasm")
        await page.context.unroute("**/chat/worker.js")
        await chat.browser.get_by_role("button", name="Try WebGPU again").click()
        await chat.wait_until_ready("webgpu")
        assert record.errors == []


# WASM answers, and its answer stays where it is after the first step.
STAYS = (
    AT_START
    + """
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message) {
  if (message !== null) post.call(this, message);
};
"""
)


async def test_answer_under_way_is_stopped_and_no_failure_when_webgpu_is_tried_again(
    gpu_browser, webgpu_page
):
    async with open_page(gpu_browser, f"{webgpu_page.url}/?backend=webgpu") as (page, record):
        chat = Chat(page)
        await break_worker(page, STAYS)
        await page.get_by_role("tab", name="Chat").click()
        await chat.ask("What is Foundry Local?")
        assert await chat.settled("foundry")
        again = chat.browser.get_by_role("button", name="Try WebGPU again")
        await expect(again).to_be_visible(timeout=PATIENCE)
        await page.context.unroute("**/chat/worker.js")
        await again.click()
        await chat.settled("browser")
        await expect(chat.last_answer("browser")).to_contain_text("Stopped.")
        assert record.errors == []


async def test_software_gpu_offers_the_faster_wasm(gpu_browser, webgpu_page):
    async with open_chat(gpu_browser, webgpu_page.url, "?backend=webgpu") as chat:
        await chat.browser.get_by_role("button", name="Use WASM").click(timeout=PATIENCE)
        await chat.wait_until_ready("wasm")
        assert "backend=wasm" in chat.page.url
        here, there = await chat.answers("What is Foundry Local?")
        assert here == there


# ---- Foundry Local -----------------------------------------------------------------------------


async def test_picker_offers_the_gateways_models_and_labels_the_demo(chat):
    picker = chat.page.get_by_label("Model of Foundry Local")
    await expect(picker).to_have_value("foundry-demo")
    for half in (chat.browser, chat.foundry):
        await expect(half.get_by_text("Demo", exact=True)).to_be_visible()


async def test_stopped_foundry_local_says_why_and_what_to_do_while_the_browser_goes_on(
    browser, webgpu_www, tmp_path
):
    with start_foundry_v2() as foundry:
        port = foundry.port
        with (
            run_gateway(tmp_path / "log", FOUNDRY_URL=foundry.url, MODEL="foundry-demo") as gateway,
            serve_page(webgpu_www, tmp_path, gateway.url, gateway.key) as served,
        ):
            foundry.stop()
            gateway.wait_until(lambda status: not status["ready"], "Foundry Local is missed")
            async with open_chat(browser, served.url) as chat:
                await expect(chat.foundry).to_contain_text(
                    "refused the connection", timeout=PATIENCE
                )
                await expect(chat.foundry).to_contain_text("scripts/foundry_host.py")
                await chat.ask("What is Foundry Local?")
                assert "Microsoft" in await chat.settled("browser")
                await chat.settled("foundry", "failed")
                await chat.foundry.get_by_role("button", name="Try again").click()
                await expect(chat.foundry).to_contain_text("refused the connection")
                with start_foundry_v2(port=port):
                    await expect(chat.foundry).to_contain_text("Connected", timeout=PATIENCE)
                    again = chat.last_answer("foundry").get_by_role("button", name="Try again")
                    await again.click()
                    assert "Microsoft" in await chat.settled("foundry")


async def test_missing_gateway_is_named(browser, webgpu_page_alone):
    async with open_page(browser, f"{webgpu_page_alone.url}/#chat") as (page, record):
        chat = Chat(page)
        await expect(chat.foundry).to_contain_text("The gateway", timeout=PATIENCE)
        await expect(chat.foundry).to_contain_text("docker compose up -d gateway")
        await chat.wait_until_ready()
        await chat.ask("What is Foundry Local?")
        assert "Microsoft" in await chat.settled("browser")
        assert record.errors == [], "a missing gateway is an answer, not a complaint"


# ---- Looks -------------------------------------------------------------------------------------


async def test_halves_stand_side_by_side_and_on_a_phone_one_above_the_other(chat):
    await chat.answers("What is Foundry Local?")
    for size, stacked in (((1200, 800), False), ((360, 760), True)):
        await chat.page.set_viewport_size({"width": size[0], "height": size[1]})
        for pair in (
            (chat.browser, chat.foundry),
            (chat.last_answer("browser"), chat.last_answer("foundry")),
        ):
            here, there = [await half.bounding_box() for half in pair]
            assert (there["y"] >= here["y"] + here["height"]) is stacked
        wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await chat.page.evaluate(wider)


async def test_newest_answers_stand_above_the_composer_when_they_are_done(chat):
    await chat.page.set_viewport_size({"width": 360, "height": 760})
    for question in ("What is Foundry Local?", "My name is Ada."):
        await chat.answers(question)
    composer = await chat.page.locator(".chat-composer").bounding_box()
    for half in ("browser", "foundry"):
        answer = await chat.last_answer(half).bounding_box()
        assert answer["y"] >= 0
        assert answer["y"] + answer["height"] <= composer["y"]
