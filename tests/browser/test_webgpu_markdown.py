"""An answer's Markdown on the WebGPU page: what becomes of it, what never does, how it comes."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, Route, expect

from support.browser import open_page

PATIENCE = 60_000
OPEN = """async () => {
  const app = document.querySelector('script[type=module]').src;
  const { RichText, prepare } = await import(new URL('./chat/richtext.js', app).href);
  const { mended } = await import(new URL('./chat/unfinished.js', app).href);
  await prepare();
  const place = document.createElement('div');
  place.className = 'chat-text';
  document.querySelector('#chat').append(place);
  Object.assign(globalThis, { place, mended, RichText });
  globalThis.show = (text) => {
    const rich = new RichText(place, () => {});
    rich.append(text);
    rich.end();
    return place.innerHTML;
  };
}"""


@asynccontextmanager
async def rich_text(browser: Browser, origin: str):
    """The chat's own display of a text; nobody else may be asked, and nothing complain."""
    async with open_page(browser, f"{origin}/#chat") as (page, record):
        await expect(page.locator(".chat-half[data-half=browser]")).to_have_attribute(
            "data-backend", "wasm", timeout=PATIENCE
        )
        await page.evaluate(OPEN)
        yield page, record
        assert record.foreign(origin) == [], "the page asks no other address"
        assert record.errors == [], "and the console shows no error"


# ---- What becomes of it ------------------------------------------------------------------------

ADDRESS = "https://example.com/a"
ELEMENTS = {
    "**a** *b* ~~c~~ `d`": "<strong>a</strong> <em>b</em> <s>c</s> <code ",
    "# One\n### Three": '<h5 dir="auto">One</h5><h6 dir="auto">Three</h6>',
    "one\ntwo": "one<br>two",
    "text\n---": '<p dir="auto">text</p><hr>',
    "- a\n- b": '<li dir="auto">a</li><li dir="auto">b</li>',
    "3. c\n4. d": '<ol dir="auto" start="3">',
    "> said": "<blockquote ",
    "```py\nx = 1\n```": "<code>x = 1</code>",
    "|a|b|\n|:-:|-:|\n|1|2|": '<td dir="auto" data-align="right">2</td>',
    f"[here]({ADDRESS})": (
        f'<a href="{ADDRESS}" title="{ADDRESS}" target="_blank" rel="noopener noreferrer">here</a>'
    ),
    "Open http://localhost:3000.": ">http://localhost:3000</a>.",
    "![cat](https://example.com/c.png)": ">Picture: cat</a>",
    "[a][1]\n\n[1]: https://example.com/": '<a href="https://example.com/"',
}


async def test_markdown_becomes_these_elements(browser, webgpu_page_alone):
    async with rich_text(browser, webgpu_page_alone.url) as (page, _):
        for markdown, html in ELEMENTS.items():
            assert html in await page.evaluate("show", markdown), markdown


# ---- What never becomes of it ------------------------------------------------------------------

