"""The chat app on the real chain: Foundry Local, the gateway, the app, each its own process."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.chainlit_app import ChatApp, start_chat_app
from support.foundry import DEMO_ALIAS, Foundry
from support.gateway import Gateway, run_gateway

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class ChatStack:
    """A running chain."""

    foundry: Foundry
    gateway: Gateway
    app: ChatApp


@contextlib.contextmanager
def start_chat_stack(foundry: Foundry, **gateway_env: str) -> Iterator[ChatStack]:
    """Run a gateway, with further environment if need be, and an app in front of ``foundry``."""
    with tempfile.TemporaryDirectory(prefix="chat-stack-") as scratch:
        log = Path(scratch) / "gateway.log"
        settings = {"FOUNDRY_URL": foundry.url, "MODEL": DEMO_ALIAS, **gateway_env}
        with (
            run_gateway(log, **settings) as gateway,
            start_chat_app(gateway.url, env={"GATEWAY_API_KEY": gateway.key}) as app,
        ):
            yield ChatStack(foundry, gateway, app)


@pytest.fixture(scope="session")
def chat_stack(foundry_v2: Foundry) -> Iterator[ChatStack]:
    """The whole chain, for the whole session."""
    with start_chat_stack(foundry_v2) as stack:
        yield stack
