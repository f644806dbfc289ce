"""A .env saved in every way that people's editors and shells save it: used, or told how to mend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import judgement
from lib.commands import up
from lib.console import StepFailedError
from lib.doctor import configuration
from lib.doctor.results import Result
from lib.doctor.scene import Scene
from lib.settings import BLOCK_END, BLOCK_START, Settings, with_block, without_block

TEXT = "# Modèle\nMODEL=phi-4-mini\nWEBUI_ADMIN_NAME=Ädä\n"


def doctor(here: Settings) -> list[Result]:
    found = configuration.check_settings(Scene(here))
    return [found] if isinstance(found, Result) else found


def refused(here: Settings) -> judgement.Problem:
    """What both scripts say, in the same words."""
    assert here.unreadable is not None
    (told,) = doctor(here)
    assert (told.state, told.message) == ("failed", here.unreadable.message)
    assert told.remedy == here.unreadable.remedy
    with pytest.raises(StepFailedError) as stopped:
        up.check_settings(here)
    assert stopped.value.problem == f"{here.unreadable.message}."
    assert stopped.value.remedy == here.unreadable.remedy
    return here.unreadable


def obey(remedy: str) -> None:
    """Run the command of a remedy, with this Python."""
    command = remedy.partition(": ")[2].replace("python3", sys.executable, 1)
    subprocess.run(["sh", "-c", command], check=True, timeout=60)


WIDE = ["utf-16", "utf-16-le", "utf-16-be", "utf-32"]
MARKS = {"be with a mark": b"\xfe\xff" + TEXT.encode("utf-16-be")}


@pytest.mark.parametrize(
    "content",
    [TEXT.replace("\n", "\r\n").encode(one) for one in WIDE] + list(MARKS.values()),
    ids=[*WIDE, *MARKS],
)
def test_utf_16_is_refused_with_a_command_that_mends_it(tmp_path: Path, content: bytes):
    path = tmp_path / ".env"
    path.write_bytes(content)
    problem = refused(Settings({}, path))
    assert "saved as UTF-" in problem.message
    assert "PowerShell" in problem.message
    obey(problem.remedy)
    mended = Settings({}, path)
    assert mended.unreadable is None
    assert mended.get("MODEL") == "phi-4-mini"
    assert mended.get("WEBUI_ADMIN_NAME") == "Ädä"


def test_one_byte_letters_are_refused_with_their_line_and_a_command(tmp_path: Path):
    path = tmp_path / ".env"
    path.write_bytes(TEXT.encode("cp1252"))
    problem = refused(Settings({}, path))
    assert problem.message.startswith("line 3 of .env is not saved as UTF-8")
    obey(problem.remedy)
    assert Settings({}, path).get("WEBUI_ADMIN_NAME") == "Ädä"


@pytest.mark.parametrize(
    "content", [b"# Mod\xe8le\nMODEL=phi-4-mini\n", "\ufeffMODEL=phi-4-mini".encode()]
)
def test_what_compose_reads_anyway_is_used(tmp_path: Path, content: bytes):
    path = tmp_path / ".env"
    path.write_bytes(content)
    here = Settings({}, path)
    assert here.get("MODEL") == "phi-4-mini"
    assert [one.state for one in doctor(here)] == ["ok"]
    up.check_settings(here)


def test_a_folder_is_told(tmp_path: Path):
    (tmp_path / ".env").mkdir()
    problem = refused(Settings({}, tmp_path / ".env"))
    assert "it is a folder" in problem.message
    assert "Remove or rename" in problem.remedy


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As root every file may be read, so the system's refusal is made up."""

    def no(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", no)
    problem = refused(Settings({}, tmp_path / ".env"))
    assert "Permission denied" in problem.message
    assert "chmod u+rw" in problem.remedy


@pytest.mark.skipif(os.name == "nt", reason="owners are of POSIX")
@pytest.mark.parametrize(("owner", "command"), [(0, "chmod u+rw"), (1, "sudo chown $(id -u)")])
def test_a_file_that_may_not_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, command: str
):
    """A first run as root leaves a file that later ones may read and not write."""
    path = tmp_path / ".env"
    path.write_text("MODEL=a\n")
    here = Settings({}, path)

    def no(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", no)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + owner)
    with pytest.raises(StepFailedError) as stopped:
        here.remember({"COMPOSE_PROFILES": "embedded"})
    assert stopped.value.problem == ".env cannot be written: Permission denied."
    assert f"{command} '" in stopped.value.remedy
    assert path.read_text() == "MODEL=a\n"


@pytest.mark.parametrize("switch", ["1", "true", "T"])
def test_a_file_that_compose_is_told_to_leave_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str
):
    monkeypatch.setattr("lib.settings.ROOT", tmp_path)
    environment = {"COMPOSE_DISABLE_ENV_FILE": switch}
    assert Settings(environment).unreadable is None, "there is none"
    (tmp_path / ".env").write_text("MODEL=a\n")
    assert "keeps Compose from reading .env" in refused(Settings(environment)).message
    assert Settings({"COMPOSE_DISABLE_ENV_FILE": "false"}).get("MODEL") == "a"


