"""Whom the running probe lets in, and that no caller can fill it, hold it or make it stumble."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.healthcheck import Healthcheck, start_healthcheck
from support.processes import dead_port

MEMBERS = {"message", "problem", "type", "param", "code", "cause", "remedy"}
ROUTES = ("/", "/api/status", "/metrics", "/probe", "/health", "/static/status.js", "/nowhere")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BOUND_SECONDS = 15.0


@pytest.fixture(scope="module")
def probe() -> Iterator[Healthcheck]:
    """A probe whose gateway is not there: what is asked of it is its own affair."""
    nobody = f"http://127.0.0.1:{dead_port()}"
    with start_healthcheck(
        FOUNDRY_URL=nobody, GATEWAY_URL=nobody, ALLOWED_HOSTS="healthcheck"
    ) as healthcheck:
        yield healthcheck


def port(probe: Healthcheck) -> int:
    number = urlsplit(probe.url).port
    assert number
    return number


def say(probe: Healthcheck, data: bytes, patience: float = BOUND_SECONDS) -> bytes:
    """Everything that comes back until the connection ends."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port(probe)), patience) as line:
        try:
            line.sendall(data)
            while piece := line.recv(65_536):
                answer += piece
        except ConnectionError:
            pass  # it has heard enough
    return answer


def ask(
    probe: Healthcheck,
    path: str = "/health",
    method: str = "GET",
    host: str = "localhost",
    body: bytes = b"",
    **fields: str,
) -> tuple[int, str]:
    """Status and body of one request; a field's underscores are dashes."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    answer = say(probe, "\r\n".join([*head, "", ""]).encode("latin-1") + body)
    front, _, rest = answer.partition(b"\r\n\r\n")
    return int(front.split()[1]), rest.decode()


def error(text: str) -> dict[str, str]:
    said = json.loads(text)["error"]
    assert set(said) == MEMBERS
    assert said["message"] == f"{said['problem']} {said['remedy']}"
    return said


# ---- Names and origins ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", [one for one in METHODS if one != "HEAD"])
def test_a_name_that_is_not_its_own_is_refused_on_every_route_and_method(
    probe: Healthcheck, path: str, method: str
) -> None:
    status, text = ask(probe, path, method, host="rebound.example:9180")
    assert (status, error(text)["code"]) == (421, "unknown_host")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3000", "null", "https://localhost"]
)
def test_a_page_of_another_origin_is_refused(
    probe: Healthcheck, path: str, method: str, origin: str
) -> None:
    own = f"localhost:{port(probe)}"
    status, text = ask(probe, path, method, host=own, Origin=origin)
    assert (status, error(text)["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["no-cors", "cors", "websocket", ""])
def test_a_picture_or_script_of_another_page_gets_nothing(
    probe: Healthcheck, site: str, mode: str
) -> None:
    for path in ROUTES:
        status, _ = ask(probe, path, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)
        assert status == 403, path


@pytest.mark.parametrize("path", ["/probe", "/probe?module=chat", "/%70robe?module=chat"])
def test_no_link_or_frame_of_another_page_makes_it_probe(probe: Healthcheck, path: str) -> None:
    status, _ = ask(probe, path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert status == 403
    assert ask(probe, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:9180", "healthcheck:9180"])
def test_its_own_names_are_let_in(probe: Healthcheck, host: str) -> None:
    assert ask(probe, host=host)[0] == 200
    assert ask(probe, host=host, Origin=f"http://{host}")[0] == 200
    assert ask(probe, "/api/status", host=host, Sec_Fetch_Site="same-origin")[0] == 200


def test_a_request_without_a_name_or_with_two_is_refused(probe: Healthcheck) -> None:
    assert say(probe, b"GET /api/status HTTP/1.0\r\n\r\n").split()[1] == b"421"
    two = b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert say(probe, two).split()[1] in {b"400", b"421"}


# ---- What cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "identity", "x"])
def test_no_encoded_body_is_read(probe: Healthcheck, encoding: str) -> None:
    status, text = ask(
        probe, method="POST", body=b"\x1f\x8b", Content_Encoding=encoding, Content_Length="2"
    )
    assert (status, error(text)["code"]) == (415, "encoded_body")


@pytest.mark.parametrize(
    "size", [{"Content_Length": "1025"}, {"Transfer_Encoding": "chunked"}], ids=["said", "unsaid"]
)
def test_no_large_body_is_waited_for(probe: Healthcheck, size: dict[str, str]) -> None:
    """The body never comes: whoever answers did not wait for it."""
    status, text = ask(probe, **size)
    assert (status, error(text)["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\nConnection: close\r\n\r\n", 417),
    ],
)
def test_what_cannot_be_served_is_refused_in_json(
    probe: Healthcheck, data: bytes, status: int
) -> None:
    head, _, body = say(probe, data).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert b"application/json" in head
    error(body.decode())
    assert "Traceback" not in probe.output()


def test_a_head_without_end_is_cut_off_in_size(probe: Healthcheck) -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 4000) for number in range(20))
    answer = say(probe, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + fields)
    assert not answer or answer.split()[1] == b"431"


def test_a_head_that_drips_is_cut_off_in_time(probe: Healthcheck) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port(probe)), 1) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        ended = False
        while not ended and time.monotonic() - began < 2 * BOUND_SECONDS:
            try:
                line.sendall(b"a")
                ended = line.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                ended = True
    assert ended
    assert time.monotonic() - began < BOUND_SECONDS


def test_half_sent_heads_keep_nobody_out_and_cost_little(probe: Healthcheck) -> None:
    before = probe.memory_bytes
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    head += b"".join(b"X-%d: %s\r\n" % (number, b"a" * 7000) for number in range(4))
    lines = []
    try:
        for _ in range(300):
            line = socket.create_connection(("127.0.0.1", port(probe)), BOUND_SECONDS)
            lines.append(line)
            line.sendall(head)
        assert ask(probe, "/api/status")[0] == 200
        assert probe.memory_bytes - before < 16e6
    finally:
        for line in lines:
            line.close()
    assert ask(probe)[0] == 200


# ---- Probing on demand ---------------------------------------------------------------------------


def test_a_refusal_repeats_nothing_that_the_caller_wrote(probe: Healthcheck) -> None:
    for query in ("module=marker-of-mine", "module=http&target=http://marker-of-mine"):
        status, text = ask(probe, f"/probe?{query}")
        assert status == 400
        assert "marker-of-mine" not in text
        error(text)


def test_a_second_question_to_the_model_is_refused_while_one_is_under_way() -> None:
    """The gateway of this probe accepts and says nothing, so that the first stays under way."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        gateway = f"http://127.0.0.1:{mute.getsockname()[1]}"
        nobody = f"http://127.0.0.1:{dead_port()}"
        with start_healthcheck(
            FOUNDRY_URL=nobody, GATEWAY_URL=gateway, HEALTHCHECK_CHAT_TIMEOUT="30"
        ) as probe:
            path = f"/probe?module=chat&target={gateway}"
            answers: list[tuple[int, str]] = []

            def demand() -> None:
                answers.append(ask(probe, path))

            callers = [threading.Thread(target=demand) for _ in range(4)]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join(40)
    refused, (last, _) = answers[:-1], answers[-1]
    assert [status for status, _ in refused] == [429] * 3, "one at a time, the others at once"
    assert last != 429
    for _, text in refused:
        assert error(text)["code"] == "overloaded"


