import pytest

from foundry_chat.settings import Settings, SettingsError


def test_defaults_fit_the_compose_stack():
    settings = Settings.from_environment({})
    assert settings.gateway_url == "http://gateway:8000"
    assert settings.port == 8080
    assert settings.host == "127.0.0.1"
    assert not settings.development


def test_secret_is_read_from_its_file_and_never_shown(tmp_path):
    path = tmp_path / "api-key"
    path.write_text("sesame\n")
    settings = Settings.from_environment({"GATEWAY_API_KEY_FILE": str(path)})
    assert settings.gateway_api_key == "sesame"
    assert "sesame" not in repr(settings)


def test_plain_secret_wins_over_its_file():
    env = {"GATEWAY_API_KEY": "plain", "GATEWAY_API_KEY_FILE": "/nowhere"}
    assert Settings.from_environment(env).gateway_api_key == "plain"


def test_empty_system_prompt_is_a_choice():
    assert Settings.from_environment({"CHAINLIT_SYSTEM_PROMPT": ""}).system_prompt == ""


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"GATEWAY_URL": "gateway:8000"}, "GATEWAY_URL must be an http"),
        ({"CHAINLIT_PORT": "eighty"}, "CHAINLIT_PORT must be a number"),
        ({"CHAINLIT_PORT": "70000"}, "CHAINLIT_PORT must be between"),
        ({"GATEWAY_API_KEY_FILE": "/nowhere/key"}, "/nowhere/key, which cannot be read"),
    ],
)
def test_bad_value_is_named(env, words):
    with pytest.raises(SettingsError, match=words):
        Settings.from_environment(env)


def test_empty_secret_file_is_an_error(tmp_path):
    path = tmp_path / "api-key"
    path.touch()
    with pytest.raises(SettingsError, match="which is empty"):
        Settings.from_environment({"GATEWAY_API_KEY_FILE": str(path)})
