"""How nginx serves the page: headers, caching, compression, and who may ask for what."""

import asyncio
import http.client
import json
import re
import socket
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from support.edge import read_answer
from support.fake_foundry import ALIAS, FakeFoundry, stream_forever
from support.webgpu import Page, serve_page

WASM = "ort-wasm-simd-threaded.asyncify.wasm"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> dict[str, str]:
        return json.loads(self.body)["error"]


def ask(page: Page, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
    address = urllib.parse.urlsplit(page.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body or None, headers=named)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def asset(page: Page, ending: str) -> str:
    found = [path for path in (page.www / "plain").rglob("*") if path.as_posix().endswith(ending)]
    assert len(found) == 1, f"{ending}: {found}"
    return "/" + found[0].relative_to(page.www / "plain").as_posix()


@pytest.mark.parametrize("path", ["/", "/health", "/nothing", "/v1/models", "/assets/nothing.js"])
def test_every_answer_is_isolated_and_may_load_only_its_own(webgpu_page_alone: Page, path: str):
    headers = ask(webgpu_page_alone, path).headers
    assert headers.get_all("Cross-Origin-Opener-Policy") == ["same-origin"]
    assert headers.get_all("Cross-Origin-Embedder-Policy") == ["require-corp"]
    policy = headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-DNS-Prefetch-Control"] == "off"


def test_page_is_asked_about_each_time_and_comes_again_only_when_it_changed(
    webgpu_page_alone: Page,
):
    first = ask(webgpu_page_alone, "/", Accept_Encoding="gzip")
    assert first.status == 200
    assert first.headers["Content-Type"] == "text/html; charset=utf-8"
    assert first.headers["Cache-Control"] == "no-cache"
    again = ask(webgpu_page_alone, "/", Accept_Encoding="gzip", If_None_Match=first.headers["ETag"])
    assert again.status == 304
    assert again.body == b""


def test_everything_the_page_names_is_below_a_versioned_folder(webgpu_page_alone: Page):
    html = ask(webgpu_page_alone, "/").body.decode()
    named = re.findall(r'(?:src|href)="([^"#][^"]*)"', html)
    assert len(named) >= 4
    for path in named:
        assert re.match(r"/assets/page-[0-9a-f]{12}/", path), path
        answer = ask(webgpu_page_alone, path)
        assert answer.status == 200, path
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [
        (WASM, "application/wasm"),
        ("ort.webgpu.bundle.min.mjs", "text/javascript"),
        ("app.js", "text/javascript"),
        ("app.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
        ("digits.onnx", "application/octet-stream"),
    ],
)
def test_media_types_are_right(webgpu_page_alone: Page, ending: str, media_type: str):
    answer = ask(webgpu_page_alone, asset(webgpu_page_alone, ending), method="HEAD")
    assert answer.headers["Content-Type"].partition(";")[0] == media_type


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br", "br"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("gzip, deflate", "gzip"),
        ("brotli", None),
        ("", None),
    ],
)
def test_runtime_comes_as_small_as_the_browser_takes_it(
    webgpu_page_alone: Page, accepts: str, encoding: str | None
):
    path = asset(webgpu_page_alone, WASM)
    answer = ask(webgpu_page_alone, path, method="HEAD", Accept_Encoding=accepts)
    assert answer.headers["Content-Encoding"] == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    at_most = {"br": 5e6, "gzip": 7e6, None: 30e6}[encoding]
    assert int(answer.headers["Content-Length"]) < at_most


def test_what_is_not_there_is_neither_cached_nor_called_compressed(webgpu_page_alone: Page):
    answer = ask(webgpu_page_alone, "/assets/gone/app.js", Accept_Encoding="br")
    assert answer.status == 404
    assert answer.headers["Cache-Control"] is None
    assert answer.headers["Content-Encoding"] is None
    assert answer.error["code"] == "not_found"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/v1/models", "/gateway/status"])
def test_pages_of_other_sites_are_refused(webgpu_page_alone: Page, path: str, headers: dict):
    answer = ask(webgpu_page_alone, path, **headers)
    assert answer.status == 403
    assert answer.error["code"] == "foreign_origin"


def error_is_whole(answer: Answer, code: str) -> bool:
    """Whether it is the error of an API route, and names this code."""
    error = answer.error
    assert set(error) == {"message", "problem", "type", "param", "code", "cause", "remedy"}
    assert error["message"] == f"{error['problem']} {error['remedy']}"
    return error["code"] == code


