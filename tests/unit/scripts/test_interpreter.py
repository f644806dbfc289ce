"""Starting a script with an old Python: going on with a newer one, or saying what is needed.

Pythons as old as 2.7 take part where this machine has them (pyenv keeps its under PYENV_ROOT);
everywhere, a new one plays an old one's part.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lib import interpreter

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ("benchmark", "doctor", "foundry_host", "test", "up")
PLAYED = """
import runpy, sys
sys.version_info = (3, 9, 6, "final", 0)
script = sys.argv[1]
sys.argv[:] = sys.argv[1:]
sys.path.insert(0, {folder!r})
runpy.run_path(script, run_name="__main__")
"""


def old_pythons() -> list[Path]:
    """The interpreters on this machine that are too old, one of each version."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {path.parents[1].name: path for path in root.glob("versions/*/bin/python")}
    return [
        path
        for version, path in sorted(found.items())
        if tuple(map(int, re.findall(r"\d+", version)[:2])) < interpreter.OLDEST
    ]


def start(command: list[str | Path], path: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with a PATH of one folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "PATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, env=environment, cwd=ROOT, check=False, capture_output=True, encoding="utf-8"
    )


def as_old(name: str, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script with this very Python, which says of itself that it is 3.9.6."""
    played = PLAYED.format(folder=str(ROOT / "scripts"))
    return start([sys.executable, "-c", played, f"scripts/{name}.py", *options], path)


def is_told(done: subprocess.CompletedProcess[str], found: str, name: str) -> bool:
    """Whether an old Python was refused with what was found, what is wanted and what to do."""
    return (
        done.returncode == 1
        and done.stderr.startswith(f"Failed: Python 3.11 or newer is needed, found {found} (")
        and f"scripts/{name}.py" in done.stderr.partition("To mend it: ")[2]
        and "Traceback" not in done.stderr
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_old_python_is_told_what_is_needed(name: str, tmp_path: Path) -> None:
    done = as_old(name, tmp_path)
    assert is_told(done, "3.9.6", name), done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_an_old_python_reads_has_no_newer_syntax(name: str) -> None:
    for path in (ROOT / f"scripts/{name}.py", Path(interpreter.__file__)):
        source = path.read_text(encoding="ascii")  # Python 2 takes nothing else unannounced
        tree = ast.parse(source, feature_version=(3, 4))
        for node in ast.walk(tree):
            assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr), path
            if isinstance(node, ast.FunctionDef):
                assert not node.returns, path
                assert not any(argument.annotation for argument in node.args.args), path


def test_real_old_pythons_are_told_so(tmp_path: Path) -> None:
    for number, python in enumerate(old_pythons()):
        name = SCRIPTS[number % len(SCRIPTS)]
        done = start([python, f"scripts/{name}.py"], tmp_path)
        assert is_told(done, python.parents[1].name, name), (python, done.stderr)


@pytest.mark.skipif(
    os.name == "nt", reason="there the launcher is asked, which the next test reads"
)
def test_a_newer_python_on_path_goes_on_with_the_same_arguments(tmp_path: Path) -> None:
    (tmp_path / "python3.12").symlink_to(sys.executable)
    for python in [*old_pythons(), None]:
        if python is None:
            done = as_old("doctor", tmp_path, "--bogus")
        else:
            done = start([python, "scripts/doctor.py", "--bogus"], tmp_path)
        assert done.returncode == 2, done.stderr
        assert "is too old; going on with " in done.stderr
        assert "unrecognized arguments: --bogus" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="as above")
@pytest.mark.parametrize(
    "says", ["exit 1", "echo nonsense", "echo /usr/bin/python3; echo 3.10.2", "exec sleep 60"]
)
def test_what_only_looks_like_a_newer_python_is_not_used(
    says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "python3.12"
    stand_in.write_text(f"#!/bin/sh\n{says}\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(interpreter, "SECONDS", 0.5)
    assert interpreter.told_by(str(stand_in)) in {("", ""), ("/usr/bin/python3", "3.10.2")}
    monkeypatch.setattr(interpreter, "candidates", lambda: [str(stand_in)])
    assert interpreter.newer_on_this_machine() == ("", "")


def test_the_folder_one_is_in_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python3.12").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", str(tmp_path / "none")]))
    assert interpreter.candidates() == []


def test_windows_launcher_is_read() -> None:
    """`py --list-paths`, as the launcher of 3.11 and 3.12 prints it, and that of 3.8."""
    told = (
        " -V:3.13 *        C:\\Program Files\\Python313\\python.exe\r\n"
        " -V:3.9-32        C:\\Users\\Ann Lee\\AppData\\Python39-32\\python.exe\r\n"
    )
    older = "Installed Pythons found by py Launcher for Windows\n -3.12-64 \tD:\\py\\python.exe *\n"
    assert interpreter.in_launcher_list(told) == [
        "C:\\Program Files\\Python313\\python.exe",
        "C:\\Users\\Ann Lee\\AppData\\Python39-32\\python.exe",
    ]
    assert interpreter.in_launcher_list(older) == ["D:\\py\\python.exe"]
    assert interpreter.in_launcher_list("") == []


@pytest.mark.parametrize(
    ("system", "release", "command"),
    [
        ("Windows", "", "py -3.13 up.py"),
        ("Darwin", "", "brew install python"),
        ("Linux", "ID=ubuntu\nID_LIKE=debian\n", "apt install python3.11"),
        ("Linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install python3.12"),
        ("Linux", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "zypper install"),
        ("Linux", "ID=void\n", "package manager"),
        ("Linux", "", "uv run"),
        ("FreeBSD", "", "uv run"),
    ],
)
def test_the_remedy_is_that_of_the_system(system: str, release: str, command: str) -> None:
    assert command in interpreter.how_to_install(system, release, "up.py")
