"""Settings, read once from the environment into one frozen object."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_FOUNDRY_URL = "http://host.docker.internal:51211"
DEMO_ALIAS = "foundry-demo"

N = TypeVar("N", int, float)


class SettingsError(Exception):
    """A setting is missing or has a value that cannot be used.

    Args:
        name: The environment variable.
        problem: What was expected and what was found.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. Durations are seconds, sizes are bytes."""

    foundry_urls: tuple[str, ...] = (DEFAULT_FOUNDRY_URL,)
    """Addresses of Foundry Local in order of preference."""
    embedded_url: str | None = None
    """Address of the stack's own runtime; the last preference."""
    model: str = "phi-4-mini"
    models: tuple[str, ...] = ()
    embedded_model: str = "qwen2.5-0.5b"
    embedding_model: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = field(default=None, repr=False)
    """No key: anyone who can connect may ask."""
    max_concurrency: int = 8
    max_queue: int = 64
    queue_timeout: float = 120.0
    connect_timeout: float = 3.0
    first_token_timeout: float = 300.0
    idle_timeout: float = 120.0
    load_timeout: float = 600.0
    hang_timeout: float = 10.0
    """A runtime that answers no status for this long will not answer a waiting chat either."""
    keepalive_interval: float = 2.0
    """Between two comments that keep a waiting stream open."""
    refresh_interval: float = 2.0
    """Between two looks at Foundry Local while someone is asking."""
    refresh_interval_idle: float = 15.0
    max_body_bytes: int = 32 * 1024 * 1024
    shutdown_grace: float = 5.0
    log_level: str = "INFO"

    @property
    def offered(self) -> tuple[str, ...]:
        """Aliases that are listed whether or not they are loaded, in order, without repeats."""
        extra = (self.embedding_model,) if self.embedding_model else ()
        return tuple(dict.fromkeys((self.model, *self.models, *extra)))

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: A value cannot be used.
        """
        read = _Reader(env)
        defaults = cls()
        urls = read.text("FOUNDRY_URL", DEFAULT_FOUNDRY_URL).split(",")
        origins = dict.fromkeys(_origin("FOUNDRY_URL", url) for url in urls if url.strip())
        if not origins:
            raise SettingsError("FOUNDRY_URL", "expected at least one address, found only commas")
        embedded = read.optional("EMBEDDED_URL")
        return cls(
            foundry_urls=tuple(origins),
            embedded_url=_origin("EMBEDDED_URL", embedded) if embedded else None,
            model=read.text("MODEL", defaults.model),
            models=tuple(
                alias.strip() for alias in read.text("MODELS", "").split(",") if alias.strip()
            ),
            embedded_model=read.text("EMBEDDED_MODEL", defaults.embedded_model),
            embedding_model=read.optional("EMBEDDING_MODEL"),
            host=read.text("GATEWAY_HOST", defaults.host),
            port=read.integer("GATEWAY_PORT", defaults.port, least=0, most=65_535),
            api_key=read.secret("GATEWAY_API_KEY"),
            max_concurrency=read.integer(
                "GATEWAY_MAX_CONCURRENCY", defaults.max_concurrency, least=1
            ),
            max_queue=read.integer("GATEWAY_MAX_QUEUE", defaults.max_queue, least=0),
            queue_timeout=read.seconds("GATEWAY_QUEUE_TIMEOUT", defaults.queue_timeout),
            connect_timeout=read.seconds("GATEWAY_CONNECT_TIMEOUT", defaults.connect_timeout),
            first_token_timeout=read.seconds(
                "GATEWAY_FIRST_TOKEN_TIMEOUT", defaults.first_token_timeout
            ),
            idle_timeout=read.seconds("GATEWAY_IDLE_TIMEOUT", defaults.idle_timeout),
            load_timeout=read.seconds("GATEWAY_LOAD_TIMEOUT", defaults.load_timeout),
            hang_timeout=read.seconds("GATEWAY_HANG_TIMEOUT", defaults.hang_timeout),
            keepalive_interval=read.seconds(
                "GATEWAY_KEEPALIVE_INTERVAL", defaults.keepalive_interval
            ),
            refresh_interval=read.seconds("GATEWAY_REFRESH_INTERVAL", defaults.refresh_interval),
            refresh_interval_idle=read.seconds(
                "GATEWAY_REFRESH_INTERVAL_IDLE", defaults.refresh_interval_idle
            ),
            max_body_bytes=read.integer("GATEWAY_MAX_BODY_BYTES", defaults.max_body_bytes, least=1),
            shutdown_grace=read.seconds("GATEWAY_SHUTDOWN_GRACE", defaults.shutdown_grace),
            log_level=read.choice(
                "GATEWAY_LOG_LEVEL", defaults.log_level, ("DEBUG", "INFO", "WARNING", "ERROR")
            ),
        )


def _origin(name: str, url: str) -> str:
    """Reduce an address to scheme, host and port; people paste ``…/v1`` too."""
    parts = urlsplit(url.strip() if "://" in url else f"http://{url.strip()}")
    try:
        port = parts.port
    except ValueError:
        raise SettingsError(name, f"the port in {url!r} is not a number up to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(name, f"expected an address like http://host:51211, found {url!r}")
    if parts.username is not None:
        raise SettingsError(name, "an address cannot carry a user name or password")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 80)}"


class _Reader:
    """Reads one environment; an empty value counts as unset, as Compose passes them so."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def optional(self, name: str) -> str | None:
        return self._env.get(name, "").strip() or None

    def text(self, name: str, default: str) -> str:
        return self.optional(name) or default

    def integer(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        value = self._number(name, default, int, "a whole number")
        if value < least or (most is not None and value > most):
            upper = f" to {most}" if most is not None else " or more"
            raise SettingsError(name, f"expected {least}{upper}, found {value}")
        return value

    def seconds(self, name: str, default: float) -> float:
        value = self._number(name, default, float, "a number of seconds")
        if not 0 < value < float("inf"):
            raise SettingsError(name, f"expected more than 0 seconds, found {value}")
        return value

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default).upper()
        if value not in allowed:
            raise SettingsError(name, f"expected one of {', '.join(allowed)}, found {value!r}")
        return value

    def secret(self, name: str) -> str | None:
        value = self.optional(name)
        path = self.optional(f"{name}_FILE")
        if value or not path:
            return value
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE", f"cannot read {path}: {error}") from None
        if not value:
            raise SettingsError(f"{name}_FILE", f"{path} is empty")
        return value

    def _number(self, name: str, default: N, convert: Callable[[str], N], expected: str) -> N:
        text = self.optional(name)
        if text is None:
            return default
        try:
            return convert(text)
        except ValueError:
            raise SettingsError(name, f"expected {expected}, found {text!r}") from None
