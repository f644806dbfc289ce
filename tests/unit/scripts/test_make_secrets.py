"""The one-shot that makes the secrets."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.stack import ROOT


@pytest.fixture(scope="module")
def make_secrets() -> ModuleType:
    path = ROOT / "services" / "secrets" / "make_secrets.py"
    spec = importlib.util.spec_from_file_location("make_secrets", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "chainlit").mkdir()
    (tmp_path / "open-webui").mkdir()
    (tmp_path / "grafana").mkdir()
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_each_is_made_once_and_kept(make_secrets: ModuleType, folder: Path):
    assert make_secrets.main([str(folder)], {}) == 0
    made = contents(folder)
    assert set(made) == {
        "gateway/api-key",
        "chainlit/auth-secret",
        "open-webui/secret-key",
        "grafana/admin-password",
    }
    assert len(set(made.values())) == len(made)
    assert all(len(value) >= 40 for value in made.values())
    assert make_secrets.main([str(folder)], {}) == 0
    assert contents(folder) == made


def test_only_the_owner_may_read_them(make_secrets: ModuleType, folder: Path):
    make_secrets.main([str(folder)], {})
    assert (folder / "gateway" / "api-key").stat().st_mode & 0o777 == 0o400


def test_a_key_of_the_users_own_replaces_the_generated_one_and_stays(
    make_secrets: ModuleType, folder: Path
):
    make_secrets.main([str(folder)], {})
    make_secrets.main([str(folder)], {"GATEWAY_API_KEY": "a-key-of-my-own"})
    assert contents(folder)["gateway/api-key"] == "a-key-of-my-own"
    make_secrets.main([str(folder)], {"GATEWAY_API_KEY": ""})
    assert contents(folder)["gateway/api-key"] == "a-key-of-my-own"


@pytest.mark.parametrize(
    "key",
    [
        *("short", "with a space", "schlüssel-schlüssel", "two\nlines-of-it", "k" * 201),
        *(f"abcd{character}efgh" for character in "!,:$\";{}\\@%(?'`#&*|<>^[]"),
    ],
)
def test_a_key_that_some_reader_would_take_otherwise_is_refused_and_not_shown(
    make_secrets: ModuleType, folder: Path, key: str, capsys: pytest.CaptureFixture[str]
):
    assert make_secrets.main([str(folder)], {"GATEWAY_API_KEY": key}) == 1
    told = capsys.readouterr()
    assert "GATEWAY_API_KEY" in told.err
    assert key not in told.err + told.out
    assert contents(folder) == {}


def test_a_kept_key_that_some_reader_cannot_take_is_told(
    make_secrets: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "gateway" / "api-key").write_text("set-before;the-rule")
    assert make_secrets.main([str(folder)], {}) == 1
    assert "set GATEWAY_API_KEY in .env" in capsys.readouterr().err
    assert make_secrets.main([str(folder)], {"GATEWAY_API_KEY": "a-key-of-my-own"}) == 0
    assert contents(folder)["gateway/api-key"] == "a-key-of-my-own"


def test_nothing_secret_is_printed(
    make_secrets: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
):
    make_secrets.main([str(folder)], {})
    printed = capsys.readouterr().out
    assert "gateway/api-key: generated" in printed
    assert not any(value in printed for value in contents(folder).values())


def test_wrong_usage_ends_with_two(make_secrets: ModuleType):
    assert make_secrets.main([], {}) == 2