def test_a_link_to_itself_is_told(tmp_path: Path):
    (tmp_path / ".env").symlink_to(tmp_path / ".env")
    assert "cannot be read" in refused(Settings({}, tmp_path / ".env")).message


@pytest.mark.parametrize("other", [".env.txt", "env.txt", ".env.rtf"])
def test_a_hidden_extension_is_pointed_out(
    tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / other).write_text(TEXT)
    here = Settings({}, tmp_path / ".env")
    (told,) = doctor(here)
    assert told.state == "warning"
    assert f"there is no .env, but {other}" in told.message
    up.check_settings(here)
    assert told.remedy in capsys.readouterr().out
    command = told.remedy.partition(": ")[2]
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60)
    assert Settings({}, tmp_path / ".env").get("MODEL") == "phi-4-mini"
    (tmp_path / other).write_text("kept as a copy")
    assert judgement.warnings(Settings({}, tmp_path / ".env")) == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MODLE", "MODEL"),
        ("model", "MODEL"),
        ("OPENWEBUI_PORT", "OPEN_WEBUI_PORT"),
        ("EMBEDED_MODELS_DIR", "EMBEDDED_MODELS_DIR"),
        ("COMPOSE_PROFILE", "COMPOSE_PROFILES"),
        ("COMPOSE_PROJECTNAME", "COMPOSE_PROJECT_NAME"),
    ],
)
def test_a_misspelt_name_is_told_by_both_with_the_right_one(
    tmp_path: Path, name: str, near: str, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / ".env").write_text(f"{name}=8\n")
    here = Settings({}, tmp_path / ".env")
    (told,) = doctor(here)
    assert (told.state, told.message) == (
        "warning",
        f"{name} is no setting; did you mean {near}?",
    )
    up.check_settings(here)
    assert told.message in capsys.readouterr().out


@pytest.mark.parametrize("name", ["COMPOSE_PARALLEL_LIMIT", "FAVOURITE", "TZ", "HTTPS_PROXY"])
def test_a_name_of_ones_own_is_no_misspelling(tmp_path: Path, name: str):
    (tmp_path / ".env").write_text(f"{name}=1\n")
    assert judgement.warnings(Settings({}, tmp_path / ".env")) == []


@pytest.mark.parametrize(
    ("named", "says"),
    [("a.env,b.env", "names several files"), ("absent.env", "'absent.env', which is not there")],
)
def test_a_file_that_compose_would_not_find_is_told(named: str, says: str):
    problem = refused(Settings({"COMPOSE_ENV_FILES": named}))
    assert says in problem.message
    assert problem.setting == "COMPOSE_ENV_FILES"


