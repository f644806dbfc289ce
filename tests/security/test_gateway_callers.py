"""Who is let in, and what a request must look like before a byte of its body is read."""

from __future__ import annotations

import asyncio
import json

import pytest

from support.attacks import Answer, Wire, ask, chat_body, head
from support.fake_foundry import FakeFoundry
from support.foundry import Foundry
from support.gateway import Gateway, StartGateway

JSON = "Content-Type: application/json"
ROUTES = [
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/status"),
    ("GET", "/metrics"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/foundry-demo"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/embeddings"),
    ("OPTIONS", "/v1/chat/completions"),
    ("PUT", "/status"),
    ("POST", "/shutdown"),
    ("GET", "/"),
    ("GET", "/%00"),
]


async def send(gateway: Gateway, request: bytes, within: float = 10) -> Answer:
    async with Wire(gateway.port) as wire:
        await wire.send(request)
        return await wire.answer(within)


def request(gateway: Gateway, *fields: str, host: str = "localhost", key: bool = True) -> bytes:
    body = chat_body()
    length = f"Content-Length: {len(body)}"
    return head(gateway, fields=(*fields, length), host=host, key=key) + b"\r\n" + body


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    ("host", "fields", "status", "code"),
    [
        ("evil.example", (), 421, "unknown_host"),
        ("localhost.evil.example", (), 421, "unknown_host"),
        ("172.17.0.2:8000", (), 421, "unknown_host"),
        ("foundry.example@localhost", (), 421, "unknown_host"),
        ("localhost", ("Origin: http://evil.example",), 403, "foreign_origin"),
        ("localhost", ("Origin: null",), 403, "foreign_origin"),
        ("localhost", ("Origin: http://localhost:5173",), 403, "foreign_origin"),
        (
            "localhost",
            ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"),
            403,
            "foreign_origin",
        ),
    ],
)
async def test_every_route_knows_its_callers(
    gateway_v2: Gateway,
    *,
    method: str,
    path: str,
    host: str,
    fields: tuple[str, ...],
    status: int,
    code: str,
) -> None:
    start = head(gateway_v2, path, method=method, fields=fields, host=host)
    answer = await send(gateway_v2, start + b"\r\n")
    assert answer.status == status
    assert answer.code == code
    assert not [name for name in answer.fields if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "gateway:8000", "a.lan"]
)
async def test_its_own_names_are_let_in(
    foundry_v2: Foundry, start_gateway: StartGateway, host: str
) -> None:
    gateway = start_gateway(foundry_v2.url, MODEL="foundry-demo", ALLOWED_HOSTS="gateway,.lan")
    for fields in ((), (f"Origin: http://{host}",)):
        assert (await send(gateway, request(gateway, JSON, *fields, host=host))).status == 200


async def test_an_address_in_place_of_a_path_is_judged_too(gateway_v2: Gateway) -> None:
    for line, status in (("http://evil.example/health", 421), ("http://localhost/health", 200)):
        start = head(gateway_v2, line, method="GET")
        assert (await send(gateway_v2, start + b"\r\n")).status == status


@pytest.mark.parametrize(
    "encoding",
    [
        "gzip",
        "GZIP",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "gzip, identity",
        "identity, br",
        "aws-chunked",
        "é",
    ],
)
@pytest.mark.parametrize("key", [True, False])
async def test_encoded_bodies_are_not_taken(
    gateway_v2: Gateway, encoding: str, *, key: bool
) -> None:
    for method, path in ROUTES:
        start = head(
            gateway_v2, path, method=method, key=key, fields=(JSON, f"Content-Encoding: {encoding}")
        )
        answer = await send(gateway_v2, start + b"Content-Length: 1000000\r\n\r\n")
        assert (answer.status, answer.fields["accept-encoding"]) == (415, "identity"), path
        assert answer.code == "invalid_request"


async def test_a_second_encoding_does_not_hide_behind_the_first(gateway_v2: Gateway) -> None:
    two = ("Content-Encoding: identity", "Content-Encoding: gzip")
    assert (await send(gateway_v2, request(gateway_v2, JSON, *two))).status == 415


@pytest.mark.parametrize("encoding", ["identity", "IDENTITY", ""])
async def test_a_body_that_says_it_is_not_encoded_is_taken(
    gateway_v2: Gateway, encoding: str
) -> None:
    fields = (JSON, f"Content-Encoding: {encoding}")
    assert (await send(gateway_v2, request(gateway_v2, *fields))).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Content-Type: text/plain",),
        ("Content-Type: text/json",),
        ("Content-Type: application/x-www-form-urlencoded",),
        ("Content-Type: multipart/form-data; boundary=x",),
        ("Content-Type: application/problem+json",),
        ("Content-Type: text/plain; application/json",),
        ("Content-Type: application/json, text/plain",),
        ("Content-Type:",),
    ],
)
async def test_a_body_must_say_that_it_is_json(
    gateway_v2: Gateway, fields: tuple[str, ...]
) -> None:
    answer = await send(gateway_v2, request(gateway_v2, *fields))
    assert (answer.status, answer.code) == (415, "invalid_request")


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON;charset=utf-8", "application/json ; x=y"]
)
async def test_json_may_have_parameters(gateway_v2: Gateway, kind: str) -> None:
    assert (await send(gateway_v2, request(gateway_v2, f"Content-Type: {kind}"))).status == 200


