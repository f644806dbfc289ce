"""What a browser lacks, or lies about, never costs more than the part that needs it.

Each test alters one thing of a real browser, on the page's thread and in its workers, because no
installed browser lacks it; the rest of that browser is as it is.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, Route, expect

from support.browser import open_page

PATIENCE = 90_000
WORKERS = re.compile(r"/(worker|inference-worker)\.js$")
SOFTWARE = "WASM, because the GPU here is software"
NO_WEBGPU = "WASM, because this browser has no WebGPU"
NO_MODEL = "No model runs in this browser"


@asynccontextmanager
async def altered(browser: Browser, origin: str, script: str, path: str = "/"):
    """The page in a browser that ``script`` has changed before anything of the page ran."""

    async def alter(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=f"{{{script}}}\n{await answer.text()}")

    async with open_page(browser, "about:blank") as (page, record):
        await page.add_init_script(f"{{{script}}}")
        await page.context.route(WORKERS, alter)
        await page.goto(origin + path)
        yield page
        assert record.errors == [], "nothing fails unsaid"


async def recognises_a_digit(page: Page) -> None:
    await page.get_by_role("button", name="Draw a 3").click(timeout=PATIENCE)
    await expect(page.locator(".digits-answer-digit")).to_have_text("3", timeout=PATIENCE)


@dataclass(frozen=True)
class Lack:
    """What is altered, and how; what the page then says."""

    what: str
    script: str
    badge: str = SOFTWARE
    detail: str = ""


ADAPTER = "const adapter = globalThis.GPUAdapter?.prototype;"


def absent(owner: str, name: str) -> str:
    return f"Object.defineProperty({owner}, '{name}', {{ get: () => undefined }});"


def throwing(owner: str, name: str) -> str:
    thrown = f"throw new DOMException('{name} is barred', 'SecurityError')"
    return f"Object.defineProperty({owner}, '{name}', {{ get: () => {{ {thrown}; }} }});"


def request_adapter(body: str) -> str:
    return f"if (globalThis.GPU) GPU.prototype.requestAdapter = () => {body};"


LACKS = (
    Lack(
        "adapter.info, as Chromium 113 to 126",
        ADAPTER
        + "if (adapter) adapter.requestAdapterInfo = () =>"
        + " Promise.resolve({ vendor: 'google', architecture: 'swiftshader' });"
        + absent("adapter", "info"),
    ),
    Lack("adapter.info", ADAPTER + absent("adapter", "info"), "WebGPU on hardware"),
    Lack("a readable adapter.info", ADAPTER + throwing("adapter", "info"), "WebGPU on hardware"),
    Lack("the old flag of a fallback", ADAPTER + absent("adapter", "isFallbackAdapter")),
    Lack(
        "the new flag of a fallback, with the old one in place",
        "const info = globalThis.GPUAdapterInfo?.prototype;"
        "for (const name of ['vendor', 'architecture', 'device', 'description'])"
        " Object.defineProperty(info, name, { get: () => '' });"
        + absent("info", "isFallbackAdapter")
        + ADAPTER
        + "Object.defineProperty(adapter, 'isFallbackAdapter', { get: () => true });",
    ),
    Lack("limits", ADAPTER + absent("adapter", "limits")),
    Lack("features", ADAPTER + absent("adapter", "features")),
    Lack(
        "navigator.gpu",
        absent("navigator", "gpu"),
        NO_WEBGPU,
        "This browser has no WebGPU.",
    ),
    Lack(
        "a readable navigator.gpu",
        throwing("navigator", "gpu"),
        NO_WEBGPU,
        "this browser said: gpu is barred.",
    ),
    Lack(
        "an adapter",
        request_adapter("Promise.resolve(null)"),
        NO_WEBGPU,
        "No GPU adapter answers here.",
    ),
    Lack(
        "a requestAdapter that works",
        request_adapter("Promise.reject(new Error('blocklisted'))"),
        NO_WEBGPU,
        "this browser said: blocklisted.",
    ),
    Lack(
        "a requestAdapter that does not throw",
        request_adapter("{ throw new TypeError('no GPU process') }"),
        NO_WEBGPU,
        "this browser said: no GPU process.",
    ),
    Lack(
        "a requestAdapter that answers",
        request_adapter("new Promise(() => {})"),
        NO_WEBGPU,
        "The GPU did not answer within 5 s.",
    ),
    Lack("isolation", absent("globalThis", "crossOriginIsolated")),
    Lack("SharedArrayBuffer", "delete globalThis.SharedArrayBuffer;"),
    Lack("a number of cores", absent("navigator", "hardwareConcurrency")),
    Lack("localStorage", throwing("globalThis", "localStorage")),
    Lack("caches", throwing("globalThis", "caches")),
    Lack("navigator.storage", absent("navigator", "storage")),
    Lack("matchMedia", "delete globalThis.matchMedia;"),
)


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: lack.what)
async def test_digit_is_recognised_by_a_browser_without(gpu_browser, webgpu_page_alone, lack):
    # The backend is named: one that hides what it is would else be asked for WebGPU.
    query = "/?backend=wasm" if lack.badge == "WebGPU on hardware" else "/"
    async with altered(gpu_browser, webgpu_page_alone.url, lack.script, query) as page:
        badge = "WASM, as chosen" if query != "/" else lack.badge
        await expect(page.locator("#badge")).to_have_text(badge, timeout=PATIENCE)
        await expect(page.locator("#badge-detail")).to_contain_text(lack.detail)
        await recognises_a_digit(page)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param(
            "delete globalThis.WebAssembly;",
            "This browser does not run WebAssembly.",
            id="absent",
        ),
        pytest.param(
            "WebAssembly.validate = () => false;",
            "This browser refuses to run WebAssembly.",
            id="refused",
        ),
        pytest.param(
            "const real = WebAssembly.validate;"
            "WebAssembly.validate = (bytes) => bytes.length < 9 && real.call(WebAssembly, bytes);",
            "WebAssembly here lacks SIMD, which the models need.",
            id="without SIMD",
        ),
    ],
)
async def test_browser_that_runs_no_model_is_told_why_and_what_to_use(
    gpu_browser, webgpu_page_alone, script, said
):
    async with altered(gpu_browser, webgpu_page_alone.url, script) as page:
        await expect(page.locator("#badge")).to_have_text(NO_MODEL)
        await expect(page.locator("#badge-detail")).to_contain_text(f"{said} Use a current Chrome")
        await expect(page.locator(".notice")).to_contain_text(said)
        await expect(page.get_by_role("heading", name="Draw a digit")).to_be_visible()


async def test_page_without_its_isolating_headers_recognises_with_one_thread(
    browser, webgpu_page_alone
):
    async def strip(route: Route) -> None:
        answer = await route.fetch()
        kept = {k: v for k, v in answer.headers.items() if not k.startswith("cross-origin-")}
        await route.fulfill(response=answer, headers=kept)

    async with open_page(browser, "about:blank") as (page, _):
        await page.context.route(f"{webgpu_page_alone.url}/", strip)
        await page.goto(f"{webgpu_page_alone.url}/")
        threads = page.locator("#facts div").filter(has_text="Threads").locator("dd")
        await expect(threads).to_have_text("1")
        await recognises_a_digit(page)


# ---- A GPU that is there and fails ------------------------------------------------------------


def request_device(body: str) -> str:
    """Only in a worker: that is where a device is asked for."""
    return f"""
