"""What Open WebUI is started with: every on/off setting read in one way, no open door by accident.

Open WebUI itself takes every word but "true" for off, and its sign-in is one of these settings.
"""

import re
import sys

import pytest

from support.open_webui import SOURCE, settings_file, start_refused

sys.path.append(str(SOURCE))

import start

SECRETS = {"GATEWAY_API_KEY": "a" * 32, "WEBUI_SECRET_KEY": "b" * 32}


def completed(**given: str) -> dict[str, str]:
    return start.complete({**SECRETS, **given})


def refused(**given: str) -> str:
    with pytest.raises(start.SettingsError) as caught:
        completed(**given)
    return str(caught.value)


@pytest.mark.parametrize("word", ["true", "on", "1", "yes", "YES", "true ", "True"])
def test_any_word_for_on_keeps_the_sign_in_on(word: str):
    assert completed(WEBUI_AUTH=word, BIND_ADDRESS="0.0.0.0")["WEBUI_AUTH"] == "true"


@pytest.mark.parametrize("word", ["false", "off", "0", "no", "FALSE", " no"])
@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "[::]", "10.0.0.1"])
def test_any_word_for_off_is_refused_where_others_can_connect(word: str, address: str):
    assert refused(WEBUI_AUTH=word, BIND_ADDRESS=address).startswith("WEBUI_AUTH: ")


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.2", "::1", "[::1]"])
def test_one_person_may_go_without_where_nobody_else_can(address: str):
    assert completed(WEBUI_AUTH="off", BIND_ADDRESS=address)["WEBUI_AUTH"] == "false"


@pytest.mark.parametrize("word", ["maybe", "y", "enabled", "tru", "2", "true;"])
@pytest.mark.parametrize("name", ["WEBUI_AUTH", "ENABLE_SIGNUP", "OFFLINE_MODE"])
def test_any_other_word_is_refused_with_those_that_are_allowed(name: str, word: str):
    said = refused(**{name: word})
    assert said.startswith(f"{name}: ")
    assert "yes, true, on, 1 or no, false, off, 0" in said


def test_every_switch_of_the_file_is_known_as_one_and_handed_on_as_it_stands():
    words = re.compile(r"true|false|yes|no|on|off|0|1", re.IGNORECASE)
    counts = {"UVICORN_WS_MAX_QUEUE"}
    switches = {
        name: value
        for name, value in settings_file().items()
        if words.fullmatch(value) and name not in counts
    }
    assert len(switches) > 30
    for name, value in switches.items():
        assert start.SWITCHES.fullmatch(name), name
        on = completed(**{name: "on"})[name]
        off = completed(**{name: "off"})[name]
        assert value in (on, off)
        assert {on, off} in ({"true", "false"}, {"1", "0"})


def test_what_is_no_switch_is_handed_on_as_it_is():
    environment = completed(**settings_file(), USE_CUDA_DOCKER_VER="cu128")
    assert environment["USE_CUDA_DOCKER_VER"] == "cu128"
    assert environment["RAG_TOP_K"] == "4"
    assert environment["JWT_EXPIRES_IN"] == "4w"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIND_ADDRESS", "localhost"),
        ("BIND_ADDRESS", "*"),
        ("EMBEDDING_MODEL", "my model"),
        ("OPEN_WEBUI_PORT", "70000"),
        ("GATEWAY_URL", "http://[::1"),
        ("GATEWAY_API_KEY", "one;another-one"),
        ("WEBUI_ADMIN_EMAIL", "ada"),
    ],
)
def test_a_value_that_another_part_would_refuse_is_refused_here_too(name: str, value: str):
    assert refused(**{name: value}).startswith(f"{name}: ")


def test_an_administrator_needs_a_password_that_can_be_kept():
    ada = {"WEBUI_ADMIN_EMAIL": "ada@example.com"}
    assert refused(**ada).startswith("WEBUI_ADMIN_PASSWORD: ")
    said = refused(**ada, WEBUI_ADMIN_PASSWORD="x" * 73)
    assert "at most 72 bytes" in said
    assert completed(**ada, WEBUI_ADMIN_PASSWORD=" x ")["WEBUI_ADMIN_PASSWORD"] == " x "


@pytest.mark.parametrize("given", [{}, {"ALLOWED_HOSTS": "chat.lan"}, {"BIND_ADDRESS": "0.0.0.0"}])
def test_pages_of_other_origins_get_no_leave_whoever_may_connect(given: dict[str, str]):
    assert completed(**given)["CORS_ALLOW_ORIGIN"] == "http://localhost:3000"
    assert completed(**given, OPEN_WEBUI_PORT="81")["CORS_ALLOW_ORIGIN"] == "http://localhost:81"


def test_the_process_ends_with_the_reason_in_one_line():
    ended = start_refused(**SECRETS, WEBUI_AUTH="maybe")
    assert ended.returncode == 1
    assert ended.stderr.startswith("open-webui: WEBUI_AUTH: expected one of yes,")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "All_Proxy", "no_proxy"])
def test_a_proxy_of_dockers_settings_is_not_handed_on(name: str):
    assert name not in completed(**{name: "http://proxy.example:3128"})