ATTACKS = (
    "<script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    "<svg onload=\"document.title = 'ran'\"></svg>",
    '<iframe srcdoc="<script>parent.document.title = 1</script>"></iframe>',
    "<style>body { display: none }</style>",
    '<p style="position:fixed;inset:0">over</p>',
    '<a href="https://evil.example" onclick="x()">a</a>',
    "<form action=https://evil.example><input name=a></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example>",
    "[a](javascript:document.title='ran')",
    "[a](JaVaScRiPt:document.title='ran')",
    "[a](java\tscript:document.title='ran')",
    "[a](&#106;avascript:document.title='ran')",
    "[a](&#x6A;&#x61;vascript&colon;document.title='ran')",
    "[a](<javascript:document.title='ran'>)",
    "[a](\x01javascript:document.title='ran')",
    "[a](%6Aavascript:document.title='ran')",
    "[a](vbscript:x)",
    "[a](data:text/html,<script>parent.document.title='ran'</script>)",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](file:///etc/passwd)",
    "[a](blob:https://evil.example/1)",
    "[a](//evil.example/x)",
    "[a](/v1/models)",
    "[a](#digits)",
    "<javascript:document.title='ran'>",
    "[a]\n\n[a]: javascript:document.title='ran'",
    "![a](https://evil.example/pixel.png)",
    "![a](javascript:document.title='ran')",
    "![a](data:image/svg+xml,<svg onload=x>)",
    '![a](https://evil.example/x "onerror=x")',
    "[![a](https://evil.example/p.png)](javascript:x)",
    '[a](https://example.com "\\" onmouseover=\\"x")',
    '[a](https://example.com"onmouseover=x)',
    "```html\n<script>document.title = 'ran'</script>\n```",
    '```"><img/src=x/onerror=x>\ncode\n```',
    "`<img src=x onerror=x>`",
    "# <img src=x onerror=x>",
    "|<img src=x onerror=x>|b|\n|-|-|\n|[a](javascript:x)|<script>x</script>|",
    "> - <details open ontoggle=x>[a](javascript:x)</details>",
    "<!--><img src=x onerror=x>-->",
    "<![CDATA[<img src=x onerror=x>]]>",
    "&lt;img src=x onerror=x&gt;",
    "[" * 2000 + "](javascript:x)",
    "> " * 500 + "<script>x</script>",
)
HARM = """() => [...place.querySelectorAll('*')].flatMap((element) => [
  ...(element.matches('script, img, svg, iframe, style, link, form, input, object, embed, meta,'
    + 'base, video, audio, details, template') ? [element.outerHTML] : []),
  ...[...element.attributes].filter(({ name, value }) =>
    name.startsWith('on') || name === 'style' || name === 'srcdoc'
    || (name === 'href' && !/^(https?|mailto):/.test(value)))
    .map(({ name, value }) => `${name}=${value}`),
])"""


