"""Settings from an environment."""

from pathlib import Path

import pytest

from foundry_common import values
from foundry_common.env import Reader, SettingsError


def test_an_empty_value_counts_as_unset():
    assert Reader({"A": "", "B": "  "}).optional("A") is None
    assert Reader({"B": "  "}).switch("B", default=True) is True


def test_a_refusal_names_the_setting():
    with pytest.raises(SettingsError, match=r"^FLAG: expected one of yes") as refused:
        Reader({"FLAG": "maybe"}).switch("FLAG", default=False)
    assert refused.value.name == "FLAG"


def test_a_secret_comes_from_its_file(tmp_path: Path):
    file = tmp_path / "key"
    file.write_text("abcdefgh\n")
    assert Reader({"KEY_FILE": str(file)}).secret("KEY", values.api_key) == "abcdefgh"


@pytest.mark.parametrize(("content", "told"), [("", "is empty"), ("bad key here", "expected 8")])
def test_a_file_without_a_usable_secret_is_refused(tmp_path: Path, content: str, told: str):
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(SettingsError, match=told) as refused:
        Reader({"KEY_FILE": str(file)}).secret("KEY", values.api_key)
    assert "bad key" not in str(refused.value)


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(SettingsError, match="KEY_FILE: cannot read"):
        Reader({"KEY_FILE": str(tmp_path / "none")}).secret("KEY")


def test_no_secret_is_none():
    assert Reader({}).secret("KEY") is None