def test_probes_of_other_kinds_wait_their_turn_in_a_bounded_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with start_healthcheck(
            FOUNDRY_URL=target, GATEWAY_URL=target, HEALTHCHECK_TIMEOUT="2"
        ) as probe:
            statuses: list[int] = []
            path = f"/probe?module=foundry&target={target}"
            callers = [
                threading.Thread(target=lambda: statuses.append(ask(probe, path)[0]))
                for _ in range(16)
            ]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join(30)
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == 8


# ---- Anything at all -----------------------------------------------------------------------------

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABC-_0123456789", min_size=1, max_size=20)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200)
PATH = st.one_of(
    st.sampled_from(ROUTES),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200).map("/".__add__),
)
QUERY = st.one_of(
    st.just(""),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200).map("?".__add__),
    st.sampled_from(("?module=http", "?module=&target=", "?debug=1&module=foundry&target=%00")),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(st.sampled_from(METHODS), TOKEN),
    st.builds("".join, st.tuples(PATH, QUERY)),
    st.lists(st.tuples(TOKEN, VALUE), max_size=8),
    st.binary(max_size=400),
)
@example("GET", "/probe?module=foundry&target=a", [("Content-Length", "99999999999")], b"")
@example("GET", "/metrics", [("X-Prometheus-Scrape-Timeout-Seconds", "nan")], b"")
@example("GET", "/probe?module=http", [("X-Prometheus-Scrape-Timeout-Seconds", "1e999")], b"")
@example("GET", "//[", [], b"")
@example("GET", "/", [("Upgrade", "websocket"), ("Connection", "Upgrade")], b"\x00" * 99)
def test_no_request_makes_it_fail(
    probe: Healthcheck,
    method: str,
    target: str,
    fields: list[tuple[str, str]],
    body: bytes,
) -> None:
    head = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    head += [f"{name}: {value}" for name, value in fields]
    answer = say(probe, "\r\n".join([*head, "", ""]).encode("latin-1") + body)
    assert answer, "it must say something"
    assert 200 <= int(answer.split()[1]) < 500, answer[:300]


def test_and_afterwards_it_is_as_it_was(probe: Healthcheck) -> None:
    assert "Traceback" not in probe.output()
    assert "ERROR" not in probe.output()
    before = probe.memory_bytes
    for _ in range(500):
        ask(probe, "/probe?module=nothing", host="localhost")
    assert probe.memory_bytes - before < 4e6
    assert probe.status()["parts"]