if (!globalThis.document && globalThis.GPUAdapter) {{
  const request = GPUAdapter.prototype.requestDevice;
  let asked = 0;
  GPUAdapter.prototype.requestDevice = async function (...given) {{ asked += 1; {body} }};
}}"""


def lost_at(method: str) -> str:
    """A device that is lost when the worker is asked for ``method``."""
    return request_device(f"""
    const device = await request.apply(this, given);
    const lost = new Promise((resolve) => addEventListener('message', ({{ data }}) => {{
      if (asked > 1 && data.method === '{method}')
        resolve({{ reason: 'unknown', message: 'the driver restarted' }});
    }}));
    Object.defineProperty(device, 'lost', {{ get: () => lost }});
    return device;""")


DEVICE_FAULTS = (
    pytest.param(
        request_device("throw new Error('the driver is gone');"),
        "the driver is gone",
        id="refused",
    ),
    pytest.param(
        request_device("return new Promise(() => {});"),
        "The GPU gave no device within 5 s.",
        id="never given",
    ),
    pytest.param(lost_at("run"), "the driver restarted", id="lost at a run"),
)


@pytest.mark.parametrize(("script", "said"), DEVICE_FAULTS)
async def test_digit_is_recognised_on_wasm_where_the_gpu_fails_and_webgpu_can_be_tried_again(
    gpu_browser, webgpu_page_alone, script, said
):
    async with altered(gpu_browser, webgpu_page_alone.url, script, "/?backend=webgpu") as page:
        await page.get_by_role("button", name="Draw a 3").click(timeout=PATIENCE)
        fallback = page.locator(".digits-fallback")
        await expect(fallback).to_contain_text(
            re.compile(f"WebGPU failed, so WASM answers.*{said}"), timeout=PATIENCE
        )
        await expect(page.locator(".digits-backend")).to_have_text("WASM")
        await expect(page.locator(".digits-answer-digit")).to_have_text("3", timeout=PATIENCE)
        await page.context.unroute(WORKERS)
        await fallback.get_by_role("button", name="Try WebGPU again").click()
        await expect(page.locator(".digits-backend")).to_have_text("WebGPU", timeout=PATIENCE)
        await expect(fallback).to_be_hidden()
        await recognises_a_digit(page)
