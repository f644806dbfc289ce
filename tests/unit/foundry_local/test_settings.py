from __future__ import annotations

from pathlib import Path

import pytest

from foundry_host.errors import SettingsError
from foundry_host.settings import (
    DEFAULT_DATA_DIR,
    PUBLIC_CATALOG_URL,
    Address,
    parse_address,
    read_settings,
)


def test_nothing_set_serves_the_demo_on_loopback() -> None:
    settings = read_settings([], {})
    assert settings.models == ()
    assert settings.addresses == (Address("127.0.0.1", 51211),)
    assert settings.demo
    assert settings.public_catalog == PUBLIC_CATALOG_URL
    assert settings.cache_dir == DEFAULT_DATA_DIR / "models"


def test_the_container_is_set_by_its_environment(tmp_path: Path) -> None:
    settings = read_settings(
        [],
        {
            "FOUNDRY_HOST_MODEL": "qwen2.5-0.5b, phi-4-mini",
            "FOUNDRY_HOST_URL": "http://127.0.0.1:51211, http://foundry-local.runtime:51211",
            "FOUNDRY_HOST_DATA_DIR": str(tmp_path),
            "FOUNDRY_HOST_MODELS_DIR": "/models",
            "FOUNDRY_HOST_EMBEDDED": "yes",
            "FOUNDRY_HOST_DEMO": "off",
            "FOUNDRY_HOST_PUBLIC_CATALOG": "no",
            "FOUNDRY_HOST_ACCELERATE": "0",
            "FOUNDRY_HOST_LOG_LEVEL": "information",
        },
    )
    assert settings.models == ("qwen2.5-0.5b", "phi-4-mini")
    assert settings.addresses == (
        Address("127.0.0.1", 51211),
        Address("foundry-local.runtime", 51211),
    )
    assert (settings.data_dir, settings.cache_dir) == (tmp_path, tmp_path / "models")
    assert settings.models_dir == Path("/models")
    assert settings.embedded
    assert not settings.demo
    assert settings.public_catalog is None
    assert not settings.accelerate
    assert settings.log_level == "Information"


def test_the_command_line_wins_over_the_environment() -> None:
    arguments = ["--model", "a", "--model", "b", "--model", "a", "--demo", "--public-catalog"]
    environ = {
        "EMBEDDED_MODEL": "c",
        "FOUNDRY_HOST_DEMO": "no",
        "FOUNDRY_HOST_PUBLIC_CATALOG": "no",
    }
    settings = read_settings(arguments, environ)
    assert settings.models == ("a", "b")
    assert settings.demo
    assert settings.public_catalog


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    environ = {"EMBEDDED_MODEL": "", "FOUNDRY_HOST_URL": "", "FOUNDRY_HOST_DEMO": ""}
    assert read_settings([], environ) == read_settings([], {})


def test_the_companion_takes_the_next_port() -> None:
    assert Address("127.0.0.1", 51211).companion == Address("127.0.0.1", 51212)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:51211", Address("127.0.0.1", 51211)),
        ("http://127.0.0.1:51211/", Address("127.0.0.1", 51211)),
        ("172.17.0.1:51211", Address("172.17.0.1", 51211)),
        ("http://localhost:51211", Address("127.0.0.1", 51211)),
        ("http://[::1]:51211", Address("::1", 51211)),
        ("http://Foundry-Local.runtime:51211", Address("foundry-local.runtime", 51211)),
    ],
)
def test_an_address_is_read(url: str, address: Address) -> None:
    assert parse_address(url) == address
    assert parse_address(address.url) == address


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://127.0.0.1:51211", "plain HTTP"),
        ("ftp://127.0.0.1:51211", "form"),
        ("http://127.0.0.1:1,http://127.0.0.1:3", "several"),
        ("http://127.0.0.1", "no port"),
        ("[::1]", "no port"),
        ("http://127.0.0.1:0", "form"),
        ("http://127.0.0.1:port", "form"),
        ("http://127.0.0.1:51211/v1", "form"),
        ("http://127.0.0.1:51211?a", "form"),
        ("http://me@127.0.0.1:51211", "form"),
        ("http://127.0.0.256:51211", "neither"),
        ("http://foundry local:51211", "neither"),
        ("http://-foundry:51211", "neither"),
        ("http://*:51211", "neither"),
        ("http://+:51211", "neither"),
        ("http://127.0.0.1:65535", "next port"),
        ("http://[::1", "form"),
        ("51999", "form"),
        ("http://[::g]:51211", "form"),
    ],
)
def test_a_bad_address_says_what_is_expected(url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as error:
        parse_address(url)
    assert url in error.value.message
    assert error.value.remedy


@pytest.mark.parametrize(
    "environ",
    [
        {"FOUNDRY_HOST_DEMO": "perhaps"},
        {"FOUNDRY_HOST_PUBLIC_CATALOG": "y"},
        {"FOUNDRY_HOST_LOG_LEVEL": "loud"},
        {"FOUNDRY_HOST_MODEL": "a,b c"},
        # The gateway takes it for one alias, so here it is one too.
        {"EMBEDDED_MODEL": "a,b"},
    ],
)
def test_a_bad_value_names_its_variable(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(environ))):
        read_settings([], environ)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", ""], "--model is given without a value"),
        (["--model", "  "], "--model is given without a value"),
        (["--models-dir", ""], "--models-dir is given without a value"),
        (["--url", ""], "--url is given without a value"),
        (["--data-dir", ""], "--data-dir is given without a value"),
        (["--model", "a b"], "--model: expected a model's alias"),
        (["--model", "a,b"], "--model: expected a model's alias"),
    ],
)
def test_an_option_that_is_no_use_is_refused_by_name(arguments: list[str], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as error:
        read_settings(arguments, {})
    assert error.value.remedy.endswith(".")
