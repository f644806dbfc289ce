"""The images that compose.yaml builds on: which they are, whether a registry answers, pulling."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lib.console import StepFailedError, note
from lib.docker import answer
from lib.environment import ROOT

ANSWER_SECONDS = 20.0
"""In which a registry has to say whether it has an image. Pulling may take as long as it takes."""
MADE_HERE = "localhost/"
"""How the names of images begin that no registry has."""
AGAIN = "run this again: images that have come whole are kept."
_NO_CREDENTIALS = "error getting credentials"
_REFUSAL = re.compile(
    rf"429 too many|401 unauthorized|toomanyrequests|unauthorized:|{_NO_CREDENTIALS}", re.IGNORECASE
)
"""What is said where a registry wants an account, or to wait, or where nobody could ask it."""
_OF_THE_ENGINE = "{{.Server.Os}}/{{.Server.Arch}}"


class RefusedError(StepFailedError):
    """A registry hands an image out to somebody else, or later: it is not that there is none."""

    def __init__(self, image: str, said: str) -> None:
        remedy = (
            "Wait some hours, or sign in with `docker login` (an account is granted more; where a "
            "sign-in has lapsed, `docker logout` will do)"
        )
        if _NO_CREDENTIALS in said:
            remedy = (
                "Install the program that Docker's config.json names as its keeper of passwords "
                "(credsStore, credHelpers), or take that line out"
            )
        super().__init__(
            f"{image} cannot be had for now: {said}",
            f"{remedy}; then run this again. As root on Debian or Ubuntu `scripts/up.py --offline` "
            "needs no registry.",
        )


def bases(files: Sequence[str] = ("compose.yaml",)) -> list[str]:
    """The images that the stack builds on, each once.

    Args:
        files: Compose's, below this folder.

    Raises:
        StepFailedError: Compose cannot read them.
    """
    named = [word for name in files for word in ("--file", str(ROOT / name))]
    folder = ("--project-directory", str(ROOT))
    told = answer("compose", *folder, *named, "config", "--format", "json")
    if not told:
        raise StepFailedError(
            f"Docker Compose cannot read {' and '.join(files)} with these settings.",
            "Mend what this says: docker compose config --quiet",
        )
    return bases_in(told)


def bases_in(configuration: str) -> list[str]:
    """The images named in `docker compose config --format json` and in the Dockerfiles it names.

    Args:
        configuration: its text. Arguments called …_IMAGE name images, and so does a FROM without
            a variable that is no stage.
    """
    found: list[str] = []
    # Some versions write each $ of a folder's name twice, so that their output is a file again.
    for service in json.loads(configuration.replace("$$", "$"))["services"].values():
        build = service.get("build") or {}
        arguments = build.get("args") or {}
        found += [str(value) for name, value in arguments.items() if name.endswith("_IMAGE")]
        dockerfile = Path(build.get("context", "-")) / build.get("dockerfile", "Dockerfile")
        if dockerfile.is_file():
            text = dockerfile.read_text(encoding="utf-8")
            found += re.findall(r"(?mi)^FROM\s+([^\s$]+[:/][^\s$]+)(?:\s|$)", text)
    return [image for image in dict.fromkeys(found) if not image.startswith(MADE_HERE)]


def missing(images: Sequence[str]) -> list[str]:
    """Those that are not on this machine."""
    return [image for image in images if not is_here(image)]


def is_here(image: str) -> bool:
    """Whether an image is on this machine, and for its kind of processor.

    A builder does not take one for another processor, and asks a registry for the right one.
    """
    kind = answer("image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", image)
    return bool(kind) and kind == (_wished() or answer("version", "--format", _OF_THE_ENGINE))


def _wished() -> str:
    """The platform that Docker's own variable asks for, without its variant; empty without one."""
    return "/".join(os.environ.get("DOCKER_DEFAULT_PLATFORM", "").split("/")[:2])