def test_an_empty_variable_of_the_environment_wins_over_the_file(tmp_path: Path):
    (tmp_path / ".env").write_text("MODEL=from-file\n")
    here = Settings({"MODEL": ""}, tmp_path / ".env")
    assert here.get("MODEL", "default") == "default"
    assert here.own("MODEL") == ""


# ---- What up.py writes ---------------------------------------------------------------------------

CHOICES = {"COMPOSE_PROFILES": "embedded", "BUILD_CA_BUNDLE": "/a b/$x #1'\".pem"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MODEL=a",
        b"MODEL=a\n\n",
        b"\xef\xbb\xbfMODEL=a\r\n# x\r\nMODELS=b",
        b"\xef\xbb\xbf",
        b"# \xe4\xff\nMODEL='a\nb'\n",
        b"MODEL=a\rMODELS=b\n",
        "MODEL=x\u2028y\u0085z\n".encode(),
    ],
)
def test_what_the_user_wrote_stays_as_it_was_to_the_byte(tmp_path: Path, content: bytes):
    path = tmp_path / ".env"
    path.write_bytes(content)
    before = Settings({}, path)
    assert before.unreadable is None
    assert before.remember(CHOICES)
    after = path.read_bytes()
    assert after.startswith(content)
    end = b"\r\n" if b"\r\n" in content else b"\n"
    assert after.count(b"\n") - content.count(b"\n") in {4, 5}
    assert after.endswith(BLOCK_END.encode() + end)
    again = Settings({}, path)
    assert {name: again.get(name) for name in CHOICES} == CHOICES
    assert again.own("COMPOSE_PROFILES") == ""
    assert again.own("MODEL") == before.own("MODEL")
    assert not again.remember(CHOICES)
    again.remember({})
    assert path.read_bytes().rstrip() == content.rstrip()


def test_a_file_that_cannot_be_read_is_left_alone(tmp_path: Path):
    content = TEXT.encode("utf-16")
    (tmp_path / ".env").write_bytes(content)
    assert not Settings({}, tmp_path / ".env").remember(CHOICES)
    assert (tmp_path / ".env").read_bytes() == content


def test_lines_of_the_user_within_the_block_are_kept():
    text = f"MODEL=a\n{BLOCK_START}\nCOMPOSE_FILE=x\nMODELS=mine\n{BLOCK_END}\n"
    assert without_block(text) == "MODEL=a\nMODELS=mine\n"


def test_a_block_without_its_end_takes_nothing_along():
    text = f"MODEL=a\n{BLOCK_START}\nCOMPOSE_FILE=x\nMODELS=mine\n"
    assert without_block(text) == "MODEL=a\nCOMPOSE_FILE=x\nMODELS=mine\n"


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from(
                ["MODEL=a", "'", '"', "\n", "\r\n", "\ufeff", "#", BLOCK_START, BLOCK_END, "A=1"]
            )
        ).map(lambda pieces: "".join(pieces).encode()),
    )
)
def test_whatever_bytes_there_are_both_go_on_or_say_why(tmp_path: Path, content: bytes):
    path = tmp_path / ".env"
    path.write_bytes(content)
    here = Settings({}, path)
    for problem in judgement.problems(here):
        (problem.message + problem.remedy).encode("utf-8")
        assert problem.remedy
    if here.unreadable:
        assert not here.remember(CHOICES)
        assert path.read_bytes() == content
        return
    own = {name: here.own(name) for name in here.own_names()}
    here.remember(CHOICES)
    again = Settings({}, path)
    assert again.unreadable is None, path.read_bytes()
    assert {name: again.own(name) for name in own} == own


def test_several_blocks_become_one():
    text = with_block("A=1\n", {"COMPOSE_FILE": "x"}) + with_block("B=2\n", {"COMPOSE_FILE": "y"})
    assert with_block(text, {"COMPOSE_FILE": "z"}).count(BLOCK_START) == 1
    assert without_block(text) == "A=1\nB=2\n"