async def test_the_caller_comes_before_the_key_and_the_key_before_the_body(
    gateway_v2: Gateway,
) -> None:
    """Each of these is wrong in everything; no body is ever sent."""
    length = b"Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n"
    wrong: tuple[str, ...] = ("Content-Type: text/plain",)
    origin = ("Origin: http://evil.example", *wrong)
    for fields, key, host, status in (
        (origin, False, "evil.example", 421),
        (origin, False, "localhost", 403),
        (wrong, False, "localhost", 401),
        (wrong, True, "localhost", 415),
        ((JSON,), False, "localhost", 401),
    ):
        start = head(gateway_v2, fields=fields, key=key, host=host)
        answer = await send(gateway_v2, start + length, within=2)
        assert answer.status == status


async def test_leave_to_send_is_given_when_everything_else_is_right(gateway_v2: Gateway) -> None:
    body = chat_body()
    async with Wire(gateway_v2.port) as wire:
        start = head(gateway_v2, fields=(JSON, "Expect: 100-continue"))
        await wire.send(start + b"Content-Length: %d\r\n\r\n" % len(body))
        interim = await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5)
        assert interim.startswith(b"HTTP/1.1 100 ")
        await wire.send(body)
        assert (await wire.answer()).status == 200
    for path in ("/v1/chat/completions", "/status", "/nowhere"):
        start = head(gateway_v2, path, fields=(JSON, "Expect: miracles"))
        assert (await send(gateway_v2, start + b"\r\n")).status == 417


LONG = b"a" * 20_000
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9" + b"9" * 30 + b"\r\n\r\n", 400),
        (
            POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            400,
        ),
        (
            POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            415,
        ),
        (b"GET /" + LONG + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + LONG + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"Cookie: a=b\r\n" * 8_000 + b"\r\n", 431),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: %b\r\n" % LONG[:4_000] * 30 + b"\r\n",
            431,
        ),
        (b"GET /%00%0a%ff%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else "",
)
async def test_what_is_not_http_is_told_so_in_the_usual_form(
    gateway_v2: Gateway, sent: bytes, status: int
) -> None:
    answer = await send(gateway_v2, sent)
    assert answer.status == status
    assert answer.code in ("invalid_request", "unknown_host")
    assert answer.fields["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    "rest",
    [
        b"zz\r\n",
        b"5\r\nabc",
        b"5\r\nabcdefgh\r\n",
        b"5;" + LONG * 5,
        b"0\r\n" + b"X: y\r\n" * 9_000,
    ],
)
async def test_a_body_that_goes_wrong_halfway_is_refused_at_once(
    gateway_v2: Gateway, rest: bytes
) -> None:
    async with Wire(gateway_v2.port) as wire:
        await wire.send(head(gateway_v2) + b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"x\r\n')
        await asyncio.sleep(0.05)
        await wire.send(rest)
        if rest.endswith(b"abc"):
            wire.writer.write_eof()
        answer = await wire.answer()
    assert answer.status in (0, 400) if rest.endswith(b"abc") else answer.status == 400


async def test_nothing_of_all_that_leaves_a_trace_in_the_log(
    foundry_v2: Foundry, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(foundry_v2.url, MODEL="foundry-demo", GATEWAY_LOG_LEVEL="DEBUG")
    gzip = ("Content-Encoding: gzip", JSON)
    for start, rest in (
        (request(gateway, *gzip), b"\x1f\x8b" + bytes(100)),
        (
            head(gateway, fields=gzip) + b"Content-Length: 900000\r\n\r\n",
            b"\x1f\x8b" + bytes(800_000),
        ),
        (head(gateway) + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n"),
        (head(gateway, key=False) + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"zz\r\n"),
        (head(gateway, "/status", method="GET") + b"Content-Length: 9\r\n\r\n", b"x"),
        (b"\x16\x03\x01", b"\r\n\r\n"),
    ):
        async with Wire(gateway.port) as wire:
            await wire.send(start)
            await asyncio.sleep(0.1)
            await wire.send(rest)
            await asyncio.sleep(0.1)
    assert (await ask(gateway, chat_body())).status == 200
    assert "Traceback" not in gateway.log
    assert "failure" not in gateway.log
    assert " ERROR " not in gateway.log


async def test_pictures_by_path_never_reach_the_runtime(start_gateway: StartGateway) -> None:
    async with FakeFoundry() as fake:
        gateway = start_gateway(fake.url, MODEL="fake-model")
        for name in ("/etc/passwd", "/no/such/file", "/etc", "http://127.0.0.1:1/x.png"):
            part = {"type": "input_image", "image_url": name}
            body = json.dumps({"input": [{"role": "user", "content": [part]}]}).encode()
            answer = await ask(gateway, body, start=head(gateway, "/v1/responses"))
            assert (answer.status, answer.code) == (400, "invalid_request")
            assert name not in answer.body.decode()
        assert not fake.asked("/v1/responses")


async def test_answers_are_told_not_to_be_kept(gateway_v2: Gateway, foundry_v2: Foundry) -> None:
    body = json.dumps({"input": "hello", "max_output_tokens": 3, "store": True}).encode()
    answer = await ask(gateway_v2, body, start=head(gateway_v2, "/v1/responses"))
    assert answer.json["store"] is False  # type: ignore[comparison-overlap]
    kept = foundry_v2.get_json("/v1/responses")
    assert str(answer.json["id"]) not in json.dumps(kept)
    again = json.dumps({"input": "and?", "previous_response_id": answer.json["id"]}).encode()
    refused = await ask(gateway_v2, again, start=head(gateway_v2, "/v1/responses"))
    assert refused.status == 400
    assert refused.json["error"]["param"] == "previous_response_id"
