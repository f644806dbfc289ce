"""The WebGPU page as its container serves it: the same build, the same nginx.conf, natively.

``python -m support.webgpu [GATEWAY_URL]`` (in ``tests``) serves it for a look, until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from support.browser import ARGUMENTS, chromium
from support.gateway import Gateway
from support.processes import free_port_pair, running

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "services" / "webgpu-static"
CACHE = ROOT / ".cache" / "webgpu-static"
START_TIMEOUT = 60.0

WEBGPU_ARGUMENTS = (
    *(argument for argument in ARGUMENTS if argument != "--disable-gpu"),
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
)
"""Chromium with real WebGPU on a software adapter: no GPU is needed."""


@dataclass(frozen=True)
class Page:
    """The served page."""

    url: str
    www: Path
    runtime: Path
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        """What nginx logged so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")


def install_packages(folder: Path = SOURCE) -> None:
    """Make a folder's node_modules hold exactly what its lock says, once per lock."""
    lock = folder / "package-lock.json"
    stamp = folder / "node_modules" / ".lock.sha256"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    npm = shutil.which("npm")
    assert npm, "There is no npm. On Debian: apt-get install nodejs npm."
    _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    stamp.write_text(digest)


def assemble(folder: Path) -> None:
    """Run the build script of the image into a folder."""
    install_packages()
    node = shutil.which("node")
    assert node, "There is no Node.js. On Debian: apt-get install nodejs."
    _run([node, "build.mjs", "--out", str(folder), "--cache", str(CACHE)])


def _run(command: list[str], folder: Path = SOURCE) -> None:
    done = subprocess.run(
        command, cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, f"{' '.join(command[1:])}:\n{done.stdout.decode()}"


@contextlib.contextmanager
def serve_page(
    www: Path, folder: Path, gateway_url: str = "http://127.0.0.1:9", key: str = "no-key-at-all"
) -> Iterator[Page]:
    """Serve an assembled page with the container's own configuration.

    Args:
        www: What ``assemble`` made.
        folder: For nginx to run in, the key and the log; empty.
        gateway_url: The gateway; the default is an address where nothing listens.
        key: The gateway's key.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert nginx, "There is no nginx. On Debian: apt-get install nginx-light."
    port = free_port_pair()
    key_file = folder / "api-key"
    key_file.write_text(key)
    runtime = folder / "nginx"
    log_path = folder / "nginx.log"
    environment = {
        **os.environ,
        "WEBGPU_RUNTIME": str(runtime),
        "WEBGPU_WWW": str(www),
        "WEBGPU_LISTEN": f"127.0.0.1:{port}",
        "GATEWAY_URL": gateway_url,
        "GATEWAY_API_KEY_FILE": str(key_file),
    }
    # As root, nginx would hand its files to a user who may not read this folder.
    globals_ = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
    serve = [nginx, "-e", "stderr", "-p", str(runtime), "-c", "nginx.conf", "-g", globals_]
    command = ["sh", str(SOURCE / "render.sh"), *serve]
    with running(command, environment, log_path) as process:
        page = Page(f"http://127.0.0.1:{port}", www, runtime, process, log_path)
        _wait_for_health(page)
        yield page


def _wait_for_health(page: Page) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        assert page.process.poll() is None, f"nginx ended:\n{page.log}"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{page.url}/health", timeout=5):
            return
        time.sleep(0.02)
    raise AssertionError(f"nginx did not come up:\n{page.log}")


@pytest.fixture(scope="session")
def webgpu_www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembled page."""
    folder = tmp_path_factory.mktemp("webgpu") / "www"
    assemble(folder)
    return folder


@pytest.fixture(scope="session")
def webgpu_page(
    webgpu_www: Path, gateway_v2: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """The page in front of a gateway and the real 2.x runtime, for the whole session."""
    folder = tmp_path_factory.mktemp("webgpu-nginx")
    with serve_page(webgpu_www, folder, gateway_v2.url, gateway_v2.key) as page:
        yield page


@pytest.fixture(scope="session")
def webgpu_page_alone(webgpu_www: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page where no gateway answers."""
    with serve_page(webgpu_www, tmp_path_factory.mktemp("webgpu-alone")) as page:
        yield page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gpu_browser() -> AsyncIterator[Browser]:
    """A browser with WebGPU, beside the one without; for the whole session."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=chromium(), args=list(WEBGPU_ARGUMENTS)
        )
        yield running
        await running.close()


def main() -> None:
    """Serve the page for a look; nginx ends with this process, however that ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="webgpu-") as folder:
        here = Path(folder)
        assemble(here / "www")
        gateway = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:9"
        key = os.environ.get("GATEWAY_API_KEY", "no-key-at-all")
        with serve_page(here / "www", here, gateway, key) as page:
            print(page.url, flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                page.process.wait()


if __name__ == "__main__":
    main()
