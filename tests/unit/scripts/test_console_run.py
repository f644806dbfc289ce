"""A program that is run for a person, when the person presses Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lib import console

if TYPE_CHECKING:
    from pathlib import Path

PUT_AWAY = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"
KILLED = 9
RUNS_ON = "import threading; threading.Event().wait()"


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often Ctrl-C comes while a program is waited for; what it ended with is added."""
    left = [1]

    class Waited(subprocess.Popen[str]):
        def communicate(self, *arguments: object, **named: object) -> tuple[str, str]:
            if left[0]:
                left[0] -= 1
                raise KeyboardInterrupt
            return super().communicate(*arguments, **named)

        def kill(self) -> None:
            left.append(KILLED)
            super().kill()

    monkeypatch.setattr(console.subprocess, "Popen", Waited)
    return left


def test_what_it_has_begun_is_put_away_first(ctrl_c: list[int], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        console.run([sys.executable, "-c", PUT_AWAY, tmp_path / "put-away"], remedy="")
    assert (tmp_path / "put-away").exists()
    assert ctrl_c == [0]


def test_a_second_one_ends_it(ctrl_c: list[int]) -> None:
    ctrl_c[0] = 2
    with pytest.raises(KeyboardInterrupt):
        console.run([sys.executable, "-c", RUNS_ON], remedy="")
    assert ctrl_c == [0, KILLED]


def test_a_failure_shows_what_was_kept_back() -> None:
    failing = [sys.executable, "-c", "import sys; print('told'); sys.exit('complained')"]
    with pytest.raises(
        console.StepFailedError, match=r"ended with 1\.\ntold\ncomplained"
    ) as failed:
        console.run(failing, remedy="Mend it.", quiet=True)
    assert failed.value.remedy == "Mend it."
