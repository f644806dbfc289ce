import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundry_chat.settings import Settings, SettingsError


def test_defaults_fit_the_compose_stack():
    settings = Settings.from_environment({})
    assert settings.gateway_url == "http://gateway:8000"
    assert settings.port == 8080
    assert settings.host == "127.0.0.1"
    assert not settings.development


def test_secret_is_read_from_its_file_and_never_shown(tmp_path):
    path = tmp_path / "api-key"
    path.write_text("open-sesame\n")
    settings = Settings.from_environment({"GATEWAY_API_KEY_FILE": str(path)})
    assert settings.gateway_api_key == "open-sesame"
    assert "sesame" not in repr(settings)


def test_plain_secret_wins_over_its_file():
    env = {"GATEWAY_API_KEY": "plain-key", "GATEWAY_API_KEY_FILE": "/nowhere"}
    assert Settings.from_environment(env).gateway_api_key == "plain-key"


def test_empty_system_prompt_is_a_choice():
    assert Settings.from_environment({"CHAINLIT_SYSTEM_PROMPT": ""}).system_prompt == ""


@pytest.mark.parametrize(
    ("word", "on"), [("1", True), ("Yes", True), (" on ", True), ("off", False), ("", False)]
)
def test_a_switch_is_read_in_the_words_of_all_switches(word, on):
    assert Settings.from_environment({"CHAINLIT_DEV": word}).development is on


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"GATEWAY_URL": "http://[::1"}, "GATEWAY_URL: expected an address"),
        ({"CHAINLIT_PORT": "eighty"}, "CHAINLIT_PORT: expected a whole number"),
        ({"CHAINLIT_PORT": "8080.7"}, "CHAINLIT_PORT: expected a whole number"),
        ({"CHAINLIT_PORT": "70000"}, "CHAINLIT_PORT: expected 1 to 65535"),
        ({"CHAINLIT_READ_TIMEOUT": "inf"}, "CHAINLIT_READ_TIMEOUT: expected a number of seconds"),
        ({"CHAINLIT_READ_TIMEOUT": "nan"}, "CHAINLIT_READ_TIMEOUT: expected a number of seconds"),
        ({"CHAINLIT_READ_TIMEOUT": "0.5"}, "CHAINLIT_READ_TIMEOUT: expected at least 1 seconds"),
        ({"CHAINLIT_MODELS_INTERVAL": "0"}, "expected at least 0.2 seconds"),
        ({"CHAINLIT_DEV": "maybe"}, "CHAINLIT_DEV: expected one of yes, true, on, 1"),
        ({"GATEWAY_API_KEY": "two;parts-of-it"}, "GATEWAY_API_KEY: expected 8 to 200 letters"),
        ({"GATEWAY_API_KEY_FILE": "/nowhere/key"}, "GATEWAY_API_KEY_FILE: cannot read /nowhere/"),
    ],
)
def test_bad_value_is_named(env, words):
    with pytest.raises(SettingsError, match=words):
        Settings.from_environment(env)


def test_empty_secret_file_is_an_error(tmp_path):
    path = tmp_path / "api-key"
    path.touch()
    with pytest.raises(SettingsError, match="is empty"):
        Settings.from_environment({"GATEWAY_API_KEY_FILE": str(path)})


NAMES = (
    *("GATEWAY_URL", "GATEWAY_API_KEY", "CHAINLIT_PORT", "CHAINLIT_DEV"),
    *("CHAINLIT_CONNECT_TIMEOUT", "CHAINLIT_READ_TIMEOUT", "CHAINLIT_MODELS_INTERVAL"),
)


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40)))
def test_no_text_at_all_is_refused_otherwise_than_by_name(env):
    with contextlib.suppress(SettingsError):
        Settings.from_environment(env)
