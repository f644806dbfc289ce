"""The kinds of probe. A new one is one module and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundry_healthcheck.modules.chat import probe as chat
from foundry_healthcheck.modules.foundry import probe as foundry
from foundry_healthcheck.modules.http import probe as http
from foundry_healthcheck.modules.prometheus import probe as prometheus
from foundry_healthcheck.modules.websocket import probe as websocket

if TYPE_CHECKING:
    from foundry_healthcheck.probing import Module

MODULES: dict[str, Module] = {
    "http": http,
    "foundry": foundry,
    "chat": chat,
    "websocket": websocket,
    "prometheus": prometheus,
}

__all__ = ["MODULES"]
