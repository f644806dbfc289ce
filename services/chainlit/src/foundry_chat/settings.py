"""Everything the environment decides, read once into one frozen object."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from foundry_common import values
from foundry_common.env import Reader, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "SettingsError"]

DEFAULT_SYSTEM_PROMPT = (
    "You are a helpful assistant. Answer briefly and clearly, in the language of the question."
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Configuration of the chat app. Durations are seconds."""

    gateway_url: str = "http://gateway:8000"
    gateway_api_key: str = field(default="", repr=False)
    auth_secret: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    app_root: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / "foundry-chat")
    development: bool = False
    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    connect_timeout: float = 5.0
    # Longer than the gateway's own first-token timeout, so that the gateway's words win.
    read_timeout: float = 900.0
    models_interval: float = 3.0
    # How long an answer goes on being written for a browser that has gone away.
    abandon_after: float = 30.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: a value cannot be used; the message says which and why.
        """
        env = os.environ if environ is None else environ
        read = Reader(env)
        app_root = read.optional("CHAINLIT_APP_ROOT")
        return cls(
            gateway_url=read.or_else("GATEWAY_URL", values.origin, cls.gateway_url),
            gateway_api_key=read.secret("GATEWAY_API_KEY", values.api_key) or "",
            auth_secret=read.secret("CHAINLIT_AUTH_SECRET") or "",
            host=read.text("CHAINLIT_HOST", cls.host),
            port=read.integer("CHAINLIT_PORT", cls.port, least=1, most=65_535),
            app_root=Path(app_root or Path(tempfile.gettempdir()) / "foundry-chat"),
            development=read.switch("CHAINLIT_DEV", default=cls.development),
            # Empty is a choice: no prompt at all.
            system_prompt=env.get("CHAINLIT_SYSTEM_PROMPT", cls.system_prompt),
            connect_timeout=read.seconds(
                "CHAINLIT_CONNECT_TIMEOUT", cls.connect_timeout, least=0.1
            ),
            read_timeout=read.seconds("CHAINLIT_READ_TIMEOUT", cls.read_timeout, least=1),
            models_interval=read.seconds(
                "CHAINLIT_MODELS_INTERVAL", cls.models_interval, least=0.2
            ),
            abandon_after=read.seconds("CHAINLIT_ABANDON_AFTER", cls.abandon_after, least=0.1),
        )
