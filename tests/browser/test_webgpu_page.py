"""The WebGPU page as a whole: its parts, what it says of the browser, what it says of faults."""

import re
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from support.browser import ARGUMENTS, chromium, open_page
from support.edge import serve_edge
from support.webgpu import ROOT

# A software adapter compiles the model's shaders for as long as a busy machine lets it.
PATIENCE = 120_000
PARTS = ("digits", "chat", "backends")
CLEAR = "rgba(255, 255, 255, 0)"

REPORT_VIOLATIONS = """
  addEventListener('securitypolicyviolation', (event) =>
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
"""


@asynccontextmanager
async def visit(browser: Browser, origin: str, path: str = "/", **context):
    """Open the page; at the end nothing was asked of anyone else and nothing complained of."""
    async with open_page(browser, "about:blank", **context) as (page, record):
        await page.add_init_script(REPORT_VIOLATIONS)
        await page.goto(origin + path)
        await expect(page.locator("#capabilities")).not_to_have_attribute("aria-busy", "true")
        yield page
        record.requests.remove("about:blank") if "about:blank" in record.requests else None
        assert record.foreign(origin) == [], "the page asks no other address"
        assert record.errors == [], "and the console shows no error"


@pytest.fixture(params=["webgpu", "wasm"])
def backend(request) -> str:
    """Once where the browser has WebGPU, once where it has none."""
    return request.param


@pytest.fixture
def either_browser(backend, browser, gpu_browser) -> Browser:
    return {"webgpu": gpu_browser, "wasm": browser}[backend]


