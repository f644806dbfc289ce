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

PAGE_PORTS = {
    "chainlit": "CHAINLIT_PORT",
    "open-webui": "OPEN_WEBUI_PORT",
    "webgpu": "WEBGPU_PORT",
    "prometheus": "PROMETHEUS_PORT",
    "grafana": "GRAFANA_PORT",
}
"""Parts that have a page, and the setting that says where it is published."""

LONGEST_CHAT_INTERVAL_SECONDS = 600
"""The alert ProbeStale takes a probe for dead that has not run for much longer."""

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
    """Everything that can be configured. Durations are seconds."""

    foundry_urls: tuple[str, ...] = (DEFAULT_FOUNDRY_URL,)
    """Addresses of Foundry Local in order of preference."""
    embedded_url: str | None = None
    """Address of the stack's own runtime; the last preference, and optional."""
    gateway_url: str = "http://127.0.0.1:8000"
    api_key: str | None = field(default=None, repr=False)
    chainlit_url: str | None = None
    open_webui_url: str | None = None
    webgpu_url: str | None = None
    prometheus_url: str | None = None
    grafana_url: str | None = None
    docker_view_url: str | None = None
    """The read-only view of container states; without it they are not shown."""
    page_ports: Mapping[str, int] = field(default_factory=dict)
    """Where browsers find the page of a part, by the part's name; the host is the reader's own."""
    host: str = "127.0.0.1"
    port: int = 9180
    interval: float = 10.0
    chat_interval: float = 60.0
    """0: never ask the model anything."""
    timeout: float = 8.0
    chat_timeout: float = 20.0
    chat_max_tokens: int = 16
    loads_models: bool = False
    """Whether a probe may ask a model that is not loaded, which loads it."""
    log_level: str = "INFO"

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
        read = _Reader(env)
        defaults = cls()
        urls = read.text("FOUNDRY_URL", DEFAULT_FOUNDRY_URL).split(",")
        origins = dict.fromkeys(_origin("FOUNDRY_URL", url) for url in urls if url.strip())
        if not origins:
            raise SettingsError("FOUNDRY_URL", "expected at least one address, found only commas")
        return cls(
            foundry_urls=tuple(origins),
            embedded_url=read.origin("EMBEDDED_URL"),
            gateway_url=read.origin("GATEWAY_URL") or defaults.gateway_url,
            api_key=read.secret("GATEWAY_API_KEY"),
            chainlit_url=read.origin("CHAINLIT_URL"),
            open_webui_url=read.origin("OPEN_WEBUI_URL"),
            webgpu_url=read.origin("WEBGPU_URL"),
            prometheus_url=read.origin("PROMETHEUS_URL"),
            grafana_url=read.origin("GRAFANA_URL"),
            docker_view_url=read.origin("DOCKER_VIEW_URL"),
            page_ports={
                part: read.integer(name, 0, least=1, most=65_535)
                for part, name in PAGE_PORTS.items()
                if read.optional(name)
            },
            host=read.text("HEALTHCHECK_HOST", defaults.host),
            port=read.integer("HEALTHCHECK_PORT", defaults.port, least=0, most=65_535),
            interval=read.seconds("HEALTHCHECK_INTERVAL", defaults.interval),
            chat_interval=read.seconds(
                "HEALTHCHECK_CHAT_INTERVAL",
                defaults.chat_interval,
                zero=True,
                most=LONGEST_CHAT_INTERVAL_SECONDS,
            ),
            timeout=read.seconds("HEALTHCHECK_TIMEOUT", defaults.timeout),
            chat_timeout=read.seconds("HEALTHCHECK_CHAT_TIMEOUT", defaults.chat_timeout),
            chat_max_tokens=read.integer(
                "HEALTHCHECK_CHAT_MAX_TOKENS", defaults.chat_max_tokens, least=1
            ),
            loads_models=read.switch("HEALTHCHECK_LOADS_MODELS", default=defaults.loads_models),
            log_level=read.choice(
                "HEALTHCHECK_LOG_LEVEL",
                defaults.log_level,
                ("DEBUG", "INFO", "WARNING", "ERROR"),
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

    def origin(self, name: str) -> str | None:
        url = self.optional(name)
        return _origin(name, url) if url else None

    def integer(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        value = self._number(name, default, int, "a whole number")
        if value < least or (most is not None and value > most):
            upper = f" to {most}" if most is not None else " or more"
            raise SettingsError(name, f"expected {least}{upper}, found {value}")
        return value

    def seconds(
        self, name: str, default: float, *, zero: bool = False, most: float = float("inf")
    ) -> float:
        value = self._number(name, default, float, "a number of seconds")
        if value > most:
            raise SettingsError(name, f"expected at most {most:g} seconds, found {value:g}")
        if not (0 < value < float("inf") or (zero and value == 0)):
            least = "0 or more" if zero else "more than 0"
            raise SettingsError(name, f"expected {least} seconds, found {value}")
        return value

    def switch(self, name: str, *, default: bool) -> bool:
        text = self.text(name, "yes" if default else "no").lower()
        if text in ("yes", "true", "on", "1"):
            return True
        if text in ("no", "false", "off", "0"):
            return False
        raise SettingsError(name, f"expected yes or no, found {text!r}")

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
