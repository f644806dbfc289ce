"""The images that compose.yaml builds on: which they are, whether a registry answers, pulling."""

import json
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
OURS = "foundry-chat/"
AGAIN = "Run this again when the network is back: what has come already is kept."


def bases() -> list[str]:
    """The images that the stack builds on, each once.

    Raises:
        StepFailedError: Compose cannot read the stack's file.
    """
    told = answer("compose", "--file", str(ROOT / "compose.yaml"), "config", "--format", "json")
    if not told:
        raise StepFailedError(
            "Docker Compose cannot read compose.yaml with these settings.",
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
    return [image for image in dict.fromkeys(found) if not image.startswith(OURS)]


def missing(images: Sequence[str]) -> list[str]:
    """Those that are not on this machine."""
    return [image for image in images if not is_here(image)]


def is_here(image: str) -> bool:
    """Whether an image is on this machine."""
    return bool(answer("image", "inspect", "--format", "{{.Id}}", image))


def registry_answers(images: Sequence[str], seconds: float = ANSWER_SECONDS) -> bool:
    """Whether the registries have all of these images. Nothing is pulled to find out."""
    with ThreadPoolExecutor(max(1, len(images))) as pool:
        said = list(pool.map(lambda image: why_absent(image, seconds), images))
    for image, why in zip(images, said, strict=True):
        if why:
            note(f"{image}: {why}")
            return False
    return True


def why_absent(image: str, seconds: float) -> str:
    """Why an image cannot be had; nothing when it can.

    Docker's client asks first. It may have no way out where the engine has one, by a mirror or a
    proxy of its own, so then the engine is asked too.
    """
    try:
        asked = subprocess.run(
            ["docker", "manifest", "inspect", image],
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
        lines = asked.stderr.strip().splitlines()
        said = lines[-1] if lines else "refused"
    return "" if engine_gets(image, seconds) else said


def engine_gets(image: str, seconds: float) -> bool:
    """Whether the engine has begun to pull an image within this time; it is let go then."""
    with subprocess.Popen(
        ["docker", "pull", image],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as pulling:
        patience = threading.Timer(seconds, pulling.kill)
        patience.start()
        # It says nothing before the registry has told what the image is made of.
        began = bool(pulling.stdout and pulling.stdout.readline())
        patience.cancel()
        pulling.kill()
    return began


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
            raise StepFailedError(f"Pulling {image} was stopped.", AGAIN) from None
        if done.returncode != 0:
            raise StepFailedError(f"Pulling {image} broke off; Docker's reason is above.", AGAIN)
