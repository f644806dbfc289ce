"""Settings, read once from the environment into one frozen object."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundry_common import remedies, values
from foundry_common.env import Reader, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_FOUNDRY_URL", "DEMO_ALIAS", "Settings", "SettingsError"]

DEFAULT_FOUNDRY_URL = "http://host.docker.internal:51211"
DEMO_ALIAS = "foundry-demo"

MIB = 1024 * 1024
SMALLEST_BODY_LIMIT = 65_536
LARGEST_BODY_LIMIT = 16 * MIB
"""What the memory of the gateway's container still has room for: see ``limits``."""
SMALLEST_PROMPT_LIMIT = 256
LARGEST_PROMPT_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. Durations are seconds, sizes are bytes."""

    foundry_urls: tuple[str, ...] = (DEFAULT_FOUNDRY_URL,)
    """Addresses of Foundry Local in order of preference."""
    embedded_url: str | None = None
    embedded_chosen: bool = False
    """Whether the stack's own runtime is one of those that should run (COMPOSE_PROFILES)."""
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
    max_body_bytes: int = 12 * MIB
    """A picture of 8 MB fits, as the data URL of 10.7 MB that it becomes."""
    max_prompt_tokens: int = 24_576
    """Tokens of all prompts that are answered at once; a longer one runs alone."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which it may be called, besides those of loopback."""
    host_system: remedies.System = field(default_factory=remedies.host_system)
    """Of the machine whose user reads the messages."""
    shutdown_grace: float = 5.0
    log_level: str = "INFO"

    @property
    def offered(self) -> tuple[str, ...]:
        """Aliases that are listed whether or not they are loaded, in order, without repeats."""
        extra = (self.embedding_model,) if self.embedding_model else ()
        return tuple(dict.fromkeys((self.model, *self.models, *extra)))

    @property
    def in_container(self) -> bool:
        """Whether it runs in the stack, where loopback is the container itself."""
        return self.embedded_url is not None and not remedies.is_loopback(self.embedded_url)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: A value cannot be used.
        """
        read = Reader(env)
        defaults = cls()
        return cls(
            foundry_urls=read.or_else("FOUNDRY_URL", values.origins, defaults.foundry_urls),
            embedded_url=read.value("EMBEDDED_URL", values.origin),
            embedded_chosen=read.or_else(
                "COMPOSE_PROFILES", values.starts_embedded, defaults.embedded_chosen
            ),
            model=read.or_else("MODEL", values.model_name, defaults.model),
            models=read.or_else("MODELS", values.model_names, ()),
            embedded_model=read.or_else(
                "EMBEDDED_MODEL", values.model_name, defaults.embedded_model
            ),
            embedding_model=read.value("EMBEDDING_MODEL", values.model_name),
            host=read.text("GATEWAY_HOST", defaults.host),
            port=read.integer("GATEWAY_PORT", defaults.port, least=0, most=65_535),
            api_key=read.secret("GATEWAY_API_KEY", values.api_key),
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
            max_body_bytes=read.integer(
                "GATEWAY_MAX_BODY_BYTES",
                defaults.max_body_bytes,
                least=SMALLEST_BODY_LIMIT,
                most=LARGEST_BODY_LIMIT,
            ),
            max_prompt_tokens=read.integer(
                "GATEWAY_MAX_PROMPT_TOKENS",
                defaults.max_prompt_tokens,
                least=SMALLEST_PROMPT_LIMIT,
                most=LARGEST_PROMPT_LIMIT,
            ),
            allowed_hosts=read.or_else("ALLOWED_HOSTS", values.host_names, ()),
            shutdown_grace=read.seconds("GATEWAY_SHUTDOWN_GRACE", defaults.shutdown_grace),
            log_level=read.choice(
                "GATEWAY_LOG_LEVEL", defaults.log_level, ("DEBUG", "INFO", "WARNING", "ERROR")
            ),
        )
