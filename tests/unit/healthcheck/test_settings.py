from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundry_healthcheck import Settings, SettingsError


def test_no_environment_at_all_is_fine() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.upstreams == ("http://host.docker.internal:51211",)
    assert (settings.interval, settings.chat_interval, settings.chat_max_tokens) == (10, 60, 16)
    assert not settings.loads_models


def test_every_address_of_foundry_is_kept_in_order_the_stacks_own_last() -> None:
    env = {"FOUNDRY_URL": "http://b:1/v1/, a:2 ,http://b:1", "EMBEDDED_URL": "foundry-local:51211"}
    settings = Settings.from_env(env)
    assert settings.upstreams == ("http://b:1", "http://a:2", "http://foundry-local:51211")


def test_an_unset_address_is_a_part_that_is_not_probed() -> None:
    settings = Settings.from_env({"CHAINLIT_URL": "http://chainlit:8080", "GRAFANA_URL": ""})
    assert settings.chainlit_url == "http://chainlit:8080"
    assert settings.grafana_url is None


def test_a_secret_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cret-key\n", encoding="utf-8")
    settings = Settings.from_env({"GATEWAY_API_KEY_FILE": str(path)})
    assert settings.api_key == "s3cret-key"
    assert "s3cret-key" not in repr(settings)


@pytest.mark.parametrize(
    ("word", "value"), [("yes", True), ("TRUE", True), ("1", True), ("no", False), ("off", False)]
)
def test_a_switch_is_read_in_the_usual_words(word: str, *, value: bool) -> None:
    assert Settings.from_env({"HEALTHCHECK_LOADS_MODELS": word}).loads_models is value


def test_no_question_at_all_may_be_asked() -> None:
    assert Settings.from_env({"HEALTHCHECK_CHAT_INTERVAL": "0"}).chat_interval == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FOUNDRY_URL", "ftp://host:1"),
        ("FOUNDRY_URL", ","),
        ("FOUNDRY_URL", "http://[::1"),
        ("ALLOWED_HOSTS", "a..b"),
        ("GATEWAY_URL", "http://user:secret@host:1"),
        ("GRAFANA_URL", "http://host:port"),
        ("HEALTHCHECK_PORT", "70000"),
        ("HEALTHCHECK_INTERVAL", "0"),
        ("HEALTHCHECK_INTERVAL", "601"),
        ("HEALTHCHECK_CHAT_INTERVAL", "-1"),
        ("HEALTHCHECK_CHAT_INTERVAL", "601"),
        ("HEALTHCHECK_TIMEOUT", "soon"),
        ("HEALTHCHECK_TIMEOUT", "121"),
        ("HEALTHCHECK_CHAT_TIMEOUT", "301"),
        ("HEALTHCHECK_CHAT_MAX_TOKENS", "0"),
        ("HEALTHCHECK_LOADS_MODELS", "perhaps"),
        ("HEALTHCHECK_LOG_LEVEL", "LOUD"),
        ("GATEWAY_API_KEY", "secret;of-mine"),
        ("GATEWAY_API_KEY_FILE", "/nowhere/key"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.from_env({name: value})
    assert caught.value.name == name
    assert "secret" not in str(caught.value)


NAMES = (
    *("FOUNDRY_URL", "GATEWAY_URL", "GATEWAY_API_KEY", "ALLOWED_HOSTS"),
    *("HEALTHCHECK_PORT", "HEALTHCHECK_INTERVAL", "HEALTHCHECK_LOADS_MODELS"),
    *("HEALTHCHECK_CHAT_INTERVAL", "HEALTHCHECK_CHAT_MAX_TOKENS", "HEALTHCHECK_LOG_LEVEL"),
)


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40)))
def test_no_text_at_all_is_refused_otherwise_than_by_name(env: dict[str, str]) -> None:
    with contextlib.suppress(SettingsError):
        Settings.from_env(env)
