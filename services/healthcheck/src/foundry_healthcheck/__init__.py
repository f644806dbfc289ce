"""Probes every part of a Foundry Local chat stack, the chat itself included."""

from __future__ import annotations

from foundry_healthcheck.settings import Settings, SettingsError
from foundry_healthcheck.version import __version__

__all__ = ["Settings", "SettingsError", "__version__", "create_app"]


def __getattr__(name: str) -> object:
    # Imported on demand, so that reading settings does not import a web server.
    if name == "create_app":
        from foundry_healthcheck.app import create_app  # noqa: PLC0415

        return create_app
    raise AttributeError(name)
