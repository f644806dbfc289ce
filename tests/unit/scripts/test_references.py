"""What Compose makes of a `$` in .env, and where that is not what was written."""

from pathlib import Path

import pytest

from lib.dotenv import Assignment, assignments
from lib.references import expanded, is_verbatim, unresolved
from lib.settings import Settings, parse

CASES = [
    ("KEY=pa$word", "pa"),
    ('KEY="pa$word"', "pa"),
    ("KEY='pa$word'", "pa$word"),
    ("KEY=pa$$word", "pa$word"),
    ("KEY=pa${word}x", "pax"),
    ("KEY=pa$5word", "pa$5word"),
    ("KEY=pa$", "pa$"),
    ("KEY=a$-b", "a$-b"),
    ("KEY=$(id)", "$(id)"),
    ("A=1\nKEY=$A", "1"),
    ("KEY=$A\nA=1", ""),
    ("KEY=${SET}x", "herex"),
    ("KEY=$SET", "here"),
    ("KEY=a${A:-zz}", "azz"),
    ("KEY=${SET:-zz}", "here"),
    ("KEY=${A-zz}", "zz"),
    ("KEY=a${A:+x}b", "ab"),
    ("KEY=a${SET:+x}b", "axb"),
    ("KEY=x!y", "x!y"),
]


@pytest.mark.parametrize(("text", "value"), CASES)
def test_a_value_is_what_compose_makes_of_it(text: str, value: str):
    assert parse(text, {"SET": "here"})["KEY"] == value


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("K=a$b", "$b"),
        ("K=a${b}c", "${b}"),
        ("K=a${b", "${b"),
        ("K=${}", "${}"),
        ("K=${b?needed}", "${b?needed}"),
        ("K=$SET", ""),
        ("K=${b:-c}", ""),
        ("K='$b'", ""),
        ("K=$$b", ""),
        ("K=$5", ""),
    ],
)
def test_a_reference_to_nothing_is_found(text: str, reference: str):
    (one,) = assignments(text)
    assert unresolved(one, {"SET": "x"}) == reference


@pytest.mark.parametrize(
    ("text", "verbatim"),
    [
        ("K=a$HOME", False),
        ("K=a$5", False),
        ('K="a\\nb"', False),
        ("K=a\\nb", True),
        ("K=a$$b", True),
        ("K='a$b\\n'", True),
        ("K=ab", True),
    ],
)
def test_what_reaches_the_services_as_it_was_written(text: str, *, verbatim: bool):
    (one,) = assignments(text)
    assert is_verbatim(one) is verbatim


def test_only_lines_that_count_are_looked_at(tmp_path: Path):
    path = tmp_path / ".env"
    path.write_text("A=$x\nA=b\nC=d\n", encoding="utf-8")
    lines = Settings({"C": "from the environment"}, path).lines()
    assert [one for one, _ in lines] == [Assignment("A", "b", line=2)]


def test_a_default_may_hold_another_reference():
    one = Assignment("K", "${A:-x${B:-y}}")
    assert [expanded(one, known) for known in ({"A": "a"}, {"B": "b"}, {})] == ["a", "xb", "xy"]
    assert not unresolved(one, {})
    assert unresolved(Assignment("K", "${A:-$B}"), {}) == "$B"
    assert not unresolved(Assignment("K", "${A:-$B}"), {"A": "a"})
