"""Who may call a listener."""

import pytest

from foundry_common.callers import Callers

CALLERS = Callers(("gateway", ".lan"))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST",
        "127.0.0.1:8000",
        "[::1]:8000",
        "gateway:8000",
        "Gateway",
        "a.localhost:1",
        "box.lan",
    ],
)
def test_its_own_names_are_let_in(host: str):
    assert CALLERS.refusal([host], []) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "gateway.evil.example",
        "evilgateway",
        "lan",
        "evil.lan.example",
        "a..lan",
        "172.19.0.2:8000",
        "10.1.2.3",
        "127.0.0.2",
        "[fe80::1]",
        "localhost.",
        "gateway:8000:1",
        "gateway:x",
        "gateway@evil",
        "gateway/evil",
        "gateway evil",
        "[::1",
        "::1",
        "0.0.0.0",
    ],
)
def test_every_other_name_is_refused(host: str):
    refusal = CALLERS.refusal([host], [])
    assert refusal is not None
    assert (refusal.status, refusal.code) == (421, "unknown_host")


def test_none_or_two_names_are_refused():
    assert CALLERS.refusal([], []) is not None
    assert CALLERS.refusal(["gateway", "gateway"], []) is not None


def test_an_address_of_its_own_is_a_name():
    assert Callers(address="10.1.2.3").refusal(["10.1.2.3:8000"], []) is None
    assert Callers(address="0.0.0.0").refusal(["10.1.2.3:8000"], []) is not None


def test_a_page_of_its_own_is_let_in():
    assert CALLERS.refusal(["localhost:8000"], ["http://localhost:8000"]) is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://localhost",
        "http://localhost:8001",
        "file://",
        "http://localhost:8000.evil.example",
        "http://user@localhost:8000",
        "localhost:8000",
        "http://localhost:8000/",
        "chrome-extension://localhost:8000",
    ],
)
def test_a_page_of_another_origin_is_refused(origin: str):
    refusal = CALLERS.refusal(["localhost:8000"], [origin])
    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "foreign_origin")


def test_two_origins_are_refused():
    same = "http://localhost:8000"
    assert CALLERS.refusal(["localhost:8000"], [same, same]) is not None


@pytest.mark.parametrize(
    ("fetch", "let_in"),
    [
        (("cross-site", "no-cors"), False),
        (("same-site", "no-cors"), False),
        (("same-site", "cors"), False),
        (("cross-site", "navigate"), True),
        (("same-origin", "cors"), True),
        (("none", "navigate"), True),
        (("", ""), True),
    ],
)
def test_other_pages_may_link_but_not_embed(fetch: tuple[str, str], let_in: object):
    assert (CALLERS.refusal(["localhost"], [], fetch) is None) is let_in
