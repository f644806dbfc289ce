"""Our reader of .env and Compose's own give the same answers, on odd files and on drawn ones."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import composed, docker
from lib.commands import up
from lib.console import StepFailedError
from lib.dotenv import written
from lib.rules import RULES
from lib.settings import Settings, parse

KNOWN = {"SET": "here", "EMPTY": ""}
NAMES = ("A", "B", "C", "SET", "EMPTY")

READ = [
    (b"", {}),
    (b"A=1\nB=2\n", {"A": "1", "B": "2"}),
    (b"\xef\xbb\xbfA=1\nB=2", {"A": "1", "B": "2"}),
    (b"\xef\xbb\xbf# mine\nA=1", {"A": "1"}),
    (b"A=1\r\nB='2\r\n3'\r\n", {"A": "1", "B": "2\r\n3"}),
    (b"A=1\rB=2", {"A": "1\rB=2"}),
    (b"A=1\nA=2\nB=$A\n", {"A": "2", "B": "2"}),
    (b"SET=other\nA=$SET\n", {"A": "here"}),
    (b"EMPTY=other\nA=x${EMPTY}\n", {"A": "x"}),
    (b"A=\nB=''\nC=\"\"\n", {}),
    (b"A=a=b==c\n", {"A": "a=b==c"}),
    (b"A: 1\nB = 2\nC :3\n", {"A": "1", "B": "2", "C": "3"}),
    (b"export A=1\nexport\tB=2\n  export   C=3", {"A": "1", "B": "2", "C": "3"}),
    (b"A\nexport B\nC=1\n", {"C": "1"}),
    (b"SET\nA=1\n", {"A": "1"}),
    (b"A=1#x\nB=2 # x\nC=3\t# x\n", {"A": "1#x", "B": "2", "C": "3\t# x"}),
    (b"A=#x\nB= #x\n", {"A": "#x", "B": "#x"}),
    (b"A='x' # c\nB=\"x\"# c\n", {"A": "x", "B": "x"}),
    (b"A='x'y\nB='x'C=2\n", {"A": "x", "B": "x", "C": "2"}),
    (b"A='a\nb # no comment'\nB=1\n", {"A": "a\nb # no comment", "B": "1"}),
    (b"A='a\\'b\\n'\n", {"A": "a'b\\n"}),
    (b'A="x\\ty\\$SET\\"z\\\\n"\n', {"A": 'x\ty$SET"z\\n'}),
    (b'A="\\0101\\07\\e\\x41"\n', {"A": "A\\7\\e\\x41"}),
    (b"A=\\n\\$SET\n", {"A": "\\n\\here"}),
    (b"A=$5 $ $$SET $(id) {x}\n", {"A": "$5 $ $SET $(id) {x}"}),
    (b"A=${C:-x${SET}}y}\n", {"A": "xherey}"}),
    (b"A=${C-x}${EMPTY-x}${EMPTY:-x}\n", {"A": "xx"}),
    (b"A=${C+x}${SET+y}${EMPTY:+z}${EMPTY+w}\n", {"A": "yw"}),
    (b"A=${SET?no}${SET:?no}\n", {"A": "herehere"}),
    (b"A='$SET'\nB=\"$SET\"\n", {"A": "$SET", "B": "here"}),
    ("A=ä ☃ 模型\n\u00e4=1\n".encode(), {"A": "ä ☃ 模型"}),
    ("A=\u00a0x\u00a0\nB=\u3000x\u3000\n".encode(), {"A": "x", "B": "\u3000x"}),
    ("A=“x”\n".encode(), {"A": "“x”"}),
    (b"A=x\x1c\nB=1\x0bC=2\n", {"A": "x\x1c", "B": "1\x0bC=2"}),
    (b"A-B=1\nA.B=2\nA[0]=3\nB=4\n", {"B": "4"}),
    (b" # x\n\n\t\nA=1\\\nB=2", {"A": "1\\", "B": "2"}),
]
"""A file, and what is set in it; C and the rest are not."""

REFUSED = [
    (b"my model\n", 1, "'my model' is no name"),
    (b"A B=secret\n", 1, "'A B' is no name"),
    (b"# x\n\nA=1\n%=secret", 4, "'%' is no name"),
    (b"=secret\n", 1, "'' is no name"),
    (b"A=1\nB", 2, "'B' is no name"),
    ("“A”=1\n".encode(), 1, "'“A”' is no name"),
    (b"<<<<<<< HEAD\nA=1\n", 1, "'<<<<<<< HEAD' is no name"),
    (b"A=1\nB='secret\nC=2\n", 2, "opens a quote ' that nothing closes"),
    (b'A="secret\\"\n', 1, 'opens a quote " that nothing closes'),
    (b"A='secret\\'\n", 1, "opens a quote ' that nothing closes"),
    (b"A=1\nB=${secret\n", 2, "a $ in B"),
    (b"A=${}\n", 1, "a $ in A"),
    ("A=${ä}\n".encode(), 1, "a $ in A"),
    (b"A=${C:?secret}\n", 1, "a $ in A"),
    (b'A="${C:-a\nb}"\n', 1, "a $ in A"),
    (b"A=1\x002\n", 1, "number 0"),
    (b"A='1\\\x002'\n", 1, "number 0"),
]

with_compose = pytest.mark.skipif(
    shutil.which("docker") is None or not docker.answer("compose", "version", "--short"),
    reason="asks Compose itself",
)


def of(folder: Path, content: bytes) -> Settings:
    path = folder / ".env"
    path.write_bytes(content)
    return Settings(KNOWN, path)


@pytest.mark.parametrize(("content", "values"), READ)
def test_a_file_is_read(tmp_path: Path, content: bytes, values: dict[str, str]):
    read = of(tmp_path, content)
    assert read.unreadable is None
    expected = {**dict.fromkeys(NAMES, ""), **values, **KNOWN}
    assert {name: read.get(name) for name in NAMES} == expected


@with_compose
@pytest.mark.parametrize(("content", "values"), READ)
def test_and_compose_reads_the_same(tmp_path: Path, content: bytes, values: dict[str, str]):
    read = of(tmp_path, content)
    expected = {**dict.fromkeys(NAMES, ""), **values, **KNOWN}
    assert composed.read_by_compose(read, NAMES) == expected


@pytest.mark.parametrize(("content", "line", "says"), REFUSED)
def test_a_file_is_refused_with_the_line_and_what_to_do(
    tmp_path: Path, content: bytes, line: int, says: str
):
    read = of(tmp_path, content)
    assert read.unreadable is not None
    assert read.unreadable.message.startswith(f"line {line} of .env ")
    assert says in read.unreadable.message
    assert ".env" in read.unreadable.remedy
    assert "secret" not in read.unreadable.message + read.unreadable.remedy
    with pytest.raises(StepFailedError) as stopped:
        up.check_settings(read)
    assert read.unreadable.message in stopped.value.problem


@with_compose
@pytest.mark.parametrize("content", [one[0] for one in REFUSED])
def test_and_compose_refuses_it_too(tmp_path: Path, content: bytes):
    with pytest.raises(composed.ComposeRefusesError) as refused:
        composed.read_by_compose(of(tmp_path, content), NAMES)
    assert "secret" not in str(refused.value)


PIECES = st.sampled_from(
    [
        *("A", "B", "C=", "\nA=", "\nB='", '\nC="', "export ", "SET", "x", "1", "ä", "模"),
        *("=", ":", "\n", "\r\n", "\r", "'", '"', "\\", "#", " #", " ", "\t", "\u00a0", "\u3000"),
        *(
            "$",
            "${",
            "}",
            "$$",
            "${SET",
            "${C",
            "$A",
            ":-",
            "-",
            ":+",
            "+",
            "?",
            ":?",
            "\\n",
            "\\0101",
        ),
        *(".", "[", "{", "`", "!", "\u0085", "\x0b", "\x1c", "\ufeff", "²"),
    ]
)


@with_compose
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(PIECES, min_size=1, max_size=14).map("".join))
def test_whatever_is_written_is_read_as_compose_reads_it(tmp_path: Path, text: str):
    read = of(tmp_path, text.encode())
    try:
        its = composed.read_by_compose(read, NAMES)
    except composed.ComposeRefusesError:
        assert read.unreadable is not None
        return
    assert read.unreadable is None, read.unreadable
    assert {name: read.get(name) for name in NAMES} == its


@with_compose
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
        min_size=3,
        max_size=3,
    )
)
def test_what_up_writes_down_is_read_as_it_was_meant(tmp_path: Path, given_values: list[str]):
    values = dict(zip("ABC", given_values, strict=True))
    text = "".join(f"{name}={written(value)}\n" for name, value in values.items())
    assert parse(text) == values
    assert composed.read_by_compose(of(tmp_path, text.encode()), "ABC") == values


# ---- Compose is asked before anything starts -----------------------------------------------------


@with_compose
def test_where_both_read_the_same_nothing_is_said(tmp_path: Path):
    read = of(tmp_path, b"MODEL=phi-4-mini\nWEBUI_ADMIN_PASSWORD='a$b'\nMINE=1 # x\n")
    assert composed.disagreements(read) == []
    up.check_reading(read)


@pytest.mark.parametrize("name", ["MODEL", "WEBUI_ADMIN_PASSWORD"])
def test_another_reading_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    """A Compose of another mind: no version that can be had here is."""
    answer = json.dumps({**dict.fromkeys(RULES, ""), name: "other"})
    (tmp_path / "docker").write_text(
        f"""#!/bin/sh
