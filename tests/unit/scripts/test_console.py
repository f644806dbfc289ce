"""Whatever a script prints to and however it is left, it ends in words and without a trace."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib.environment import ROOT

SCRIPTS = ("benchmark", "doctor", "foundry_host", "test", "up")
PROGRAM = """
import sys
from lib import console

@console.for_people
def main(arguments):
    {body}
    return 0

sys.exit(main(sys.argv[1:]))
"""
PRINTS = "[console.note(str(number)) for number in range(100_000)]"
posix = pytest.mark.skipif(os.name == "nt", reason="shells and signals of POSIX")


def environment(**settings: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), **settings}


def run(body: str, redirection: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a main function in a shell that does something to its output."""
    command = f'"$0" -c "$1" {redirection}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, sys.executable, PROGRAM.format(body=body)],
        env=environment(**settings),
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_is_guarded(name: str):
    main = importlib.import_module(f"lib.commands.{name}").main
    assert main.__wrapped__.__module__ == f"lib.commands.{name}"


def test_a_letter_that_a_console_lacks_is_a_question_mark():
    """As on Windows, where output that goes into a file is in the old encoding."""
    done = run(r"console.note('ok \u2713 \U0001f600')", "", PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stdout, done.stderr) == (0, "    ok ? ?\n", "")


@posix
@pytest.mark.parametrize(
    ("body", "redirection", "code", "says"),
    [
        (PRINTS, "| head -1", 1, ""),
        (PRINTS, ">&-", 0, ""),
        ("print('heard', file=sys.stderr)", "2>&-", 0, ""),
        ("sys.stdout.isatty() or sys.stderr.isatty()", ">&- 2>&-", 0, ""),
        ("raise KeyboardInterrupt", "", 1, "Stopped."),
        ("open('/')", "", 1, "Failed: /: Is a directory.\nTo mend it: "),
    ],
)
def test_it_ends_in_words_or_in_silence(body: str, redirection: str, code: int, says: str):
    done = run(body, redirection)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert says or not done.stderr
    assert "Traceback" not in done.stderr


INTERRUPTED = """
import os, runpy, signal, sys
class Interrupts:
    def find_spec(self, name, *_):
        if name == "lib.commands.up":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
runpy.run_path("up.py", run_name="__main__")
"""


@posix
def test_ctrl_c_while_a_script_is_still_being_read_leaves_no_trace():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        cwd=ROOT / "scripts",
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""


def test_ctrl_c_later_is_answered(tmp_path: Path):
    """What `interpreter` switched off is on again."""
    body = "import signal; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    program = f"from lib import interpreter; interpreter.require()\n{PROGRAM.format(body=body)}"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), check=False, cwd=tmp_path
    )
    assert done.returncode == 0


def test_the_benchmark_reads_its_own_command_line():
    """It runs in the tests' environment, which has to find what it is made of."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "benchmark.py", "gateway", "--nonsense"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "unrecognized arguments: --nonsense" in done.stderr
