"""The chat page in a real browser, on the real chain."""

import re

import pytest
from playwright.async_api import Page, expect

from support.browser import open_page
from support.chainlit_app import start_chat_app

ANSWER_TIMEOUT = 30_000


async def ask(page: Page, question: str) -> None:
    box = page.locator("#chat-input")
    await box.click()
    await box.press_sequentially(question)
    # A person waits for the button to light up as well.
    await expect(page.locator("#chat-submit")).to_be_enabled(timeout=ANSWER_TIMEOUT)
    await send(page)


async def send(page: Page) -> None:
    """Press Enter until the page has taken the question."""
    box = page.locator("#chat-input")
    # The page takes a question once its socket is open; until then Enter leaves it in the box.
    for _ in range(240):
        await box.press("Enter")
        await page.wait_for_timeout(250)
        if not (await box.evaluate("box => box.value ?? box.innerText")).strip():
            return
    raise AssertionError("the page took no question within a minute")


def answers(page: Page):
    return page.locator(".ai-message")


@pytest.fixture
async def page(browser, chat_stack):
    async with open_page(browser, chat_stack.app.url) as (page, record):
        await expect(page.locator("#starters")).to_be_visible(timeout=ANSWER_TIMEOUT)
        yield page
        assert record.foreign(chat_stack.app.url) == [], "the page asks no other address"
        assert record.errors == [], "and the console shows no error"


async def test_typed_question_is_answered_and_the_next_one_remembers_it(page):
    await ask(page, "My name is Ada.")
    facts = page.locator(".answer-note-facts")
    await expect(facts).to_have_count(1, timeout=ANSWER_TIMEOUT)
    await expect(facts.first).to_contain_text("foundry-demo (built-in demo) · first token")
    await ask(page, "What is my name?")
    await expect(facts).to_have_count(2, timeout=ANSWER_TIMEOUT)
    await expect(answers(page).nth(1)).to_contain_text("Ada")
    # The facts are on screen, not below the fold.
    await expect(facts.nth(1)).to_be_in_viewport()


async def test_starter_is_one_click_from_its_answer(page):
    starters = page.locator("#starters button")
    await expect(starters).to_have_count(4)
    await starters.filter(has_text="What is this stack?").click()
    await expect(page.locator(".answer-note-facts")).to_be_visible(timeout=ANSWER_TIMEOUT)
    assert len(await answers(page).first.inner_text()) > 40


async def test_settings_offer_the_models_and_the_usual_knobs(page):
    await page.locator("#chat-settings-open-modal").click()
    panel = page.locator("#chat-settings")
    await expect(panel).to_be_visible()
    await expect(panel.locator("#model")).to_have_text("Automatic: foundry-demo (built-in demo)")
    for label in ("System prompt", "Temperature", "Top-p", "Maximum tokens"):
        await expect(panel.get_by_text(label, exact=True)).to_be_visible()
    await panel.locator("#model").click()
    options = page.get_by_role("option")
    await expect(options.filter(has_text="Foundry demo (built-in demo) · loaded")).to_be_visible()


async def test_a_finished_answer_is_read_out_once_and_whole(page):
    told = page.get_by_role("status").and_(page.locator("#answer-told"))
    await expect(told).to_be_empty()
    await page.evaluate(
        "one => { window.readOut = [];"
        "new MutationObserver(() => readOut.push(one.textContent)).observe(one, "
        "{ childList: true }) }",
        await told.element_handle(),
    )
    await ask(page, "What is this stack?")
    await expect(told).not_to_be_empty(timeout=ANSWER_TIMEOUT)
    await page.locator("#theme-toggle").click()  # the page changes, and says nothing again
    await expect(page.get_by_role("menuitem", name="Dark")).to_be_visible()
    shown = await answers(page).first.locator(".prose").inner_text()
    assert await page.evaluate("window.readOut") == [shown]


ENTER = """(field, { keyCode = 13, ...given }) => {
  const event = new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, ...given });
  Object.defineProperty(event, 'keyCode', { value: keyCode });
  field.dispatchEvent(event);
}"""


async def test_enter_that_chooses_a_character_sends_nothing(page):
    await expect(page.locator("#chat-submit")).to_be_visible()
    box = page.locator("#chat-input")
    await box.fill("こん")
    # Safari ends the composition first and tells it by the key code only.
    for given in ({"keyCode": 229}, {"isComposing": True}):
        await box.evaluate(ENTER, given)
    await page.wait_for_function("document.querySelector('#chat-submit:not([disabled])')")
    assert (await box.evaluate("box => box.value ?? box.innerText")).strip() == "こん"
    await send(page)
    await expect(page.locator(".message-content").first).to_contain_text("こん")


