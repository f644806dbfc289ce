"""Reading .env as Compose does, and writing down what up.py chose."""

from pathlib import Path

import pytest

from lib.settings import BLOCK_START, Settings, parse, with_block, without_block


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("MODEL=phi-4-mini", "phi-4-mini"),
        ("  export MODEL = phi-4-mini  ", "phi-4-mini"),
        ("MODEL='phi-4-mini' # quoted", "phi-4-mini"),
        ('MODEL="a # b"', "a # b"),
        ("MODEL=phi-4-mini # a comment", "phi-4-mini"),
        ("MODEL=a#b", "a#b"),
        ("MODEL=", ""),
        ("MODEL=first\nMODEL=second", "second"),
    ],
)
def test_a_line_is_read_as_compose_reads_it(line: str, value: str):
    assert parse(line) == {"MODEL": value}


def test_comments_and_names_alone_are_no_settings():
    assert parse("# MODEL=x\n\nMODEL\n#A=1") == {}


def test_a_block_is_added_replaced_and_removed_without_touching_the_rest():
    own = "# mine\nMODEL=phi-4-mini"
    once = with_block(own, {"COMPOSE_FILE": "1"})
    assert once.startswith(own + "\n" + BLOCK_START)
    assert parse(once) == {"MODEL": "phi-4-mini", "COMPOSE_FILE": "1"}
    assert parse(with_block(once, {"BUILD_NPMRC": "2"})) == {
        "MODEL": "phi-4-mini",
        "BUILD_NPMRC": "2",
    }
    assert with_block(once, {"COMPOSE_FILE": "1"}) == once
    assert without_block(once) == own + "\n"
    assert with_block(once, {}) == own + "\n"


def test_what_follows_the_block_is_kept():
    text = with_block("MODEL=a\n", {"COMPOSE_FILE": "1"}) + "MODELS=b\n"
    assert parse(without_block(text)) == {"MODEL": "a", "MODELS": "b"}


def test_the_environment_wins_over_the_file(tmp_path: Path):
    file = tmp_path / ".env"
    file.write_text("MODEL=from-file\nMODELS=a,b\n")
    settings = Settings({"MODEL": "from-environment"}, file)
    assert settings.get("MODEL") == "from-environment"
    assert settings.get("MODELS") == "a,b"
    assert settings.get("ABSENT", "default") == "default"


def test_what_was_written_down_is_not_the_users_own(tmp_path: Path):
    file = tmp_path / ".env"
    assert Settings({}, file).remember({"COMPOSE_PROFILES": "embedded"})
    again = Settings({}, file)
    assert again.get("COMPOSE_PROFILES") == "embedded"
    assert again.own("COMPOSE_PROFILES") == ""


@pytest.mark.parametrize(
    "name", ["FOUNDRY_URL", "COMPOSE_FILE", "COMPOSE_PATH_SEPARATOR", "COMPOSE_PROFILES"]
)
def test_whatever_is_written_down_is_chosen_anew_by_the_next_run(tmp_path: Path, name: str):
    """Foundry Local may be at another port after each start."""
    file = tmp_path / ".env"
    file.write_text("MODEL=a\n")
    for value in ("first", "second"):
        here = Settings({}, file)
        assert here.own(name) == ""
        assert here.remember({name: value})
        assert Settings({}, file).get(name) == value
    assert Settings({}, file).remember({})
    assert file.read_text() == "MODEL=a\n"


def test_nothing_else_is_written_down():
    with pytest.raises(ValueError, match="MODEL"):
        with_block("", {"MODEL": "a"})


def test_remembering_the_same_again_changes_nothing(tmp_path: Path):
    file = tmp_path / ".env"
    assert Settings({}, file).remember({"COMPOSE_PROFILES": "embedded"})
    before = file.stat().st_mtime_ns
    assert not Settings({}, file).remember({"COMPOSE_PROFILES": "embedded"})
    assert file.stat().st_mtime_ns == before


def test_what_the_user_has_set_is_not_written_again(tmp_path: Path):
    file = tmp_path / ".env"
    file.write_text("COMPOSE_FILE=mine.yaml\n")
    assert not Settings({}, file).remember({"COMPOSE_FILE": "compose.yaml"})
    assert file.read_text() == "COMPOSE_FILE=mine.yaml\n"


def test_a_profile_beside_the_users_own_is_written_down(tmp_path: Path):
    path = tmp_path / ".env"
    path.write_text("COMPOSE_PROFILES=containers\n")
    settings = Settings({}, path)
    assert settings.remember({"COMPOSE_PROFILES": "containers,embedded"})
    assert parse(path.read_text())["COMPOSE_PROFILES"] == "containers,embedded"
    assert Settings({}, path).own("COMPOSE_PROFILES") == "containers"
    assert settings.remember({"COMPOSE_PROFILES": "containers"}), "Foundry Local has been found"
    assert path.read_text() == "COMPOSE_PROFILES=containers\n"


def test_no_choice_leaves_no_file(tmp_path: Path):
    file = tmp_path / ".env"
    assert not Settings({}, file).remember({})
    assert not file.exists()


def test_compose_names_another_file(tmp_path: Path):
    file = tmp_path / "other.env"
    file.write_text("MODEL=x\n")
    assert Settings({"COMPOSE_ENV_FILES": str(file)}).get("MODEL") == "x"
