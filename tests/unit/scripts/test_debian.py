"""Which packages bring Docker, and which mirror this machine uses."""

from pathlib import Path

import pytest

from lib import debian, offline

DEB822 = """\
# http://commented.example/debian
Types: deb
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://other.example/debian bookworm main
deb-src http://source.example/debian bookworm main
"""
THIRD_PARTY = "deb https://packages.example/apt stable main\n"


@pytest.mark.parametrize(
    ("texts", "mirror"),
    [
        ([DEB822], "http://mirror.example/debian"),
        ([ONE_LINE], "https://other.example/debian"),
        ([THIRD_PARTY, ONE_LINE], "https://other.example/debian"),
        ([THIRD_PARTY], ""),
        ([], ""),
    ],
)
def test_the_mirror_is_the_one_that_serves_the_main_archive(texts: list[str], mirror: str):
    assert debian.mirror_in(texts) == mirror


@pytest.mark.parametrize(
    ("system", "packages"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, debian.DEBIAN_PACKAGES),
        ({"ID": "debian", "VERSION_ID": "13"}, debian.DEBIAN_PACKAGES),
        ({"ID": "debian"}, debian.DEBIAN_PACKAGES),
        ({"ID": "ubuntu", "VERSION_ID": "24.04"}, debian.UBUNTU_PACKAGES),
        ({"ID": "debian", "VERSION_ID": "11"}, ()),
        ({"ID": "fedora", "VERSION_ID": "42"}, ()),
        ({}, ()),
    ],
)
def test_only_known_systems_have_packages(system: dict[str, str], packages: tuple[str, ...]):
    assert debian.docker_packages(system) == packages


def test_the_pin_admits_the_named_packages_and_no_others():
    pin = debian.trixie_pin(("docker.io", "docker-compose"))
    everything, named = pin.split("\n\n")
    assert "Package: *" in everything
    assert "Pin-Priority: -1" in everything
    assert "Package: docker.io docker-compose" in named
    assert "Pin-Priority: 500" in named


def test_on_ubuntu_debootstrap_finds_debians_archive_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "sources.list").write_text("deb http://mirror.example/ubuntu noble main\n")
    monkeypatch.setattr(debian, "APT", tmp_path)
    monkeypatch.setattr(debian, "is_root", lambda: True)
    monkeypatch.setattr(debian, "require_debootstrap", lambda: None)
    monkeypatch.setattr(offline.shutil, "which", lambda name: name)
    commands: list[list[str]] = []
    monkeypatch.setattr(offline, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(offline, "import_folder", lambda *_: None)
    offline.make_debian("trixie", "localhost/debian")
    [command] = commands
    assert command[-2] == "trixie"
    assert Path(command[-1]).is_absolute()


@pytest.mark.parametrize(
    ("program", "keys", "installed"),
    [
        (True, True, []),
        (True, False, ["debian-archive-keyring"]),
        (False, True, ["debootstrap"]),
        (False, False, ["debootstrap", "debian-archive-keyring"]),
    ],
)
def test_what_debootstrap_needs_is_installed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    program: bool,
    keys: bool,
    installed: list[str],
):
    monkeypatch.setattr(debian, "KEYRING", tmp_path if keys else tmp_path / "absent")
    monkeypatch.setattr(debian.shutil, "which", lambda name: name if program else None)
    told: list[str] = []
    monkeypatch.setattr(debian, "install_debian_packages", told.extend)
    debian.require_debootstrap()
    assert told == installed
