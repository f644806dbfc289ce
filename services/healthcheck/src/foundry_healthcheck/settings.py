"""Settings, read once from the environment into one frozen object."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundry_common import remedies, values
from foundry_common.env import Reader, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "SettingsError"]

DEFAULT_FOUNDRY_URL = "http://host.docker.internal:51211"

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LONGEST_INTERVAL_SECONDS = 600
LONGEST_LOOK_SECONDS = 120
LONGEST_ANSWER_SECONDS = 300
"""The alert ProbeStale takes a probe for dead that has not run for much longer than these allow."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. Durations are seconds."""

    foundry_urls: tuple[str, ...] = (DEFAULT_FOUNDRY_URL,)
    """Addresses of Foundry Local in order of preference."""
    embedded_url: str | None = None
    """Address of the stack's own runtime; the last preference, and optional."""
    embedded_chosen: bool = False
    """Whether the stack's own runtime is one of those that should run (COMPOSE_PROFILES)."""
    gateway_url: str = "http://127.0.0.1:8000"
    api_key: str | None = field(default=None, repr=False)
    chainlit_url: str | None = None
    open_webui_url: str | None = None
    webgpu_url: str | None = None
    prometheus_url: str | None = None
    grafana_url: str | None = None
    docker_view_url: str | None = None
    """The read-only view of container states; without it they are not shown."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides those of loopback by which it may be called."""
    host: str = "127.0.0.1"
    port: int = 9180
    interval: float = 10.0
    chat_interval: float = 60.0
    """0: never ask the model anything."""
    timeout: float = 8.0
    chat_timeout: float = 20.0
    chat_max_tokens: int = 16
    start_period: float = 120.0
    """For as long as that after the prober's own start, a part that never answered is starting."""
    loads_models: bool = False
    """Whether a probe may ask a model that is not loaded, which loads it."""
    log_level: str = "INFO"
    host_system: remedies.System = field(default_factory=remedies.host_system)
    """Of the machine whose user reads the status."""

    @property
    def upstreams(self) -> tuple[str, ...]:
        """Every address of Foundry Local, the stack's own last."""
        own = (self.embedded_url,) if self.embedded_url else ()
        return tuple(dict.fromkeys((*self.foundry_urls, *own)))

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
            gateway_url=read.or_else("GATEWAY_URL", values.origin, defaults.gateway_url),
            api_key=read.secret("GATEWAY_API_KEY", values.api_key),
            chainlit_url=read.value("CHAINLIT_URL", values.origin),
            open_webui_url=read.value("OPEN_WEBUI_URL", values.origin),
            webgpu_url=read.value("WEBGPU_URL", values.origin),
            prometheus_url=read.value("PROMETHEUS_URL", values.origin),
            grafana_url=read.value("GRAFANA_URL", values.origin),
            docker_view_url=read.value("DOCKER_VIEW_URL", values.origin),
            allowed_hosts=read.or_else("ALLOWED_HOSTS", values.host_names, ()),
            host=read.text("HEALTHCHECK_HOST", defaults.host),
            port=read.integer("HEALTHCHECK_PORT", defaults.port, least=0, most=65_535),
            interval=read.seconds(
                "HEALTHCHECK_INTERVAL", defaults.interval, most=LONGEST_INTERVAL_SECONDS
            ),
            chat_interval=read.seconds(
                "HEALTHCHECK_CHAT_INTERVAL",
                defaults.chat_interval,
                zero=True,
                most=LONGEST_INTERVAL_SECONDS,
            ),
            timeout=read.seconds(
                "HEALTHCHECK_TIMEOUT", defaults.timeout, most=LONGEST_LOOK_SECONDS
            ),
            chat_timeout=read.seconds(
                "HEALTHCHECK_CHAT_TIMEOUT", defaults.chat_timeout, most=LONGEST_ANSWER_SECONDS
            ),
            chat_max_tokens=read.integer(
                "HEALTHCHECK_CHAT_MAX_TOKENS", defaults.chat_max_tokens, least=1
            ),
            start_period=read.seconds(
                "HEALTHCHECK_START_PERIOD",
                defaults.start_period,
                zero=True,
                most=LONGEST_INTERVAL_SECONDS,
            ),
            loads_models=read.switch("HEALTHCHECK_LOADS_MODELS", default=defaults.loads_models),
            log_level=read.choice("HEALTHCHECK_LOG_LEVEL", defaults.log_level, LOG_LEVELS),
        )
