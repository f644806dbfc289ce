"""What a build needs from this machine: base images without a registry, certificates, pip."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lib import debian
from lib.console import StepFailedError, note, run
from lib.docker import answer, own_builder
from lib.environment import ROOT, hand_over
from lib.images import bases, is_here
from lib.settings import Settings

BUILT = {
    "localhost/foundry-chat/python:3.13": ("python.Dockerfile", "trixie"),
    "localhost/foundry-chat/python:3.11": ("python.Dockerfile", "bookworm"),
    "localhost/foundry-chat/nginx:1.26": ("nginx.Dockerfile", "trixie"),
    "localhost/foundry-chat/prometheus:2.53": ("prometheus.Dockerfile", "trixie"),
}
"""What compose.offline.yaml builds on instead: from which file, on which Debian.

A builder that does not find one here asks the registry in its name: this machine, and not one where
anybody could have taken the name.
"""

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""What a build takes from the environment where it fetches something; as in compose.yaml."""
SOURCE_LABEL = "foundry-chat.source"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CERTIFICATE_SETTINGS = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
LEFT_OUT = (
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/locale/*",
)


def make_base_images() -> None:
    """Make the base images of compose.offline.yaml that are absent or out of date.

    Raises:
        StepFailedError: this machine cannot make them, or a step failed.
    """
    for image, (name, release) in BUILT.items():
        debian_image = f"localhost/foundry-chat/debian:{release}-slim"
        if not is_here(debian_image):
            make_debian(release, debian_image)
        dockerfile = ROOT / "offline" / name
        base = answer("image", "inspect", "-f", "{{.Id}}", debian_image)
        content = dockerfile.read_bytes() + base.encode()
        digest = hashlib.sha256(content).hexdigest()
        label = f'{{{{index .Config.Labels "{SOURCE_LABEL}"}}}}'
        if answer("image", "inspect", "--format", label, image) == digest:
            continue
        note(f"building {image}")
        labelled = ("--label", f"{SOURCE_LABEL}={digest}", *proxy_arguments())
        on = ("--build-arg", f"DEBIAN_IMAGE={debian_image}")
        tagged = ("--quiet", "--tag", image, "--file", str(dockerfile))
        run(
            ["docker", "build", *tagged, *labelled, *on, str(dockerfile.parent)],
            remedy="Check that this machine reaches its Debian mirror, then run this again.",
            env={**os.environ, **own_builder()},
            quiet=True,
        )


def proxy_arguments() -> list[str]:
    """Lets a build use the proxy of this machine's environment; no value is written down."""
    return [word for name in PROXIES for word in ("--build-arg", name)]


def make_debian(release: str, image: str) -> None:
    """Make a Debian release from packages and give it to Docker as an image.

    Raises:
        StepFailedError: not root on Debian or Ubuntu, or a step failed.
    """
    if not debian.is_root() or shutil.which("apt-get") is None:
        raise StepFailedError(
            "Without a registry that has them all, base images are made from packages, which only "
            "root can do, on Debian or Ubuntu.",
            f"Let this machine reach a registry that has {', '.join(bases())}; or run this as "
            "root on Debian or Ubuntu.",
        )
    debian.require_debootstrap()
    note(f"making a Debian base image ({release}) with debootstrap; this takes about a minute")
    # What is still mounted in there, after a second Ctrl-C, cannot be removed.
    with tempfile.TemporaryDirectory(
        prefix="foundry-chat-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)  # this becomes the image's /, for every user of it
        keyring = f"--keyring={debian.KEYRING}"
        make = ["debootstrap", "--variant=minbase", keyring, release, folder]
        address = debian.mirror()  # without one, debootstrap knows its own
        make += [address] if address else []
        run(
            make,
            remedy=f"Check that {address or 'the archive of Debian'} answers from this machine, "
            "then run this again.",
            quiet=True,
        )
        import_folder(Path(folder), image)


def import_folder(folder: Path, image: str) -> None:
    """Give a folder to Docker as an image, which gets its name when the whole of it has come.

    Raises:
        StepFailedError: Docker refused it.
    """
    leave_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    pack = ["tar", "--create", "--one-file-system", *leave_out, f"--directory={folder}", "."]
    take = ["docker", "import", "--change", 'CMD ["bash"]', "-"]
    remedy = "Check the space on Docker's disk (`docker system df`), then run this again."
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
        taken = subprocess.run(take, check=False, stdin=packing.stdout, capture_output=True)
    if taken.returncode != 0 or packing.returncode != 0:
        said = taken.stderr.decode(errors="replace").strip() or "it came in part"
        raise StepFailedError(f"Docker did not take the image {image}: {said}", remedy)
    run(["docker", "tag", taken.stdout.decode().strip(), image], remedy=remedy, quiet=True)


def build_settings(settings: Settings, *, offline: bool) -> dict[str, str]:
    """Where builds find this machine's certificates and package mirrors, where it has any.

    What the user has set is the user's, and not among them.
    """
    values = {}
    named = (settings.get(name) for name in CERTIFICATE_SETTINGS)
    bundle = next((path for path in named if path and Path(path).is_file()), "")
    if not bundle and offline and SYSTEM_CERTIFICATES.exists():
        bundle = str(SYSTEM_CERTIFICATES)
    if bundle:
        values["BUILD_CA_BUNDLE"] = bundle
    mirrors = {
        "BUILD_PIP_CONF": ("pip.conf", pip_configuration()),
        "BUILD_NPMRC": ("npmrc", npm_configuration(npm_listing())),
    }
    for setting, (name, configuration) in mirrors.items():
        if configuration:
            path = ROOT / ".cache" / name
            path.parent.mkdir(exist_ok=True)
            # What stands there already may be another run's, which reads it, or another user's.
            if not path.exists() or path.read_text(encoding="utf-8") != configuration:
                path.write_text(configuration, encoding="utf-8")
            for made in (path.parent, path):
                hand_over(made)
            values[setting] = str(path)
    return {name: value for name, value in values.items() if not settings.own(name)}


def npm_listing() -> str:
    """What this machine sets in npm's configuration; empty where there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        return ""
    ask = [npm, "config", "list"]
    done = subprocess.run(ask, check=False, capture_output=True, encoding="utf-8", errors="replace")
    return done.stdout


def npm_configuration(listing: str) -> str:
    """An npm configuration with the registry of `npm config list`; empty if none is set there."""
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        address = value.strip().strip('"')
        if name.strip() == "registry" and address.startswith(("http://", "https://")):
            return f"registry={address}\n"
    return ""


def pip_configuration() -> str:
    """This machine's package index as a pip configuration for builds; empty if it is the usual."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return configuration_from(asked.stdout)


def configuration_from(listing: str) -> str:
    """A pip configuration with the indexes of `pip config list` that a container can reach."""
    values: dict[str, str] = {}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        setting = name.strip().rpartition(".")[2]
        if setting not in {"index-url", "extra-index-url", "trusted-host", "proxy"}:
            continue
        words = value.strip().strip("'\"").replace("\\n", " ").split()
        if setting.endswith("url"):
            words = [word for word in words if word.startswith(("http://", "https://"))]
        if words:
            values[setting] = " ".join(words)
    return "".join(["[global]\n", *(f"{k} = {v}\n" for k, v in values.items())]) if values else ""
