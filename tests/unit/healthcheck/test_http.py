from __future__ import annotations

import asyncio
import errno
import ssl

import pytest
from aiohttp import ClientConnectorError, web
from aiohttp.client_reqrep import ConnectionKey

from foundry_healthcheck.transport import MAX_BODY, classify
from support.processes import dead_port


async def test_any_success_is_up_and_what_it_says_of_itself_is_a_fact(probe, serving) -> None:
    async def status(_: web.Request) -> web.Response:
        return web.json_response({"status": "degraded", "ready": False, "secret": "x"})

    async with serving({"/status": status}) as url:
        run, outcome = await probe("http", f"{url}/status")
    assert outcome.state == "up"
    assert outcome.facts == {"status_code": 200, "status": "degraded", "ready": "no"}
    assert any("200" in line for line in run.log)


@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_any_other_status_is_an_http_error(probe, serving, status: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with serving({"/": answer}) as url:
        run, outcome = await probe("http", f"{url}/")
    assert (outcome.state, outcome.reason) == ("down", "http_error")
    assert str(status) in (outcome.message or "")
    assert outcome.remedy
    assert run.registry.get_sample_value("probe_http_status_code") == status


async def test_nobody_there_is_refused(probe) -> None:
    _, outcome = await probe("http", f"http://127.0.0.1:{dead_port()}/")
    assert outcome.reason == "refused"


async def test_both_address_families_refusing_is_refused(probe) -> None:
    _, outcome = await probe("http", f"http://localhost:{dead_port()}/")
    assert outcome.reason == "refused"


async def test_an_unknown_name_does_not_resolve(probe) -> None:
    _, outcome = await probe("http", "http://no-such-service.invalid:1/")
    assert outcome.reason == "name_not_resolved"
    assert "docker compose up -d gateway" in (outcome.remedy or "")


async def test_silence_times_out_in_time(probe, serving) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    async with serving({"/": hang}) as url:
        _, outcome = await probe("http", f"{url}/", timeout=0.2)
    assert outcome.reason == "timed_out"
    assert 0.1 < outcome.duration < 60


@pytest.mark.parametrize(
    ("said", "reason"), [(b"SSH-2.0-something\r\n", "bad_answer"), (b"", "no_answer")]
)
async def test_what_is_not_http_is_told_from_what_says_nothing(probe, said, reason) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, outcome = await probe("http", f"http://127.0.0.1:{port}/")
    assert outcome.reason == reason


async def test_plain_text_where_tls_is_expected_fails_the_handshake(probe, serving) -> None:
    async def fine(_: web.Request) -> web.Response:
        return web.Response()

    async with serving({"/": fine}) as url:
        _, outcome = await probe("http", url.replace("http:", "https:") + "/")
    assert outcome.reason == "tls_failed"


async def test_an_endless_page_is_read_only_so_far(probe, serving) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(MAX_BODY))

    async with serving({"/": endless}) as url:
        _, outcome = await probe("http", f"{url}/")
    assert outcome.state == "up"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.ECONNREFUSED, "refused"),
        (errno.ETIMEDOUT, "timed_out"),
        (errno.ECONNRESET, "no_answer"),
    ],
)
def test_what_the_system_says_of_a_connection_is_told_apart(number: int, reason: str) -> None:
    key = ConnectionKey(
        "host", 1, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
    )
    assert classify(ClientConnectorError(key, OSError(number, "word"))) == reason


def test_an_error_nobody_thought_of_is_other() -> None:
    assert classify(RuntimeError()) == "other"
    assert classify(ssl.SSLError()) == "no_answer"