def question(page: Page, body: str = "{}", path: str = "/v1/chat/completions", **other) -> Answer:
    """What the page sends when it asks the model, with other header fields where given."""
    headers = {"Origin": page.url, "Content_Type": "application/json", **other}
    sent = {name: value for name, value in headers.items() if value is not None}
    return ask(page, path, method="POST", body=body, **sent)


def test_only_the_page_may_ask_the_model(webgpu_page_alone: Page):
    assert question(webgpu_page_alone).status == 503, "the page may, but there is no gateway"
    for origin in (None, "http://elsewhere.example", "null", webgpu_page_alone.url + "0"):
        answer = question(webgpu_page_alone, Origin=origin)
        assert answer.status == 403, origin
        assert error_is_whole(answer, "foreign_origin")


@pytest.mark.parametrize(
    "headers",
    [
        *({"Content_Type": kind} for kind in (None, "text/plain", "application/json2", "a/json")),
        {"Content_Type": "application/x-www-form-urlencoded"},
        *({"Content_Encoding": how} for how in ("gzip", "br", "zstd", "deflate", "gzip, gzip")),
    ],
)
def test_a_question_is_plain_json(webgpu_page_alone: Page, headers: dict):
    answer = question(webgpu_page_alone, **headers)
    assert answer.status == 415
    assert error_is_whole(answer, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_a_question_may_say_its_charset(webgpu_page_alone: Page, kind: str):
    assert question(webgpu_page_alone, Content_Type=kind).status == 503


def test_a_question_is_at_most_2_mib_and_the_answer_says_who_takes_more(webgpu_page_alone: Page):
    whole = 2 * 1024 * 1024
    assert question(webgpu_page_alone, body=" " * whole).status == 503
    answer = question(webgpu_page_alone, body=" " * (whole + 1))
    assert answer.status == 413
    assert error_is_whole(answer, "body_too_large")
    assert "gateway" in answer.error["remedy"]


@pytest.mark.parametrize("path", ["/v1/models?x=1", "/gateway/status?verbose"])
def test_a_query_string_is_refused(webgpu_page_alone: Page, path: str):
    answer = ask(webgpu_page_alone, path)
    assert answer.status == 400
    assert error_is_whole(answer, "bad_request")
    assert question(webgpu_page_alone, path="/v1/chat/completions?stream=1").status == 400


@pytest.mark.parametrize("path", ["/v1/models", "/gateway/status"])
def test_what_is_asked_for_takes_no_body(webgpu_page_alone: Page, path: str):
    assert ask(webgpu_page_alone, path, body="{}").status == 400


@pytest.mark.parametrize(
    "host",
    ["evil.example", "172.18.0.5:8080", "localhost.", "localhost.evil.example", "127.0.0.1.nip.io"],
)
@pytest.mark.parametrize("path", ["/", "/v1/models", "/gateway/status", "/health"])
def test_a_name_that_is_not_its_own_is_refused(webgpu_page_alone: Page, path: str, host: str):
    answer = ask(webgpu_page_alone, path, Host=host)
    assert answer.status == 421
    assert error_is_whole(answer, "unknown_host")


@pytest.mark.parametrize("host", ["webgpu-static:8080", "localhost", "127.0.0.1:8080", "[::1]:80"])
def test_its_own_names_are_served(webgpu_page_alone: Page, host: str):
    assert ask(webgpu_page_alone, "/", Host=host).status == 200


def test_behind_the_edge_its_page_is_known_by_the_name_that_the_edge_was_asked_for(
    webgpu_page_alone: Page,
):
    behind = {"Host": "webgpu-static:8080", "X_Forwarded_Host": "box.lan:5173"}
    assert question(webgpu_page_alone, Origin="http://box.lan:5173", **behind).status == 503
    assert question(webgpu_page_alone, Origin="http://box.lan:80", **behind).status == 403
    assert question(webgpu_page_alone, Origin="http://webgpu-static:8080", **behind).status == 403


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.0\r\n\r\n", 421, "unknown_host"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method_not_allowed"),
        (b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505, "http_version_unknown"),
        (b"\x16\x03\x01\r\n\r\n", 400, "bad_request"),
        (b"GET /" + b"u" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "address_too_long"),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"c" * 9000 + b"\r\n\r\n",
            431,
            "headers_too_large",
        ),
        (
            b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n",
            501,
            "transfer_encoding_unknown",
        ),
    ],
)
def test_nginxs_own_errors_have_the_usual_shape(
    webgpu_page_alone: Page, request_: bytes, status: int, code: str
):
    address = urllib.parse.urlsplit(webgpu_page_alone.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(request_)
        answer = read_answer(connection)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.error["message"] == f"{answer.error['problem']} {answer.error['remedy']}"


def test_a_link_from_another_site_is_welcome(webgpu_page_alone: Page):
    headers = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert ask(webgpu_page_alone, "/", **headers).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/gateway/status"),
    ],
)
def test_routes_take_only_their_own_method(webgpu_page_alone: Page, method: str, path: str):
    answer = ask(webgpu_page_alone, path, method=method)
    assert answer.status == 405
    assert answer.error["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    ["/v1/embeddings", "/v1/responses", "/metrics", "/status", "/shutdown", "/v1/models/../ready"],
)
def test_the_rest_of_the_gateway_is_out_of_reach(webgpu_page: Page, path: str):
    assert ask(webgpu_page, path).status == 404