def registry_answers(images: Sequence[str], seconds: float = ANSWER_SECONDS) -> bool:
    """Whether the registries have all of these images. Nothing is pulled to find out.

    Raises:
        RefusedError: one answers, and does not hand an image out now.
    """
    stopped = threading.Event()
    with ThreadPoolExecutor(max(1, len(images))) as pool:
        try:
            said = list(pool.map(lambda image: why_absent(image, seconds, stopped), images))
        except KeyboardInterrupt:
            stopped.set()  # and nobody else is asked
            raise
    absent = [(image, why) for image, why in zip(images, said, strict=True) if why]
    for image, why in absent:
        if _REFUSAL.search(why):
            raise RefusedError(image, why)
    for image, why in absent[:1]:
        note(f"{image}: {why}")
    return not absent


def why_absent(image: str, seconds: float, stopped: threading.Event) -> str:
    """Why an image cannot be had; nothing when it can.

    Docker's client asks first. It may have no way out where the engine has one, by a mirror or a
    proxy of its own, so then the engine is asked too, and its word counts: it is what pulls.

    The client is Buildx, which reads one manifest. `docker manifest inspect` reads that of every
    platform, and registries count each as a pull of which they allow some an hour.

    Args:
        image: its name.
        seconds: how long each of the two is waited for.
        stopped: set when nobody needs to know any more.
    """
    try:
        asked = subprocess.run(
            ["docker", "buildx", "imagetools", "inspect", "--raw", image],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        said = f"no registry answered within {seconds:.0f} s"
    except OSError as error:
        return str(error)
    else:
        if asked.returncode == 0:
            return ""
        said = _last_line(asked.stderr) or "refused"
    if stopped.is_set():
        return said
    began, engines = engine_gets(image, seconds)
    return "" if began else engines or said


def engine_gets(image: str, seconds: float) -> tuple[bool, str]:
    """Whether the engine has begun to pull an image within this time; it is let go then.

    Returns:
        That, and what it said instead; nothing where it said nothing.
    """
    with subprocess.Popen(
        ["docker", "pull", image],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as pulling:
        patience = threading.Timer(seconds, pulling.kill)
        patience.start()
        # It says nothing before the registry has told what the image is made of.
        began = bool(pulling.stdout and pulling.stdout.readline())
        patience.cancel()
        pulling.kill()
        said = "" if began or not pulling.stderr else pulling.stderr.read()
    return began, _last_line(said)


def _last_line(text: str) -> str:
    """What a program said last, without the word that it was an error."""
    lines = text.strip().splitlines()
    return re.sub(r"^(?:ERROR|Error response from daemon): ", "", lines[-1]) if lines else ""


def pull(images: Sequence[str]) -> None:
    """Pull images, however long it takes; a terminal shows Docker's own progress.

    Raises:
        StepFailedError: a pull ended too early, by itself or by Ctrl-C.
    """
    for number, image in enumerate(images, 1):
        note(f"pulling {image} ({number} of {len(images)})")
        command = ["docker", "pull", *([] if sys.stdout.isatty() else ["--quiet"]), image]
        quiet = None if sys.stdout.isatty() else subprocess.DEVNULL
        try:
            done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=quiet)
        except KeyboardInterrupt:
            remedy = AGAIN.capitalize()
            raise StepFailedError(f"Pulling {image} was stopped.", remedy) from None
        if done.returncode != 0:
            raise StepFailedError(
                f"Pulling {image} broke off; Docker's reason is above.",
                f"Mend what it says, or wait until the network is back, then {AGAIN}{_proxy()}",
            )


def _proxy() -> str:
    """What a pull needs where this shell has a proxy: that let the client ask, and nobody pull."""
    if not any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
        return ""
    return (
        " The proxy of this shell is not the engine's, which has a setting of its own: Docker "
        "Desktop under Resources, Proxies; others: https://docs.docker.com/engine/daemon/proxy/"
    )
