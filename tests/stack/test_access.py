"""Who may use the published ports, and what they are told."""

import contextlib
import http.client
import re
import socket
from urllib.parse import urlsplit

import pytest

from support.stack import RunningStack, get

CHAT = "CHAINLIT_PORT"
GATEWAY = "GATEWAY_PORT"


def test_a_chat_is_answered_with_the_key(stack: RunningStack):
    answer = stack.ask("Hello!")
    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"].strip()


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_chat_without_the_key_is_refused(stack: RunningStack, key: str):
    answer = stack.ask("Hello!", key=key)
    assert answer.status == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_a_stream_passes_the_edge_as_it_comes(stack: RunningStack):
    pieces = streamed_pieces(stack)
    assert b"".join(pieces).count(b"data: ") > 500, "too short an answer to tell"
    assert len(pieces) > 10, "the edge gathered the stream into a few large pieces"


def streamed_pieces(stack: RunningStack) -> list[bytes]:
    """A whole streamed answer, in the pieces in which the edge wrote it."""
    connection = http.client.HTTPConnection(stack.gateway.removeprefix("http://"), timeout=60)
    body = (
        # Left to chance, the demo model ends after a few words now and then.
        '{"model":"foundry-demo","stream":true,"temperature":0,'
        '"messages":[{"role":"user","content":"Count from 1 to 200."}]}'
    )
    headers = {"Authorization": f"Bearer {stack.api_key}", "Content-Type": "application/json"}
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", body, headers)
        response = connection.getresponse()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        pieces = []
        # One chunk of the transfer encoding at most, however many have arrived.
        while piece := response.read1(65_536):
            pieces.append(piece)
    assert b"".join(pieces).rstrip().endswith(b"data: [DONE]")
    return pieces


@pytest.mark.parametrize("path", ["/health", "/ready", "/status", "/metrics"])
def test_the_gateway_tells_how_it_is_without_a_key(stack: RunningStack, path: str):
    assert get(f"{stack.gateway}{path}").status == 200


@pytest.mark.parametrize("path", ["/", "/shutdown", "/models/load/foundry-demo", "/openai/status"])
def test_nothing_else_of_the_gateway_is_published(stack: RunningStack, path: str):
    answer = get(f"{stack.gateway}{path}", body={})
    assert answer.status == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "url", ["{stack.chat}/", "{stack.gateway}/v1/models", "{stack.gateway}/status"]
)
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost:1", "null", "http://127.0.0.1.evil.example"],
)
def test_a_page_of_another_site_is_refused(stack: RunningStack, url: str, origin: str):
    answer = get(url.format(stack=stack), Origin=origin, Authorization=f"Bearer {stack.api_key}")
    assert answer.status == 403


def test_a_second_origin_or_host_does_not_hide_behind_the_first(stack: RunningStack):
    port = int(stack.environment[CHAT])
    host = f"Host: 127.0.0.1:{port}"
    own, foreign = f"Origin: {stack.chat}", "Origin: https://evil.example"
    assert status_of(port, "GET / HTTP/1.1", host, own) == 200
    assert status_of(port, "GET / HTTP/1.1", host, own, foreign) == 403
    assert status_of(port, "GET / HTTP/1.1", host, foreign, own) == 403
    assert status_of(port, "GET / HTTP/1.1", host, "Host: evil.example") == 400