def test_models_come_from_the_gateway_with_a_key_that_the_browser_never_sees(
    webgpu_page: Page, gateway_v2
):
    own = {"Origin": webgpu_page.url, "Authorization": "Bearer of-the-browser"}
    answer = ask(webgpu_page, "/v1/models", **own)
    assert answer.status == 200, "although this browser's key is wrong"
    assert json.loads(answer.body)["data"][0]["id"] == "foundry-demo"
    seen = str(answer.headers) + answer.body.decode() + webgpu_page.log
    assert gateway_v2.key not in seen
    assert (webgpu_page.runtime / "gateway-key.conf").stat().st_mode & 0o077 == 0


def test_gateway_knows_who_asks(webgpu_page: Page, gateway_v2):
    def operations() -> float:
        name = "gen_ai_client_operation_duration_seconds_count"
        return gateway_v2.metric(name, client="webgpu")

    before = operations()
    question = {"model": "foundry-demo", "messages": [{"role": "user", "content": "hello"}]}
    answer = ask(
        webgpu_page,
        "/v1/chat/completions",
        method="POST",
        body=json.dumps(question),
        Content_Type="application/json",
        Origin=webgpu_page.url,
        X_Client="chainlit",
    )
    assert answer.status == 200, answer.body
    assert operations() == before + 1


def test_gateway_down_is_said_with_what_to_do(webgpu_page_alone: Page):
    answer = ask(webgpu_page_alone, "/v1/models")
    assert answer.status == 503
    assert answer.error["code"] == "gateway_unreachable"
    assert answer.error["message"].endswith(answer.error["remedy"])
    assert "docker compose up -d gateway" in answer.error["remedy"]


def test_gateway_down_is_a_status_like_any_other(webgpu_page_alone: Page):
    answer = ask(webgpu_page_alone, "/gateway/status")
    assert answer.status == 200, "the question is answered: no red line in the browser's console"
    status = json.loads(answer.body)
    assert (status["status"], status["ready"], status["models"]) == ("down", False, [])
    assert status["last_error"]["code"] == "gateway_unreachable"
    assert status["last_error"]["remedy"]


def test_status_is_the_gateways_own(webgpu_page: Page, gateway_v2):
    status = json.loads(ask(webgpu_page, "/gateway/status").body)
    assert status["ready"] is True
    assert status["default_model"] == "foundry-demo"
    assert set(status) >= {"upstreams", "models", "queue", "last_error"}


async def test_tokens_pass_as_they_come_and_leaving_stops_the_model(
    webgpu_www: Path, tmp_path: Path, start_gateway
):
    question = {
        "model": ALIAS,
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
    }
    async with FakeFoundry(chat=stream_forever) as fake, aiohttp.ClientSession() as session:
        gateway = start_gateway(fake.url, MODEL=ALIAS)
        with serve_page(webgpu_www, tmp_path, gateway.url, gateway.key) as page:
            url = f"{page.url}/v1/chat/completions"
            own = {"Origin": page.url}
            asking = session.post(url, json=question, headers=own)
            async with asyncio.timeout(60), asking as answer:
                assert answer.status == 200
                chunks = [await answer.content.readuntil(b"\n\n") for _ in range(3)]
                assert all(chunk.startswith(b"data: ") for chunk in chunks)
                answer.close()
            await gateway.eventually(
                lambda status: status["queue"]["active"] == 0, "the model is free again", within=60
            )
