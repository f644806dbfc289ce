"""Bodies at the chat app and Open WebUI: bounded before anybody is admitted, whoever sends them.

Asked are copies of the two containers with the same limits, straight at their ports.
"""

import contextlib
import gzip
import json
import time
from collections.abc import Callable, Iterator

import pytest

from support.attack import at_once, half_sent, post, raw, request_head, status_of
from support.copies import Copy, copy_of, settled
from support.stack import RunningStack, eventually, get

KEYS = {"GATEWAY_API_KEY": "k" * 40, "WEBUI_SECRET_KEY": "s" * 40, "CHAINLIT_AUTH_SECRET": "a" * 40}
UNAUTHENTICATED = {
    "chainlit": ["/project/action", "/set-session-cookie", "/no/such/route"],
    "open-webui": ["/api/v1/auths/signin", "/api/v1/auths/signup", "/api/chat/completions"],
}
READY = {"chainlit": "/health", "open-webui": "/ready"}
ARRAYS = b"[" + b"[]," * 5_000_000 + b"0]"
"""Fifteen megabytes that become almost a gigabyte."""
MOST_ROUNDS = 6


@pytest.fixture(scope="module", params=["chainlit", "open-webui"])
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def copy(stack: RunningStack, service: str) -> Iterator[Copy]:
    files = {f"{name}_FILE": "" for name in KEYS}
    settings = {**environment_of(stack, service), **files, **KEYS}
    with copy_of(stack, service, 8080, **settings) as running:
        eventually(lambda: is_ready(running, service), 180)
        for _ in range(2):  # used once: a first request makes any program grow
            attack(running, service)
        eventually(lambda: is_ready(running, service), 60)
        yield running


def environment_of(stack: RunningStack, service: str) -> dict[str, str]:
    pairs = (one.partition("=") for one in stack.inspect(service)["Config"]["Env"])
    return {name: value for name, _, value in pairs if name not in {"PATH", "PYTHONPATH"}}


def is_ready(copy: Copy, service: str) -> bool:
    try:
        return get(copy.url + READY[service]).status == 200
    except OSError:
        return False


def attack(copy: Copy, service: str) -> list[int]:
    statuses = []
    for path in UNAUTHENTICATED[service]:
        answers = at_once(8, lambda path=path: post(copy.port, path, ARRAYS), threads=8)
        statuses += [status_of(one) for one in answers if isinstance(one, bytes)]
    return statuses


def leaves_nothing(copy: Copy, once: Callable[[], None]) -> None:
    """See that what is done again and again comes to hold no more memory than before.

    What an allocator keeps of the first few times it uses for the next; what leaks grows each time.
    """
    held = [copy.memory()]
    while len(held) <= MOST_ROUNDS:
        once()
        assert copy.state()["Running"]
        with contextlib.suppress(AssertionError):
            return settled(copy, 1.05 * held[-1], 30)
        held.append(copy.memory())
    raise AssertionError(f"each time it held more: {held}")


def test_bodies_that_grow_are_refused_and_leave_nothing(copy: Copy, service: str):
    def once() -> None:
        started = time.monotonic()
        assert set(attack(copy, service)) <= {404, 413, 429, 0}
        assert get(copy.url + READY[service]).status == 200
        assert time.monotonic() - started < 60

    leaves_nothing(copy, once)


def test_an_encoded_body_is_refused_in_json(copy: Copy, service: str):
    for path in UNAUTHENTICATED[service][:2]:
        answer = post(copy.port, path, gzip.compress(b"[]"), Content_Encoding="gzip")
        assert status_of(answer) == 415
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert error["message"] == f"{error['problem']} {error['remedy']}"


def forms_and_halves(copy: Copy, path: str, ready: str) -> None:
    kind = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    form = part + bytes(60_000_000) + b"\r\n--x--\r\n"
    answers = at_once(6, lambda: post(copy.port, path, form, Content_Type=kind), threads=6)
    assert all(status_of(one) < 500 for one in answers if isinstance(one, bytes))
    beginning = (
        request_head(copy.port, "POST", path, Content_Length=900_000) + b"[" + b"1," * 100_000
    )
    with half_sent(copy.port, beginning, 100):
        assert get(copy.url + ready).status == 200


def test_forms_and_half_sent_bodies_do_not_fill_it(copy: Copy, service: str):
    path = UNAUTHENTICATED[service][0]
    leaves_nothing(copy, lambda: forms_and_halves(copy, path, READY[service]))


def test_the_documentation_of_the_interface_is_not_served(copy: Copy, service: str):
    del service
    for path in ("/openapi.json", "/docs", "/redoc"):
        answer = raw(copy.port, request_head(copy.port, "GET", path, Connection="close"))
        assert b"swagger" not in answer.lower()
        assert b'"paths"' not in answer
