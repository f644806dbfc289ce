"""A page of another site, open in a browser on this machine, gets nothing and moves nothing.

The browser is told to let pages reach local addresses, so that only the stack's own rules hold it.
"""

import http.server
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from support.attack import port_of
from support.browser import ARGUMENTS, chromium
from support.stack import PROJECT, RunningStack, get

PAGE = Path(__file__).with_name("foreign_page.html")
FOREIGN = "evil.example"
LET_PAGES_REACH_LOCAL_ADDRESSES = (
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,"
    "PrivateNetworkAccessSendPreflights,PrivateNetworkAccessRespectPreflightResults"
)
INNER_PORTS = {"gateway": 8000, "healthcheck": 9180, "foundry-local": 51211, "edge": 8080}


@pytest.fixture(scope="module")
def foreign_port() -> Iterator[int]:
    """Serves the foreign page, under whatever name it is called."""
    page = PAGE.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def permissive() -> AsyncIterator[Browser]:
    """A browser for which the foreign name is this machine, as after DNS rebinding."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                *ARGUMENTS,
                f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1",
                LET_PAGES_REACH_LOCAL_ADDRESSES,
            ],
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(
    scope="module", loop_scope="session", params=[FOREIGN, "localhost"], ids=["site", "port"]
)
async def page(
    request: pytest.FixtureRequest, permissive: Browser, foreign_port: int
) -> AsyncIterator[Page]:
    """The foreign page: of another site, or of this machine at another port (same-site)."""
    profile = await permissive.new_context()
    page = await profile.new_page()
    await page.goto(f"http://{request.param}:{foreign_port}/")
    yield page
    await profile.close()


def answers_given(stack: RunningStack) -> float:
    """How many answers the model has given to anybody but the probe's own schedule."""
    text = get(f"{stack.gateway}/metrics").body.decode()
    pattern = (
        r'gen_ai_client_operation_duration_seconds_count\{[^}]*client="(?!healthcheck)[^}]*\} '
    )
    return sum(float(line.rsplit(" ", 1)[1]) for line in re.findall(rf"(?m)^{pattern}.*$", text))


def inner_addresses(stack: RunningStack) -> dict[str, str]:
    """The addresses of the services on every network, as the host could reach them."""
    found = {}
    for service, port in INNER_PORTS.items():
        networks = stack.inspect(service)["NetworkSettings"]["Networks"]
        for name, network in networks.items():
            label = f"{service} on {name.removeprefix(PROJECT + '_')}"
            found[label] = f"http://{network['IPAddress']}:{port}"
    return found


@pytest.mark.parametrize(
    "address", ["gateway", "webgpu", "chat", "open_webui", "healthcheck", "prometheus"]
)
async def test_a_published_port_gives_a_foreign_page_nothing(
    stack: RunningStack, page: Page, address: str
):
    before = answers_given(stack)
    seen = await page.evaluate("base => attempt(base)", getattr(stack, address))
    assert seen == []
    assert answers_given(stack) == before, "the model has worked for a foreign page"


async def test_nor_does_any_container_address(stack: RunningStack, page: Page):
    before = answers_given(stack)
    for label, base in inner_addresses(stack).items():
        seen = await page.evaluate("base => attempt(base)", base)
        assert seen == [], label
    assert answers_given(stack) == before, "the model has worked for a foreign page"
    assert stack.ask("Hello!").status == 200, "Foundry Local is still there"


@pytest.mark.parametrize(
    "address", ["gateway", "webgpu", "chat", "open_webui", "healthcheck", "prometheus"]
)
async def test_a_name_made_to_mean_this_machine_is_refused(
    stack: RunningStack, permissive: Browser, address: str
):
    port = port_of(getattr(stack, address))
    profile = await permissive.new_context()
    try:
        page = await profile.new_page()
        for path in ("/", "/status", "/v1/models", "/api/status"):
            answer = await page.goto(f"http://{FOREIGN}:{port}{path}")
            assert answer is not None
            assert answer.status == 421, path
    finally:
        await profile.close()


async def test_the_page_itself_would_have_worked(page: Page, stack: RunningStack):
    """The same attempts against a server that checks nothing: they do read and reach it."""
    seen: list[str] = []

    class Careless(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer()

        def answer(self) -> None:
            seen.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        got = await page.evaluate("base => attempt(base)", f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert ["read /status", "hello"] in json.loads(json.dumps(got))
    assert "POST /shutdown" in seen
    assert any(line.startswith("GET /probe") for line in seen)