def fact(page: Page, name: str):
    return page.locator("#facts div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def choice(page: Page, backend: str):
    return page.locator(f"#backend-choice input[value={backend}]")


async def measured(page: Page) -> None:
    await page.get_by_role("button", name="Measure both").click()
    await expect(page.get_by_role("button", name="Measure again")).to_be_visible(timeout=PATIENCE)


# ---- What this browser has ---------------------------------------------------------------------


async def test_software_adapter_is_called_one_and_wasm_used_instead(gpu_browser, webgpu_page):
    async with visit(gpu_browser, webgpu_page.url) as page:
        await expect(page.locator("#badge")).to_have_text("WASM, because the GPU here is software")
        await expect(fact(page, "Adapter")).to_have_text(re.compile("swiftshader"))
        await expect(fact(page, "Isolated")).to_have_text("yes")
        await page.get_by_text("Why, and what to do").click()
        await expect(page.locator("#badge-detail")).to_contain_text("hardware acceleration")


async def test_software_adapter_runs_webgpu_for_whoever_chooses_it(gpu_browser, webgpu_page):
    async with visit(gpu_browser, webgpu_page.url, "/?backend=webgpu") as page:
        await expect(page.locator("#badge")).to_have_text("WebGPU on a software adapter")
        await expect(choice(page, "webgpu")).to_be_checked()


async def test_browser_without_webgpu_gets_wasm_and_is_told_so(browser, webgpu_page):
    async with visit(browser, webgpu_page.url, "/?backend=webgpu") as page:
        await expect(page.locator("#badge")).to_have_text(
            "WASM, because this browser has no WebGPU"
        )
        await expect(choice(page, "webgpu")).to_be_disabled()
        await expect(choice(page, "wasm")).to_be_checked()
        await page.get_by_text("Why, and what to do").click()
        await expect(page.locator("#badge-detail")).to_contain_text("The link asks for WebGPU")


async def test_plain_http_from_another_machine_says_why_and_what_helps(webgpu_page, tmp_path):
    name = "models.example"
    arguments = [*ARGUMENTS, f"--host-resolver-rules=MAP {name} 127.0.0.1"]
    real = {"webgpu-static": webgpu_page.url.removeprefix("http://")}
    with serve_edge(tmp_path, real=real, ALLOWED_HOSTS=name) as edge:
        origin = f"http://{name}:{edge.ports['webgpu-static']}"
        await is_told_that_the_context_is_insecure(origin, arguments)


async def is_told_that_the_context_is_insecure(origin: str, arguments: list[str]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        async with open_page(browser, origin) as (page, _):
            await expect(page.locator("#badge")).to_have_text(
                "WASM, because this is not a secure context"
            )
            await expect(page.locator("#badge-detail")).to_be_visible()
            await expect(page.locator("#badge-detail")).to_contain_text("localhost")
            await expect(page.locator("#badge-detail")).to_contain_text("HTTPS")
            there = urlsplit(origin)
            tunnel = f"ssh -L {there.port}:localhost:{there.port} {there.hostname}, as"
            await expect(page.locator("#badge-detail")).to_contain_text(tunnel)
            [named] = re.findall(
                r"“(.*)” in ([\w./]+)\.", await page.locator("#badge-detail").inner_text()
            )
            assert f"**{named[0]}.**" in (ROOT / named[1]).read_text()
            await expect(fact(page, "Isolated")).to_have_text("no")
        await browser.close()


# ---- The parts ---------------------------------------------------------------------------------


async def test_all_parts_open_without_a_complaint_or_a_foreign_request(
    either_browser, backend, webgpu_page
):
    async with visit(either_browser, webgpu_page.url, f"/?backend={backend}") as page:
        for part in PARTS:
            await page.get_by_role("tab", name=part.capitalize()).click()
            section = page.locator(f"#{part}")
            await expect(section).not_to_have_attribute("aria-busy", "true", timeout=PATIENCE)
            await expect(section.get_by_role("heading").first).to_be_visible()
            await expect(page).to_have_url(re.compile(rf"#{part}$"))
        await expect(page.locator(".notice")).to_have_count(0)


async def test_tabs_follow_the_arrow_keys_the_address_and_the_way_back(browser, webgpu_page):
    async with visit(browser, webgpu_page.url, "/#backends") as page:
        selected = page.get_by_role("tab", selected=True)
        await expect(selected).to_have_text("Backends")
        await selected.focus()
        await page.keyboard.press("ArrowRight")
        await expect(selected).to_have_text("Digits")
        await expect(selected).to_be_focused()
        await expect(page.get_by_role("tabpanel")).to_have_count(1)
        await expect(page.get_by_role("tabpanel")).to_have_attribute("id", "digits")
        await page.go_back()
        await expect(selected).to_have_text("Backends")
        assert "Backends" in await page.title()


@pytest.mark.parametrize("part", PARTS)
async def test_nothing_sticks_out_on_a_phone(browser, webgpu_page, part):
    viewport = {"width": 360, "height": 740}
    async with visit(browser, webgpu_page.url, f"/#{part}", viewport=viewport) as page:
        await expect(page.locator(f"#{part}").get_by_role("heading").first).to_be_visible()
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"]


# ---- Backends ----------------------------------------------------------------------------------


async def test_choice_of_backend_is_in_the_address_and_survives_a_reload(gpu_browser, webgpu_page):
    async with visit(gpu_browser, webgpu_page.url, "/?backend=webgpu#backends") as page:
        await expect(page.get_by_role("button", name="Use WASM")).to_be_enabled()
        await choice(page, "wasm").check()
        await expect(page).to_have_url(re.compile(r"\?backend=wasm#backends$"))
        await expect(page.locator("#badge")).to_have_text("WASM, as chosen")
        await page.reload()
        await expect(page.locator("#badge")).to_have_text("WASM, as chosen")
        await page.get_by_role("button", name="Use WebGPU").click()
        await expect(page).to_have_url(re.compile(r"\?backend=webgpu#backends$"))
        await expect(choice(page, "webgpu")).to_be_checked()


async def test_both_backends_are_measured_and_shown_as_figures_and_as_a_chart(
    gpu_browser, webgpu_page
):
    async with visit(gpu_browser, webgpu_page.url, "/#backends") as page:
        await measured(page)
        for name in ("webgpu", "wasm"):
            cells = page.locator(f"tr[data-backend={name}] [data-figure]")
            texts = await cells.all_inner_texts()
            assert len(texts) == 5
            assert all(re.fullmatch(r"\d+(\.\d+)? m?s", text) for text in texts[:4]), texts
            assert int(texts[4]) >= 1
        chart = page.get_by_role("img", name=re.compile("WebGPU: Load .* WASM: Load "))
        await expect(chart).to_be_visible()
        await expect(chart.locator("rect")).to_have_count(8)
        await expect(page.locator(".backends-summary")).to_contain_text("software adapter")


async def test_without_webgpu_only_wasm_is_measured(browser, webgpu_page):
    async with visit(browser, webgpu_page.url, "/#backends") as page:
        await measured(page)
        await expect(page.locator("tr[data-backend=webgpu] [data-figure]").first).to_have_text(
            "\u2013"
        )
        await expect(page.locator("tr[data-note=webgpu]")).to_contain_text("No GPU adapter")
        await expect(page.locator(".chart rect")).to_have_count(4)


async def test_runtime_never_enters_the_pages_own_thread(browser, webgpu_page):
    async with visit(browser, webgpu_page.url, "/#backends") as page:
        await measured(page)
        loaded = await page.evaluate(
            "performance.getEntriesByType('resource').map((entry) => entry.name)"
        )
        assert loaded
        assert not [name for name in loaded if "onnxruntime-web" in name]


# ---- Faults ------------------------------------------------------------------------------------


async def test_model_that_cannot_be_fetched_is_said_and_can_be_tried_again(browser, webgpu_page):
    async with open_page(browser, "about:blank") as (page, _):
        await page.context.route("**/digits.onnx", lambda route: route.fulfill(status=404))
        await page.goto(f"{webgpu_page.url}/#backends")
        await page.get_by_role("button", name="Measure both").click()
        notice = page.locator(".notice")
        await expect(notice).to_contain_text("digits.onnx", timeout=PATIENCE)
        await expect(notice).to_contain_text("server still answers, then try again")
        await page.context.unroute("**/digits.onnx")
        await notice.get_by_role("button", name="Try again").click()
        await expect(page.locator(".chart rect").first).to_be_visible(timeout=PATIENCE)
        await expect(notice).to_have_count(0)


async def test_part_that_cannot_be_opened_leaves_the_others_alone(browser, webgpu_page):
    async with open_page(browser, "about:blank") as (page, _):
        await page.context.route("**/backends.css", lambda route: route.abort())
        await page.goto(f"{webgpu_page.url}/#backends")
        failed = page.locator("#backends .failed")
        await expect(failed).to_contain_text("could not be opened")
        await page.get_by_role("tab", name="Digits").click()
        await expect(page.locator("#digits").get_by_role("heading").first).to_be_visible()
        await page.context.unroute("**/backends.css")
        await page.get_by_role("tab", name="Backends").click()
        await failed.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("button", name="Measure both")).to_be_visible()


@pytest.mark.parametrize(
    "fault",
    [
        "setTimeout(() => { throw new Error('The cat sat on it.'); })",
        "void Promise.reject(new Error('The cat sat on it.'))",
    ],
)
async def test_what_nobody_foresaw_is_in_sight_too(browser, webgpu_page, fault):
    async with open_page(browser, webgpu_page.url) as (page, _):
        await expect(page.locator("#capabilities")).not_to_have_attribute("aria-busy", "true")
        await page.evaluate(f"() => {{ {fault}; }}")
        notice = page.get_by_role("alert").locator(".notice")
        await expect(notice).to_contain_text("The cat sat on it.")
        await notice.get_by_role("button", name="Dismiss").click()
        await expect(notice).to_have_count(0)


async def test_high_contrast_shows_what_is_chosen(browser, webgpu_page_alone):
    ground = "one => getComputedStyle(one).backgroundColor"
    async with open_page(browser, webgpu_page_alone.url, forced_colors="active") as (page, _):
        await expect(page.locator("#capabilities")).not_to_have_attribute("aria-busy", "true")
        canvas = await page.locator("html").evaluate(ground)
        for shown, chosen in (
            ("#tab-digits", True),
            ("#tab-chat", False),
            ("#backend-choice [value=wasm] + span", True),
            ("#backend-choice [value=webgpu] + span", False),
        ):
            found = await page.locator(shown).evaluate(ground)
            assert (found not in {canvas, CLEAR}) == chosen, (shown, found)


async def test_page_whose_scripts_do_not_come_says_so(browser, webgpu_page_alone):
    async with open_page(browser, "about:blank") as (page, _):
        await page.context.route("**/shared/errors.js", lambda route: route.abort())
        await page.goto(webgpu_page_alone.url)
        late = page.get_by_text("This page has not started")
        await expect(late).to_be_hidden()
        await page.evaluate("document.getAnimations().forEach((one) => one.finish())")
        await expect(late).to_be_visible()
        await page.context.unroute_all()
        await page.reload()
        await expect(page.locator("#capabilities")).not_to_have_attribute("aria-busy", "true")
        await expect(late).to_have_count(0)


async def test_page_without_scripts_says_what_it_needs_and_looks_at_nothing(
    browser, webgpu_page_alone
):
    url = webgpu_page_alone.url
    async with open_page(browser, url, java_script_enabled=False) as (page, _):
        shown = await page.inner_text("body")
        assert "needs JavaScript" in shown
        assert "Looking at this browser" not in shown


async def test_page_works_where_no_gateway_answers(browser, webgpu_page_alone):
    async with visit(browser, webgpu_page_alone.url, "/#backends") as page:
        await measured(page)


LOSES_THE_GPU = """
const requestDevice = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (given) {
  const device = await requestDevice.call(this, given);
  const lost = new Promise((resolve) => addEventListener('message', ({data}) =>
    data.method === 'measure' && resolve({reason: 'unknown', message: 'the driver restarted'})));
  Object.defineProperty(device, 'lost', {get: () => lost});
  return device;
};
"""


async def test_gpu_that_goes_away_is_said_and_wasm_remains(gpu_browser, webgpu_page):
    async def lose(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=LOSES_THE_GPU + await answer.text())

    async with open_page(gpu_browser, f"{webgpu_page.url}/#backends") as (page, record):
        await page.context.route("**/inference-worker.js", lose)
        await page.get_by_role("button", name="Measure both").click()
        notice = page.locator(".notice")
        await expect(notice).to_contain_text(
            "The GPU went away while it was measured: the driver restarted.", timeout=PATIENCE
        )
        await expect(notice).to_contain_text("choose WASM")
        await expect(page.get_by_role("button", name="Measure again")).to_be_enabled()
        await expect(choice(page, "wasm")).to_be_enabled()
        assert record.errors == []
