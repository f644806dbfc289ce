from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundry_gateway import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def test_no_environment_at_all_is_fine() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.foundry_urls == ("http://host.docker.internal:51211",)
    assert settings.model == "phi-4-mini"
    assert settings.embedded_model == "qwen2.5-0.5b"
    assert (settings.max_concurrency, settings.max_queue) == (8, 64)


def test_addresses_are_reduced_to_their_origin_in_order() -> None:
    env = {"FOUNDRY_URL": "http://b:1/v1/, a:2 ,https://[::1]/x,http://b:1"}
    assert Settings.from_env(env).foundry_urls == (
        "http://b:1",
        "http://a:2",
        "https://[::1]:443",
    )


def test_an_empty_value_counts_as_unset() -> None:
    assert Settings.from_env({"FOUNDRY_URL": "", "MODEL": " ", "GATEWAY_PORT": ""}) == Settings()


def test_offered_models_are_listed_once_and_the_default_first() -> None:
    env = {"MODEL": "a", "MODELS": "b, a ,c,", "EMBEDDING_MODEL": "e"}
    assert Settings.from_env(env).offered == ("a", "b", "c", "e")


def test_a_secret_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cret-key\n", encoding="utf-8")
    settings = Settings.from_env({"GATEWAY_API_KEY_FILE": str(path)})
    assert settings.api_key == "s3cret-key"
    assert "s3cret-key" not in repr(settings)


def test_a_secret_given_directly_wins_over_its_file(tmp_path: Path) -> None:
    env = {"GATEWAY_API_KEY": "direct-key", "GATEWAY_API_KEY_FILE": str(tmp_path / "none")}
    assert Settings.from_env(env).api_key == "direct-key"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FOUNDRY_URL", "ftp://host:1"),
        ("FOUNDRY_URL", "http://"),
        ("FOUNDRY_URL", "http://host:port"),
        ("FOUNDRY_URL", "http://host:70000"),
        ("FOUNDRY_URL", "http://user:secret@host:1"),
        ("FOUNDRY_URL", " , "),
        ("FOUNDRY_URL", "http://[::1"),
        ("FOUNDRY_URL", "http://]["),
        ("EMBEDDED_URL", "http://[::1"),
        ("ALLOWED_HOSTS", "a..b"),
        ("GATEWAY_API_KEY", "short"),
        ("GATEWAY_API_KEY", "with;semicolon"),
        ("GATEWAY_MAX_BODY_BYTES", "1000"),
        ("GATEWAY_MAX_BODY_BYTES", "16777217"),
        ("GATEWAY_MAX_BODY_BYTES", "12M"),
        ("GATEWAY_MAX_PROMPT_TOKENS", "0"),
        ("MODEL", "a b"),
        ("GATEWAY_PORT", "eight"),
        ("GATEWAY_PORT", "70000"),
        ("GATEWAY_MAX_CONCURRENCY", "0"),
        ("GATEWAY_MAX_QUEUE", "-1"),
        ("GATEWAY_IDLE_TIMEOUT", "0"),
        ("GATEWAY_IDLE_TIMEOUT", "nan"),
        ("GATEWAY_LOG_LEVEL", "LOUD"),
        ("GATEWAY_API_KEY_FILE", "/no/such/file"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value})


def test_an_empty_secret_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch()
    with pytest.raises(SettingsError, match="empty"):
        Settings.from_env({"GATEWAY_API_KEY_FILE": str(path)})