async def test_nothing_of_an_answer_runs_or_is_loaded(browser, webgpu_page_alone):
    async with rich_text(browser, webgpu_page_alone.url) as (page, record):
        planted = "place.innerHTML = '<b style=x><a href=javascript:x></a></b>'"
        await page.evaluate(planted.replace(" style=x", ""))
        assert await page.evaluate(HARM) == ["href=javascript:x"], "harm is seen where there is any"
        title, asked = await page.title(), len(record.requests)
        for attack in ATTACKS:
            for text in (attack, attack[:-1], attack[: len(attack) // 2]):
                await page.evaluate("(text) => show(mended(text))", text)
                assert await page.evaluate(HARM) == [], text
            await page.evaluate("show", attack)
            assert await page.evaluate(HARM) == [], attack
        assert await page.title() == title
        # The page itself looks for Foundry Local again, as long as it does not answer.
        own = f"{webgpu_page_alone.url}/gateway/status"
        assert [url for url in record.requests[asked:] if url != own] == []


# ---- How it comes ------------------------------------------------------------------------------

LONG = (
    "## Part\n\nSome **bold** text with `code` and [a link](https://example.com/).\n\n"
    "- one\n- two\n\n```js\nconst a = 1;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
)
STREAM = """async ({ text, size }) => {
  place.replaceChildren();
  let frames = 0, drawn = 0, going = true, kept = null;
  const count = () => { frames += 1; if (going) requestAnimationFrame(count); };
  requestAnimationFrame(count);
  const growing = new RichText(place, () => (drawn += 1));
  for (let at = 0, piece = 0; at < text.length; at += size, piece += 1) {
    growing.append(text.slice(at, at + size));
    if (piece % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
    if (place.children.length > 3) kept ??= place.firstElementChild;
  }
  going = false;
  const before = drawn;
  growing.end();
  const shown = place.innerHTML;
  const same = kept === null || kept === place.firstElementChild;
  return { frames, drawn: before, same, equal: shown === show(text) };
}"""


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(LONG, id="many blocks"),
        pytest.param("- item **b** `c`\n", id="one list"),
        pytest.param("word *it* ", id="one paragraph"),
        pytest.param("x = [1](2) + `a`\n", id="one paragraph of lines"),
        pytest.param("[", id="one mark"),
    ],
)
async def test_long_answer_is_drawn_once_a_frame_at_most_and_finished_blocks_stay(
    browser, webgpu_page_alone, piece
):
    text = piece * (20_000 // len(piece))
    async with rich_text(browser, webgpu_page_alone.url) as (page, _):
        found = await page.evaluate(STREAM, {"text": text, "size": 4})
    assert 0 < found["drawn"] <= found["frames"] + 1
    assert found["same"], "the first block is the element that it was"
    assert found["equal"], "and at the end all is as if it had come at once"


async def answered_by(page: Page, text: str) -> None:
    """Foundry Local answers this: its demo model writes no Markdown."""
    foundry = {"state": "loaded", "context_length": 4096, "default": True, "demo": False}
    models = [{"id": "m", "foundry": foundry}]
    status = {"status": "ok", "upstreams": [], "models": models, "last_error": None}

    async def chat(route: Route) -> None:
        chunks = [{"choices": [{"delta": {"content": part}}]} for part in text]
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
        await route.fulfill(content_type="text/event-stream", body=f"{body}data: [DONE]\n\n")

    await page.context.route("**/gateway/status", lambda route: route.fulfill(json=status))
    await page.context.route("**/v1/chat/completions", chat)


@asynccontextmanager
async def answered(browser: Browser, origin: str, text: str, *, reader: bool = True):
    """A question put on the chat, and Foundry Local's half of the answer."""
    granted = {"permissions": ["clipboard-read", "clipboard-write"]}
    async with open_page(browser, "about:blank", **granted) as (page, _):
        if not reader:
            await page.context.route("**/markdown-it.esm.min.mjs", lambda route: route.abort())
        await answered_by(page, text)
        await page.goto(f"{origin}/#chat")
        await page.get_by_label("Your question").fill("How?")
        await page.get_by_label("Your question").press("Enter")
        answer = page.locator(".chat-answer[data-half=foundry]")
        await expect(answer).to_have_attribute("data-state", "done", timeout=PATIENCE)
        yield answer


async def test_answer_of_foundry_local_is_formatted_and_its_code_can_be_copied(
    browser, webgpu_page_alone
):
    text = "Use **this**:\n\n```sh\nls *.py\n```\n"
    async with answered(browser, webgpu_page_alone.url, text) as answer:
        await expect(answer.locator("strong")).to_have_text("this")
        await answer.get_by_role("button", name="Copy").click()
        await expect(answer.get_by_role("button", name="Copied")).to_be_visible()
        assert await answer.page.evaluate("navigator.clipboard.readText()") == "ls *.py"


async def test_wide_code_and_tables_scroll_by_themselves_on_a_phone(browser, webgpu_page_alone):
    wide = "x" * 400
    table = "|" + "wide heading|" * 20 + "\n|" + "-|" * 20
    text = f"```\n{wide}\n```\n\n{table}\n\n{wide}"
    async with answered(browser, webgpu_page_alone.url, text) as answer:
        await answer.page.set_viewport_size({"width": 360, "height": 740})
        assert await answer.page.evaluate("document.documentElement.scrollWidth") <= 360
        for scrolled in await answer.locator(".chat-scrolled").all():
            await scrolled.focus()  # by the keyboard, too
            await expect(scrolled).to_be_focused()


async def test_without_its_reader_an_answer_comes_as_it_was_written(browser, webgpu_page_alone):
    text = "Use **this**,\nplease."
    async with answered(browser, webgpu_page_alone.url, text, reader=False) as answer:
        assert await answer.locator(".chat-text").inner_text() == text
