"""Errors that nginx itself makes: the usual shape on API routes, short words on pages."""

import pytest

from support.edge import PAGES, SERVICES, Edge, request_of

HOST = b"Host: localhost\r\n"
FIELDS = {"message", "problem", "type", "param", "code", "cause", "remedy"}
MADE_BY_NGINX = {
    "a null byte in the path": (b"GET /v1/%00 HTTP/1.1\r\n" + HOST, 400),
    "no host": (b"GET /v1/models HTTP/1.1\r\n", 400),
    "two hosts": (b"GET /v1/models HTTP/1.1\r\n" + HOST + HOST, 400),
    "no possible host": (b"GET /v1/models HTTP/1.1\r\nHost: a/b\r\n", 400),
    "HTTP/1.0 without a host": (b"GET /v1/models HTTP/1.0\r\n", 421),
    "HTTP/3.0": (b"GET /v1/models HTTP/3.0\r\n" + HOST, 505),
    "a method in small letters": (b"get /v1/models HTTP/1.1\r\n" + HOST, 400),
    "TRACE": (b"TRACE /v1/models HTTP/1.1\r\n" + HOST, 405),
    "an unknown method": (b"BREW /v1/models HTTP/1.1\r\n" + HOST, 405),
    "an unknown transfer encoding": (
        b"POST /v1/models HTTP/1.1\r\nTransfer-Encoding: x\r\n" + HOST,
        501,
    ),
    "two lengths": (
        b"POST /v1/models HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" + HOST,
        400,
    ),
    "no possible length": (b"POST /v1/models HTTP/1.1\r\nContent-Length: x\r\n" + HOST, 400),
    "a null byte in a field": (b"GET /v1/models HTTP/1.1\r\na\x00b: c\r\n" + HOST, 400),
    "a long address": (b"GET /v1/" + b"u" * 40_000 + b" HTTP/1.1\r\n" + HOST, 414),
    "a long field": (b"GET /v1/models HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n" + HOST, 431),
    "many fields": (b"GET /v1/models HTTP/1.1\r\n" + b"X: y\r\n" * 8_000 + HOST, 431),
    "a step up in the path": (b"GET /v1/x/../y HTTP/1.1\r\n" + HOST, 400),
}
ON_NO_PATH = {
    "no HTTP": (b"\x16\x03\x01\r\n", 400),
    "CONNECT": (b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST, 400),
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", MADE_BY_NGINX)
def test_on_api_routes_they_are_json(edge: Edge, service: str, name: str):
    head, status = MADE_BY_NGINX[name]
    answer = edge.ask(service, head + b"Connection: close\r\n\r\n")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.error) == FIELDS
    assert answer.error["message"] == f"{answer.error['problem']} {answer.error['remedy']}"
    assert answer.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("service", PAGES)
@pytest.mark.parametrize("name", MADE_BY_NGINX)
def test_on_pages_they_are_words(edge: Edge, service: str, name: str):
    head, status = MADE_BY_NGINX[name]
    answer = edge.ask(service, head.replace(b"/v1/", b"/page/") + b"Connection: close\r\n\r\n")
    assert answer.status == status
    assert answer.headers["content-type"] == "text/plain"
    assert answer.body.count(b"\n") == 1
    assert b"<" not in answer.body


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", ON_NO_PATH)
def test_where_there_is_no_path_the_port_decides(edge: Edge, service: str, name: str):
    head, status = ON_NO_PATH[name]
    answer = edge.ask(service, head + b"\r\n")
    assert answer.status == status
    expected = "application/json" if service == "gateway" else "text/plain"
    assert answer.headers["content-type"] == expected


def test_too_many_cookies_are_said_to_be_that(edge: Edge):
    answer = edge.get("chainlit", Cookie="c" * 40_000)
    assert answer.status == 431
    assert b"delete the cookies of this address, such as localhost" in answer.body
    error = edge.get("gateway", "/v1/models", Cookie="c" * 40_000).error
    assert error["code"] == "headers_too_large"


@pytest.mark.parametrize("path", ["/.problem/json", "/.problem/words", "/.problem/x"])
def test_the_way_that_errors_take_is_not_open_to_callers(edge: Edge, path: str):
    before = len(edge.seen.heads)
    assert edge.get("gateway", path).status == 404
    assert edge.get("chainlit", path, Host="evil.example").status in {404, 421}
    assert len(edge.seen.heads) == before


@pytest.mark.parametrize(
    ("service", "path", "most"),
    [
        ("chainlit", "/v1/x", 2 << 20),
        ("open-webui", "/api/v1/chats/new", 16 << 20),
        ("open-webui", "/api/v1/files/", 64 << 20),
        ("open-webui", "/api/v1/audio/transcriptions", 64 << 20),
        ("webgpu-static", "/v1/chat/completions", 2 << 20),
        ("prometheus", "/api/v1/labels", 1024),
        ("grafana", "/api/ds/query", 4 << 20),
    ],
)
def test_a_body_is_as_long_as_its_service_needs(edge: Edge, service: str, path: str, most: int):
    def length(size: int) -> bytes:
        """A request whose body is only announced: that is what is judged."""
        return request_of("POST", path, Content_Length=str(size))

    answer = edge.ask(service, length(most + 1))
    assert answer.status == 413
    assert answer.error["code"] == "body_too_large"
    assert edge.ask(service, length(most)).status == 200


def test_the_gateways_own_limit_is_the_only_one_on_its_port(edge: Edge):
    request = request_of("POST", "/v1/chat/completions", Content_Length=str(1 << 40))
    assert edge.ask("gateway", request).status == 200
