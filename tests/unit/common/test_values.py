"""One rule for each kind of value, whoever reads it."""

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundry_common import values
from foundry_common.values import ValueRefusedError


@pytest.mark.parametrize("text", ["yes", "true", "on", "1", "True", "ON", " yes ", "true\t"])
def test_words_for_on(text: str):
    assert values.switch(text) is True


@pytest.mark.parametrize("text", ["no", "false", "off", "0", "False", "OFF", " no "])
def test_words_for_off(text: str):
    assert values.switch(text) is False


@pytest.mark.parametrize("text", ["y", "n", "ja", "enabled", "2", "-1", "tru", "true;", "yes no"])
def test_any_other_word_is_refused_with_the_words_that_are_allowed(text: str):
    with pytest.raises(ValueRefusedError, match="yes, true, on, 1 or no, false, off, 0"):
        values.switch(text)


@given(st.text(string.ascii_letters + string.digits + "-._~+/=", min_size=8, max_size=200))
def test_a_key_of_token68_characters_is_taken_as_it_is(key: str):
    assert values.api_key(key) == key


@pytest.mark.parametrize("character", list("!,:$\";{}\\@%(?)'`#&*|<>^[] \n\0é"))
def test_a_key_with_a_character_that_some_reader_would_take_otherwise_is_refused(character: str):
    with pytest.raises(ValueRefusedError) as refused:
        values.api_key(f"abcd{character}efgh")
    assert "abcd" not in str(refused.value), "a key is never shown"


@pytest.mark.parametrize("key", ["", "short12", "k" * 201])
def test_a_key_too_short_or_too_long_is_refused(key: str):
    with pytest.raises(ValueRefusedError, match="8 to 200"):
        values.api_key(key)


@pytest.mark.parametrize("text", ["embedded", "containers, embedded", " embedded ,", "*"])
def test_profiles_that_start_foundry_local_in_a_container(text: str):
    assert values.starts_embedded(text)


@pytest.mark.parametrize("text", ["containers", "", "embedded2"])
def test_profiles_that_do_not(text: str):
    assert not values.starts_embedded(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("chat.example.lan", ("chat.example.lan",)),
        ("Chat.LAN, chat.lan", ("chat.lan",)),
        (".home.arpa,home.arpa", (".home.arpa", "home.arpa")),
        ("localhost", ("localhost",)),
        ("my_box", ("my_box",)),
        ("192.168.1.5", ("192.168.1.5",)),
        (" , a ,", ("a",)),
    ],
)
def test_host_names(text: str, names: tuple[str, ...]):
    assert values.host_names(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "a..b",
        "..a",
        ".",
        "-a",
        "a-",
        "a.",
        "http://a",
        "a:80",
        "*.a",
        "a b",
        "a;b",
        "~a",
        "ä",
        "[::1]",
        "a" * 64,
        ".".join(["a" * 50] * 6),
        'a"',
        "a{",
        "a\nb",
    ],
)
def test_what_is_no_host_name_is_refused(text: str):
    with pytest.raises(ValueRefusedError, match="expected host names"):
        values.host_names(text)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://host.docker.internal:51211", "http://host.docker.internal:51211"),
        ("host:1", "http://host:1"),
        ("HTTP://Host:5272/v1/", "http://host:5272"),
        ("https://host", "https://host:443"),
        ("http://[::1]:51211", "http://[::1]:51211"),
        ("http://127.0.0.1", "http://127.0.0.1:80"),
        ("  http://a:1  ", "http://a:1"),
    ],
)
def test_an_address_is_reduced_to_its_origin(text: str, origin: str):
    assert values.origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "http://[::1",
        "http://]",
        "http://[::1]x:1",
        "http://[fe80::1%eth0]:1",
        "http://[v1.a]:1",
        "http://",
        "http://:51211",
        "ftp://a:1",
        "http://a b:1",
        "http://a\tb:1",
        "http://a:b",
        "http://a:99999",
        "http://a:0",
        "http://a:-1",
        "http://u@a:1",
        "http://u:p@a:1",
        "http://ä:1",
        "http://a..b:1",
        "http://256.1.1.1:1",
        "http://a;b:1",
        "//",
        "http:///x",
    ],
)
def test_what_is_no_address_is_refused_in_words(text: str):
    with pytest.raises(ValueRefusedError):
        values.origin(text)


@given(st.text(max_size=40))
def test_no_text_makes_a_rule_fail_otherwise_than_by_refusing(text: str):
    rules = (
        values.switch,
        values.api_key,
        values.host_names,
        values.email,
        values.password,
        values.origin,
        values.origins,
        values.bind_address,
        values.model_name,
        values.model_names,
        values.seconds,
        lambda one: values.whole_number(one, 0),
        lambda one: values.choice(one, ("INFO",)),
    )
    for rule in rules:
        with contextlib.suppress(ValueRefusedError):
            rule(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "0.0.0.0", "::1", "[::1]", "192.168.1.5", "::"])
def test_ports_are_published_on_an_address(text: str):
    assert str(values.bind_address(text)) == text.strip("[]")


@pytest.mark.parametrize(
    "text",
    ["localhost", "*", "", "0", "127.1", "127.0.0.1:80", "eth0", "fe80::1%eth0", "224.0.0.1"],
)
def test_and_on_nothing_else(text: str):
    with pytest.raises(ValueRefusedError, match="expected an IP address"):
        values.bind_address(text)


@pytest.mark.parametrize("text", ["1_000", "0x10", "\uff11\uff12", "8080.0", "1e3", "", "+5"])
def test_a_number_is_written_in_digits(text: str):
    with pytest.raises(ValueRefusedError):
        values.whole_number(text, 0)


@pytest.mark.parametrize("text", ["inf", "nan", "-1", "1e9", "0", "5s", "1_0"])
def test_seconds_are_a_number_above_zero(text: str):
    with pytest.raises(ValueRefusedError):
        values.seconds(text)


def test_seconds_may_have_bounds():
    assert values.seconds("0.5", least=0.5, most=1) == 0.5
    assert values.seconds("0", zero=True, least=0.5) == 0
    for text, says in (("0.4", "at least 0.5"), ("1.1", "at most 1")):
        with pytest.raises(ValueRefusedError, match=says):
            values.seconds(text, least=0.5, most=1)


@pytest.mark.parametrize("text", ["ada@example.com", " a+b@c.example ", "root@localhost"])
def test_an_email_address(text: str):
    assert values.email(text) == text.strip()


@pytest.mark.parametrize("text", ["ada", "ada@", "@example.com", "a@b", "a b@c.d", "a@b@c.d"])
def test_what_is_no_email_address_is_refused(text: str):
    with pytest.raises(ValueRefusedError, match="expected an e-mail address"):
        values.email(text)


def test_a_password_is_kept_as_it_is_written_and_never_shown():
    assert values.password(" $ecret ") == " $ecret "
    assert values.password("é" * 36)
    for text in ("", "é" * 36 + "x"):
        with pytest.raises(ValueRefusedError, match="at most 72 bytes") as refused:
            values.password(text)
        assert "é" not in str(refused.value)


def test_a_letter_that_is_ascii_in_lower_case_only_is_refused_as_the_edge_refuses_it():
    with pytest.raises(ValueRefusedError, match="expected host names"):
        values.host_names("des\u212a.lan")
