"""The chat app on the real chain: Foundry Local, the gateway, the app, each its own process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.chainlit_app import ChatApp, free_port, start_chat_app
from support.foundry import DEMO_ALIAS, Foundry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
GATEWAY_KEY = "test-key-of-the-chat-stack"


@dataclass(frozen=True)
class ChatStack:
    """A running chain."""

    foundry: Foundry
    gateway_url: str
    app: ChatApp


@contextlib.contextmanager
def start_gateway_process(
    foundry_url: str, *, port: int | None = None, env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run ``python -m foundry_gateway`` and yield its address."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("GATEWAY_", "FOUNDRY_"))},
        "FOUNDRY_URL": foundry_url,
        "MODEL": DEMO_ALIAS,
        "GATEWAY_PORT": str(port),
        "GATEWAY_API_KEY": GATEWAY_KEY,
        "PYTHONPATH": str(ROOT / "services" / "gateway" / "src"),
        **(env or {}),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "foundry_gateway"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with contextlib.suppress(urllib.error.URLError, OSError):
                    urllib.request.urlopen(f"{url}/health", timeout=5).close()
                    break
                time.sleep(0.05)
            else:
                log.seek(0)
                raise AssertionError(f"the gateway did not start:\n{log.read().decode()}")
            yield url
        finally:
            process.terminate()
            process.wait(15)


@contextlib.contextmanager
def start_chat_stack(
    foundry: Foundry, *, gateway_env: Mapping[str, str] | None = None
) -> Iterator[ChatStack]:
    """Run a gateway and an app in front of ``foundry``."""
    with (
        start_gateway_process(foundry.url, env=gateway_env) as gateway_url,
        start_chat_app(gateway_url, env={"GATEWAY_API_KEY": GATEWAY_KEY}) as app,
    ):
        yield ChatStack(foundry, gateway_url, app)


@pytest.fixture(scope="session")
def chat_stack(foundry_v2: Foundry) -> Iterator[ChatStack]:
    """The whole chain, for the whole session."""
    with start_chat_stack(foundry_v2) as stack:
        yield stack