case "$*" in *version*) echo 9.0; exit;; esac
cat > /dev/null
echo '{{"services": {{"a": {{"labels": {{"foundry-chat.dollar": "$"}}, "environment":'
echo '{answer}}}}}}}'
""",
        encoding="utf-8",
    )
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    read = of(tmp_path, f"{name}=sesame\n".encode())
    with pytest.raises(StepFailedError, match=f"{name}: Compose does not read it") as stopped:
        up.check_reading(read)
    assert ("sesame" in stopped.value.problem) is (name == "MODEL")
    assert "single quotes" in stopped.value.remedy


@with_compose
def test_what_compose_alone_refuses_is_told_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lib.dotenv._NAME_MARKS", frozenset("_.-[]%"))
    read = of(tmp_path, b"MODEL=x\n%=secret\n")
    (found,) = composed.disagreements(read)
    assert found.message == "Compose refuses .env: line 2: unexpected character"
    assert ".env" in found.remedy


def test_without_compose_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert composed.disagreements(of(tmp_path, b"MODEL=x\n")) == []


def test_a_compose_that_hangs_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "docker").write_text(
        '#!/bin/sh\ncase "$*" in *version*) echo 9.0; exit;; esac\nexec sleep 60\n',
        encoding="utf-8",
    )
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(composed, "SECONDS", 0.2)
    (found,) = composed.disagreements(of(tmp_path, b"MODEL=x\n"))
    assert found.message == "Compose refuses .env: it has not answered in 0.2 s"


@pytest.mark.skipif(os.name == "nt", reason="a program is told by its name there")
def test_a_docker_that_does_not_start_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program of another machine's kind."""
    (tmp_path / "docker").write_text("neither a script nor a program", encoding="utf-8")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(docker, "answer", lambda *_: "9.0")
    (found,) = composed.disagreements(of(tmp_path, b"MODEL=x\n"))
    assert found.message == "Compose refuses .env: docker does not start: Exec format error"
