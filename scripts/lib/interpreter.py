"""Have a Python that is new enough: this one, or the newer one that is on this machine.

Written for every Python since 2.7, because it has to tell an old one so: no annotations, no
f-strings, and nothing of the standard library that came later.
"""

import os
import platform
import re
import signal
import subprocess
import sys
import threading

OLDEST = (3, 11)
KNOWN = ("python3", "python3.13", "python3.12", "python3.11", "python3.14", "python3.15", "python")
"""What a newer one may be called: the system's own choice first, then the well-tried."""
MAC_FOLDERS = (
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/Library/Frameworks/Python.framework/Versions/Current/bin",
)
"""Where installers put it on macOS; a terminal that was open before does not look there yet."""
SECONDS = 10.0
ASK = "import sys; print(sys.executable); print('%d.%d.%d' % sys.version_info[:3])"
OF_ANOTHER_PYTHON = ("PYTHONHOME", "__PYVENV_LAUNCHER__")
"""Environment that belongs to the Python that reads it, and misleads any other."""
DEBIANS = {"debian", "ubuntu"}
RED_HATS = {"fedora", "rhel", "centos", "amzn"}


def require():
    # type: () -> None
    """Return if this Python is new enough; else go on with a newer one, or end with 1."""
    if sys.version_info[:2] >= OLDEST:
        # Until `console.for_people` has it, Ctrl-C ends this without a trace of what was imported.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        return
    found = ".".join(str(part) for part in sys.version_info[:3])
    newer, version = newer_on_this_machine()
    if newer:
        going_on = "Python {0} is too old; going on with {1} ({2})\n"
        sys.stderr.write(going_on.format(found, newer, version))
        sys.stderr.flush()
        go_on_with(newer)
    script = sys.argv[0]
    sys.stderr.write(
        "Failed: Python {0} or newer is needed, found {1} ({2}).\nTo mend it: {3}\n".format(
            ".".join(str(part) for part in OLDEST),
            found,
            sys.executable,
            how_to_install(platform.system(), os_release(), script),
        )
    )
    sys.exit(1)


def newer_on_this_machine():
    # type: () -> tuple[str, str]
    """The first Python here that is new enough, and its version; two empty texts if none is."""
    for candidate in candidates():
        path, version = told_by(candidate)
        if path and tuple(int(part) for part in version.split(".")[:2]) >= OLDEST:
            return path, version
    return "", ""


def candidates():
    # type: () -> list[str]
    """Programs that may be a newer Python, each once; those on PATH first."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    if sys.platform == "darwin":
        folders += MAC_FOLDERS
    # Not the folder one happens to be in: what lies there was not installed.
    folders = [folder for folder in folders if os.path.isabs(folder)]
    ending = ".exe" if os.name == "nt" else ""
    paths = [os.path.join(folder, name + ending) for name in KNOWN for folder in folders]
    found = [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]
    if os.name == "nt":
        found += in_launcher_list(output(["py", "--list-paths"]))
    return sorted(set(found), key=found.index)


def in_launcher_list(text):
    # type: (str) -> list[str]
    """The interpreters in what Windows' `py --list-paths` says, in its order."""
    return re.findall(r"[A-Za-z]:\\.*?\.exe", text)


def told_by(python):
    # type: (str) -> tuple[str, str]
    """Where an interpreter really lies, and its version, by its own word; empty if it has none."""
    told = re.match(r"(.*)\r?\n(\d+\.\d+\.\d+)\s*$", output([python, "-c", ASK]))
    return (told.group(1).strip() or python, told.group(2)) if told else ("", "")


def output(command):
    # type: (list[str]) -> str
    """What a program prints; nothing when it is absent, fails or takes too long."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
    except (OSError, ValueError):
        return ""
    patience = threading.Timer(SECONDS, process.kill)
    patience.start()
    try:
        said = process.communicate()[0]
    finally:
        patience.cancel()
    return said.decode("utf-8", "replace") if process.returncode == 0 else ""


def go_on_with(python):
    # type: (str) -> None
    """Run this very command line with another interpreter; does not return."""
    command = [python] + sys.argv
    if os.name == "posix":
        os.execve(python, command, environment())
    process = subprocess.Popen(command, env=environment())
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:  # the console sends Ctrl-C to both; the other one ends by itself
            continue


def environment():
    # type: () -> dict[str, str]
    """This process's environment, without what only this interpreter should read."""
    return dict((k, v) for k, v in os.environ.items() if k not in OF_ANOTHER_PYTHON)


def os_release():
    # type: () -> str
    """The text of Linux's /etc/os-release; nothing elsewhere."""
    try:
        with open("/etc/os-release", "rb") as file:
            return file.read().decode("utf-8", "replace")
    except (OSError, IOError):
        return ""


def how_to_install(system, release, script):
    # type: (str, str, str) -> str
    """What brings a newer Python here, and how to run the script with it then.

    Args:
        system: as `platform.system()` names it.
        release: the text of /etc/os-release.
        script: as the person called it.
    """
    if system == "Windows":
        return "Run `winget install Python.Python.3.13`, then: py -3.13 {0}".format(script)
    if system == "Darwin":
        return (
            "Run `brew install python` (or take the installer from "
            "https://www.python.org/downloads/), then, in a new terminal: python3 {0}".format(
                script
            )
        )
    told = re.findall(r'(?m)^ID(?:_LIKE)?="?([^"\n]*)', release)
    names = set(re.findall(r"[a-z]+", " ".join(told)))
    install = "Install Python 3.11 or newer with this system's package manager"
    if names & DEBIANS:
        install = "Run `sudo apt install python3.11 python3.11-venv`"
    elif names & RED_HATS:
        install = "Run `sudo dnf install python3.12`"
    elif "suse" in names:
        install = "Run `sudo zypper install python311`"
    how = "(https://docs.astral.sh/uv/): uv run --no-project --python 3.13 {0}".format(script)
    return install + ", and run this again. Where no package has it, uv brings one " + how