GIVE = """(box, [name, words]) => {
  const data = new DataTransfer();
  data.items.add(new File(['x'], 'cat.png', { type: 'image/png' }));
  if (words) data.setData('text/plain', words);
  const kinds = { paste: ClipboardEvent, drop: DragEvent };
  const key = name === 'paste' ? 'clipboardData' : 'dataTransfer';
  const event = new kinds[name](name, { bubbles: true, cancelable: true, [key]: data });
  box.dispatchEvent(event);
  return event.defaultPrevented;
}"""


async def test_a_file_is_refused_with_what_helps_and_sent_nowhere(browser, chat_stack):
    async with open_page(browser, chat_stack.app.url) as (page, record):
        await expect(page.locator("#starters")).to_be_visible(timeout=ANSWER_TIMEOUT)
        box, refused = page.locator("#chat-input"), page.get_by_role("alert")
        for name in ("paste", "drop"):
            await box.evaluate(GIVE, [name, ""])
            await expect(refused).to_have_text(
                "Files and pictures cannot be read in this chat. Paste their text, or use "
                "Open WebUI: it reads documents."
            )
            await box.press("x")
            await expect(refused).to_be_empty()
        # Words that an office program copies with a picture of themselves are pasted.
        assert await box.evaluate(GIVE, ["paste", "words"]) is False
        await expect(refused).to_be_empty()
        assert [url for url in record.requests if "/project/file" in url] == []


BARRED = """for (const name of ['localStorage', 'sessionStorage']) {
  const get = () => { throw new DOMException(`${name} is barred`, 'SecurityError') };
  Object.defineProperty(window, name, { get, configurable: true });
}"""


async def test_a_browser_that_bars_storage_chats_all_the_same(browser, chat_stack):
    async with open_page(browser, "about:blank") as (page, record):
        await page.add_init_script(BARRED)
        await page.goto(chat_stack.app.url)
        await expect(page.locator("#starters")).to_be_visible(timeout=ANSWER_TIMEOUT)
        await ask(page, "Is my chat private?")
        await expect(page.locator(".answer-note-facts")).to_be_visible(timeout=ANSWER_TIMEOUT)
        assert record.errors == []


async def test_a_browser_without_scripts_is_told_what_is_missing(browser, chat_stack):
    url = chat_stack.app.url
    async with open_page(browser, url, java_script_enabled=False) as (page, _):
        assert "The chat needs JavaScript." in await page.inner_text("body")


async def test_what_is_written_from_right_to_left_begins_on_the_right(page):
    await ask(page, "שלום, עולם!")
    question = page.locator(".message-content [role=article]").first
    await expect(question).to_contain_text("עולם")
    assert await question.evaluate("one => getComputedStyle(one).unicodeBidi") == "plaintext"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_follows_the_systems_theme(browser, chat_stack, scheme):
    async with open_page(browser, chat_stack.app.url, color_scheme=scheme) as (page, _):
        await expect(page.locator("#starters")).to_be_visible(timeout=ANSWER_TIMEOUT)
        await expect(page.locator("html")).to_have_class(re.compile(rf"\b{scheme}\b"))


async def test_phone_shows_everything_without_sideways_scrolling(browser, chat_stack):
    size = {"width": 360, "height": 740}
    async with open_page(browser, chat_stack.app.url, viewport=size) as (page, _):
        await expect(page.locator("#starters")).to_be_visible(timeout=ANSWER_TIMEOUT)
        await ask(page, "Is my chat private?")
        await expect(page.locator(".answer-note-facts")).to_be_visible(timeout=ANSWER_TIMEOUT)
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(overflow) == 0


async def test_error_shows_a_remedy_and_a_button_instead_of_a_stack_trace(browser):
    with start_chat_app("http://127.0.0.1:9") as app:
        async with open_page(browser, app.url) as (page, record):
            await expect(page.locator("#starters")).to_be_visible(timeout=ANSWER_TIMEOUT)
            await ask(page, "Hello")
            answer = answers(page).first
            await expect(answer).to_contain_text("does not answer (connection refused)")
            await expect(answer).to_contain_text("docker compose up -d gateway")
            await page.get_by_role("button", name="Try again").click()
            # The question is not asked twice on the page; its answer is replaced.
            await expect(answers(page)).to_have_count(1)
            await expect(answers(page).first).to_contain_text("does not answer")
            assert "Traceback" not in await page.inner_text("body")
            assert record.errors == []
