"""The one OpenAI-compatible door to Microsoft Foundry Local."""

from __future__ import annotations

from foundry_gateway.settings import Settings, SettingsError
from foundry_gateway.version import __version__

__all__ = ["Settings", "SettingsError", "__version__", "create_app"]


def __getattr__(name: str) -> object:
    # Imported on demand, so that reading settings does not import a web server.
    if name == "create_app":
        from foundry_gateway.app import create_app  # noqa: PLC0415

        return create_app
    raise AttributeError(name)
