"""Everything the environment decides, read once into one frozen object."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SYSTEM_PROMPT = (
    "You are a helpful assistant. Answer briefly and clearly, in the language of the question."
)


class SettingsError(ValueError):
    """An environment variable is missing or unusable; the message names it and says what to set."""


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
        return cls(
            gateway_url=_url(env, "GATEWAY_URL", cls.gateway_url),
            gateway_api_key=_secret(env, "GATEWAY_API_KEY"),
            auth_secret=_secret(env, "CHAINLIT_AUTH_SECRET"),
            host=env.get("CHAINLIT_HOST") or cls.host,
            port=int(_number(env, "CHAINLIT_PORT", cls.port, minimum=1, maximum=65535)),
            app_root=Path(
                env.get("CHAINLIT_APP_ROOT") or Path(tempfile.gettempdir()) / "foundry-chat"
            ),
            development=env.get("CHAINLIT_DEV", "").lower() in {"1", "true", "yes", "on"},
            system_prompt=env.get("CHAINLIT_SYSTEM_PROMPT", cls.system_prompt),
            connect_timeout=_number(
                env, "CHAINLIT_CONNECT_TIMEOUT", cls.connect_timeout, minimum=0.1
            ),
            read_timeout=_number(env, "CHAINLIT_READ_TIMEOUT", cls.read_timeout, minimum=1),
            models_interval=_number(
                env, "CHAINLIT_MODELS_INTERVAL", cls.models_interval, minimum=0.2
            ),
            abandon_after=_number(env, "CHAINLIT_ABANDON_AFTER", cls.abandon_after, minimum=0.1),
        )


def _url(env: Mapping[str, str], name: str, default: str) -> str:
    value = (env.get(name) or default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(
            f"{name} must be an http(s) address such as http://gateway:8000, got {value!r}."
        )
    return value


def _number(
    env: Mapping[str, str],
    name: str,
    default: float,
    *,
    minimum: float,
    maximum: float = float("inf"),
) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number, got {text!r}.") from None
    if not minimum <= value <= maximum:
        raise SettingsError(f"{name} must be between {minimum} and {maximum}, got {text}.")
    return value


def _secret(env: Mapping[str, str], name: str) -> str:
    """Read ``name``, else the file that ``name``_FILE points at; empty when neither is set."""
    if value := env.get(name):
        return value
    if not (path := env.get(f"{name}_FILE")):
        return ""
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"{name}_FILE points at {path}, which cannot be read: {error.strerror}."
        ) from error
    if not value:
        raise SettingsError(f"{name}_FILE points at {path}, which is empty.")
    return value
