"""Prometheus for the tests: Debian's package, unpacked rather than installed."""

import os
import shutil
import subprocess

from lib.console import StepFailedError, note, run
from lib.debian import is_root
from lib.environment import ROOT

UNPACKED = ROOT / ".cache" / "prometheus"
PROGRAMS = ("prometheus", "promtool")


def prepare() -> None:
    """Have `prometheus` and `promtool` on PATH: those of this machine, or Debian's.

    The package would also add a user and start a server at every boot; its two programs need
    neither, nor anything but libc. So it is only unpacked, which needs no root either.

    Raises:
        StepFailedError: not Debian or Ubuntu, or the package cannot be had.
    """
    if all(map(shutil.which, PROGRAMS)):
        return
    unpacked = UNPACKED / "usr" / "bin"
    if not all((unpacked / name).exists() for name in PROGRAMS):
        _unpack()
    os.environ["PATH"] = f"{unpacked}{os.pathsep}{os.environ['PATH']}"


def _unpack() -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise StepFailedError(
            "Missing: Prometheus, whose rules the tests check.",
            "Install it so that `prometheus` and `promtool` are on PATH, then run this again.",
        )
    note(f"unpacking Debian's prometheus into {UNPACKED.relative_to(ROOT)}")
    shutil.rmtree(UNPACKED, ignore_errors=True)
    UNPACKED.mkdir(parents=True)
    remedy = "Check that this machine reaches its Debian mirror, then run this again."
    download = ["apt-get", "download", "-qq", "prometheus"]
    # A package list that is missing or old makes the first try fail, so that is when it is renewed.
    tried = subprocess.run(download, check=False, capture_output=True, cwd=UNPACKED)
    if tried.returncode != 0:
        if is_root():
            run(["apt-get", "update", "-qq"], remedy=remedy, quiet=True)
        run(download, remedy=remedy, quiet=True, cwd=UNPACKED)
    (package,) = sorted(UNPACKED.glob("prometheus_*.deb"))
    run(["dpkg-deb", "--extract", str(package), str(UNPACKED)], remedy=remedy, quiet=True)
    package.unlink()
