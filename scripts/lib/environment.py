"""Virtual environments from lock files, made once and remade when the lock changes."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lib.console import StepFailedError, note, run

ROOT = Path(__file__).resolve().parents[2]
UV = "uv==0.13.9"
"""The installer of the locks: the version that compiled them."""


COMMON = ROOT / "packages" / "foundry_common" / "src"
"""What all parts share; standard library only."""

SOURCES = (
    COMMON,
    *(ROOT / "services" / name / "src" for name in ("gateway", "chainlit", "foundry-local")),
)
"""What the tests' environment holds from its sources."""


def hand_over(path: Path) -> None:
    """Give what root has made to the owner of the folder it is in, who is to change it later.

    On Debian the first run of `up.py` is root's, and the checkout a user's.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    folder = path.parent.stat()
    with contextlib.suppress(OSError):  # a file system without owners
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def test_environment() -> Path:
    """The environment that holds every service and the tests' own tools; its interpreter."""
    return ensure(ROOT / ".venv", ROOT / "tests" / "requirements.lock", sources=SOURCES)


def python_of(environment: Path) -> Path:
    """The interpreter inside a virtual environment, on any system."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure(environment: Path, lock: Path, sources: Sequence[Path] = ()) -> Path:
    """Make a virtual environment hold exactly what a lock file says.

    Args:
        environment: folder of the virtual environment; made when absent.
        lock: requirements with hashes, as `uv pip compile --generate-hashes` writes them.
        sources: folders of this repository whose packages are importable there.

    Returns:
        The environment's interpreter.

    Raises:
        StepFailedError: a package could not be installed.
    """
    stamp = environment / "lock.sha256"
    digest = hashlib.sha256(lock.read_bytes() + UV.encode() + repr(sources).encode()).hexdigest()
    python = python_of(environment)
    if python.exists() and stamp.exists() and stamp.read_text() == digest:
        return python

    note(f"installing {lock.relative_to(ROOT)} into {environment.name}")
    if not python.exists():
        _create(environment)
    stamp.unlink(missing_ok=True)
    remedy = "Check that this machine reaches its Python package index, then run this again."
    run([python, "-m", "pip", "install", "--quiet", UV], remedy=remedy, quiet=True)
    exactly = ["--require-hashes", "--no-deps", "--requirements", str(lock)]
    run(
        [python, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *exactly],
        remedy=remedy,
        quiet=True,
        env=_uv_environment(),
    )
    point_at(sources, _site_packages(python))
    stamp.write_text(digest)
    return python


def point_at(sources: Sequence[Path], packages: Path) -> None:
    """Make packages importable from their sources, as an editable installation does.

    Ways from here to there: the whole ones may hold letters that Python's encoding for such a file
    lacks.

    Args:
        sources: folders that hold packages.
        packages: an environment's own packages.
    """
    ways = "\n".join(os.path.relpath(source, packages) for source in sources)
    (packages / "foundry-chat.pth").write_text(ways, encoding="ascii")


def _site_packages(python: Path) -> Path:
    """Where an environment keeps its packages."""
    path = "os.fsencode(sysconfig.get_path('purelib'))"
    ask = f"import os, sys, sysconfig; sys.stdout.buffer.write({path})"
    told = subprocess.run([python, "-c", ask], check=True, capture_output=True)
    return Path(os.fsdecode(told.stdout))


def _uv_environment() -> dict[str, str]:
    """This process's environment, with pip's index and certificates where uv looks for them."""
    env = dict(os.environ)
    index = _pip_setting("index-url")
    if index and "UV_DEFAULT_INDEX" not in env:
        env["UV_DEFAULT_INDEX"] = index
    certificates = env.get("PIP_CERT") or env.get("REQUESTS_CA_BUNDLE")
    if certificates and "SSL_CERT_FILE" not in env:
        env["SSL_CERT_FILE"] = certificates
    return env


def _pip_setting(name: str) -> str:
    """A value of pip's own configuration (`global.NAME`), or nothing."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", f"global.{name}"],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _create(environment: Path) -> None:
    """Make an empty virtual environment; Debian keeps `ensurepip` in a package of its own.

    Raises:
        StepFailedError: it cannot be made; with what Python says.
    """
    shutil.rmtree(environment, ignore_errors=True)
    make = [sys.executable, "-m", "venv", str(environment)]
    done = subprocess.run(
        make, check=False, capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode == 0:
        return
    shutil.rmtree(environment, ignore_errors=True)
    said = f"{done.stdout}\n{done.stderr}".strip()
    if "ensurepip" not in said and "No module named" not in said:
        raise StepFailedError(
            f"{environment.name} cannot be made: {said.splitlines()[-1] if said else 'no reason'}",
            "Mend that (this user has to be able to write there), and run this again.",
        )
    install_debian_packages(["python3-venv"])
    run(make, remedy="Install Python's venv module, then run this again.", quiet=True)


POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program before a package starts its service."""


@contextlib.contextmanager
def services_stay_stopped() -> Iterator[None]:
    """Packages installed meanwhile do not start their services; a policy that is there stands."""
    if POLICY.exists() or not os.access(POLICY.parent, os.W_OK):
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def install_debian_packages(packages: Sequence[str]) -> None:
    """Install packages with apt where we may; elsewhere say what to install.

    Raises:
        StepFailedError: not root, not Debian, or apt failed.
    """
    remedy = f"Install these packages, then run this again: {' '.join(packages)}"
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        raise StepFailedError(f"Missing: {' '.join(packages)}.", remedy)
    note(f"installing {' '.join(packages)}")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    # A package list that is missing or old makes the first try fail, so that is when it is renewed.
    if subprocess.run(install, check=False, capture_output=True, env=env).returncode != 0:
        run(["apt-get", "update", "-qq"], remedy=remedy, quiet=True, env=env)
        run(install, remedy=remedy, quiet=True, env=env)
