"""Debian and Ubuntu: which one this is, where its packages come from, installing Docker."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lib.console import StepFailedError, note, run
from lib.environment import install_debian_packages
from lib.settings import parse

APT = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TRIXIE_SOURCE = Path("/etc/apt/sources.list.d/foundry-chat.sources")
TRIXIE_PIN = Path("/etc/apt/preferences.d/foundry-chat")

DEBIAN_PACKAGES = ("docker.io", "docker-cli", "docker-compose", "docker-buildx")
UBUNTU_PACKAGES = ("docker.io", "docker-compose-v2", "docker-buildx")
FIRST_DEBIAN_WITH_COMPOSE_V2 = 13
FIRST_DEBIAN_THAT_TAKES_THEM = 12


def release() -> dict[str, str]:
    """`/etc/os-release` as a dictionary; empty where there is none."""
    path = Path("/etc/os-release")
    try:
        return parse(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        return {}


def is_root() -> bool:
    """Whether this process may install packages."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def docker_packages(system: dict[str, str]) -> tuple[str, ...]:
    """The packages that bring Docker Engine, Compose v2 and Buildx; none where unknown."""
    if system.get("ID") == "ubuntu":
        return UBUNTU_PACKAGES
    if system.get("ID") == "debian" and debian_version(system) >= FIRST_DEBIAN_THAT_TAKES_THEM:
        return DEBIAN_PACKAGES
    return ()


def debian_version(system: dict[str, str]) -> int:
    """Debian's major version; testing and unstable, which carry none, count as the newest."""
    number = system.get("VERSION_ID", "")
    return int(number.partition(".")[0]) if number[:1].isdigit() else 99


def install_docker(system: dict[str, str]) -> None:
    """Install Docker Engine, Compose and Buildx from the distribution's packages.

    Debian 12 has no Compose v2, so there the four packages come from Debian 13, through the same
    mirror; a pin keeps every other package where it is.

    Raises:
        StepFailedError: the packages cannot be had.
    """
    packages = docker_packages(system)
    if system["ID"] == "debian" and debian_version(system) < FIRST_DEBIAN_WITH_COMPOSE_V2:
        note(f"Debian {system['VERSION_ID']} has no Compose v2: taking Docker from Debian 13")
        address = mirror()
        if not address:
            raise StepFailedError(
                "No address of Debian's archive is in this machine's apt sources.",
                "Add one to /etc/apt/sources.list, then run this again.",
            )
        TRIXIE_SOURCE.write_text(trixie_source(address), encoding="utf-8")
        TRIXIE_PIN.write_text(trixie_pin(packages), encoding="utf-8")
        only_trixie = [f"-oDir::Etc::sourcelist={TRIXIE_SOURCE}", "-oDir::Etc::sourceparts=-"]
        run(
            ["apt-get", "update", "-qq", *only_trixie, "-oAPT::Get::List-Cleanup=0"],
            remedy=f"Check that {address} answers from this machine, then run this again.",
            quiet=True,
        )
    install_debian_packages([*packages, "iptables"])


def mirror() -> str:
    """The address from which this machine takes Debian's packages; empty without, as on Ubuntu."""
    folder = APT / "sources.list.d"
    files = [APT / "sources.list", *sorted(folder.glob("*.list"))]
    files += [path for path in sorted(folder.glob("*.sources")) if path != TRIXIE_SOURCE]
    texts = [path.read_text(encoding="utf-8") for path in files if path.exists()]
    return mirror_in(texts)


def mirror_in(texts: Iterable[str]) -> str:
    """The first address of Debian's main archive in apt source files of either format."""
    addresses: list[str] = []
    for text in texts:
        active = re.sub(r"(?m)^\s*#.*\n?", "", text)
        addresses += re.findall(r"(?m)^deb\s+(?:\[[^\]]*\]\s+)?(\S+)", active)
        for line in re.findall(r"(?mi)^URIs:\s*(.+)$", active):
            addresses += line.split()
    fitting = (
        address.rstrip("/")
        for address in addresses
        if re.match(r"https?://", address) and address.rstrip("/").endswith("/debian")
    )
    return next(fitting, "")


def trixie_source(address: str) -> str:
    """An apt source for Debian 13."""
    return (
        "# For the packages named in /etc/apt/preferences.d/foundry-chat, and for no others.\n"
        f"Types: deb\nURIs: {address}\nSuites: trixie\nComponents: main\nSigned-By: {KEYRING}\n"
    )


def trixie_pin(packages: Iterable[str]) -> str:
    """Apt preferences that admit these packages of Debian 13 and no other."""
    return (
        "Package: *\nPin: release n=trixie\nPin-Priority: -1\n\n"
        f"Package: {' '.join(packages)}\nPin: release n=trixie\nPin-Priority: 500\n"
    )


def has_systemd() -> bool:
    """Whether systemd runs the services of this machine."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def require_debootstrap() -> None:
    """Have `debootstrap` at hand, and the keys of Debian's archive, which Ubuntu lacks.

    Raises:
        StepFailedError: it cannot be installed here.
    """
    needed = ["debootstrap"] if shutil.which("debootstrap") is None else []
    needed += [] if KEYRING.exists() else ["debian-archive-keyring"]
    if needed:
        install_debian_packages(needed)


def package_is_installed(name: str) -> bool:
    """Whether dpkg knows the package as installed."""
    query = ["dpkg-query", "-W", "-f=${Status}", name]
    try:
        asked = subprocess.run(query, check=False, capture_output=True, text=True, errors="replace")
    except FileNotFoundError:
        return False
    return asked.stdout.endswith(" installed")