def status_of(port: int, *lines: str) -> int:
    """The status of an answer to a request that no HTTP library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\nConnection: close\r\n\r\n").encode())
        return int(connection.recv(1024).split()[1])


def test_a_page_of_the_stack_itself_is_served(stack: RunningStack):
    assert get(f"{stack.chat}/", Origin=stack.chat).status == 200


def test_a_websocket_of_another_site_is_refused(stack: RunningStack):
    path = "/ws/socket.io/?EIO=4&transport=websocket"
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert get(f"{stack.chat}{path}", Origin="https://evil.example", **upgrade).status == 403
    assert handshake(stack, path, Origin=stack.chat, **upgrade) == 101


def handshake(stack: RunningStack, path: str, **headers: str) -> int:
    """The status of a WebSocket handshake, which urllib cannot read."""
    port = int(stack.environment[CHAT])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(1024).split()[1])


def test_a_link_from_another_site_is_welcome_but_embedding_is_not(stack: RunningStack):
    def status(site: str, mode: str) -> int:
        return get(f"{stack.chat}/", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode).status

    assert status("cross-site", "navigate") == 200
    assert status("cross-site", "no-cors") == 403
    assert status("same-site", "no-cors") == 403, "another port of localhost is the same site"
    assert status("same-origin", "no-cors") == 200


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        (CHAT, "/docs"),
        (CHAT, "/openapi.json"),
        (CHAT, "/%64ocs"),
        (CHAT, "/metrics"),
        ("OPEN_WEBUI_PORT", "/docs"),
        ("OPEN_WEBUI_PORT", "//openapi.json"),
        ("PROMETHEUS_PORT", "/debug/pprof/"),
        ("PROMETHEUS_PORT", "//debug/pprof/cmdline"),
        ("PROMETHEUS_PORT", "/api/v1/write"),
        ("PROMETHEUS_PORT", "/-/quit"),
    ],
)
def test_what_is_for_operators_is_not_published(stack: RunningStack, setting: str, path: str):
    assert get(f"http://127.0.0.1:{stack.environment[setting]}{path}").status == 404


def test_the_webgpu_page_may_ask_the_model_and_nobody_else_may_in_its_place(stack: RunningStack):
    question = {
        "model": "foundry-demo",
        "messages": [{"role": "user", "content": "Hello!"}],
        "max_tokens": 8,
    }
    url = f"{stack.webgpu}/v1/chat/completions"
    assert get(url, question, Origin=stack.webgpu).status == 200
    for origin in ({}, {"Origin": stack.chat}, {"Origin": "null"}):
        answer = get(url, question, **origin)
        assert answer.status == 403
        assert answer.json()["error"]["code"] == "foreign_origin"
    assert get(f"{stack.webgpu}/gateway/status").status == 200


def test_a_page_works_with_32_kb_of_cookies_and_says_when_there_are_more(stack: RunningStack):
    assert get(f"{stack.chat}/", Cookie="app=" + "c" * 32_000).status == 200
    answer = get(f"{stack.chat}/", Cookie="app=" + "c" * 40_000)
    assert answer.status == 431
    assert b"delete the cookies of this address" in answer.body


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("setting", [CHAT, GATEWAY])
def test_a_foreign_name_is_refused(stack: RunningStack, setting: str, host: str):
    port = stack.environment[setting]
    answer = get(f"http://127.0.0.1:{port}/v1/models", Host=f"{host}:{port}")
    assert answer.status == 421
    assert b"ALLOWED_HOSTS" in answer.body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "chat.localhost", "10.1.2.3"])
def test_a_name_that_cannot_be_rebound_is_served(stack: RunningStack, host: str):
    port = stack.environment[CHAT]
    assert get(f"{stack.chat}/", Host=f"{host}:{port}").status == 200


def test_the_page_may_call_nobody_but_its_own_origin(stack: RunningStack):
    headers = get(f"{stack.chat}/", Accept="text/html").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "://" not in policy, "no other host, whatever its scheme"
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Server"] == "nginx", "a version number helps only attackers"


def test_the_page_names_no_foreign_host(stack: RunningStack):
    page = get(f"{stack.chat}/", Accept="text/html").body.decode()
    assert '<div id="root">' in page
    named = re.findall(r"(?:src|href)=\"((?:https?:)?//[^\"]*)", page)
    # The menu leads to the other pages of the same host.
    assert {urlsplit(link).hostname for link in named} == {urlsplit(stack.chat).hostname}


def test_the_services_themselves_are_not_published(stack: RunningStack):
    for service in ("gateway", "chainlit", "foundry-local", "secrets"):
        ports = stack.inspect(service)["NetworkSettings"]["Ports"]
        assert not any(ports.values()), service
