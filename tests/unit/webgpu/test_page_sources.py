"""The page's sources: their types hold, their packages are pinned, their build repeats itself."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from support.webgpu import SOURCE, assemble, install_packages


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_types_hold():
    install_packages()
    npx = shutil.which("npx")
    assert npx, "There is no npx. On Debian: apt-get install nodejs npm."
    command = [npx, "--no-install", "tsc", "--noEmit", "--project", str(SOURCE)]
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_packages_are_pinned_by_hash_and_name_no_host():
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    packages = {path: entry for path, entry in lock["packages"].items() if path}
    assert packages
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
    own = json.loads((SOURCE / "package.json").read_text())
    versions = {**own["dependencies"], **own["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values()), versions


def test_same_sources_get_the_same_names(webgpu_www: Path, tmp_path: Path):
    assemble(tmp_path)
    assert names(tmp_path) == names(webgpu_www)


def test_every_tree_has_every_file(webgpu_www: Path):
    plain = names(webgpu_www / "plain")
    assert "index.html" in plain
    assert names(webgpu_www / "gzip") == plain
    assert names(webgpu_www / "br") == plain
