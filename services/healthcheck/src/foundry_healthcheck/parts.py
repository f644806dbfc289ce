"""The parts of the stack that are probed, from the settings: one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundry_healthcheck.settings import Settings

FOUNDRY = "foundry"
GATEWAY = "gateway"
CHAT = "chat"
PROMETHEUS = "prometheus"
SLOW = 3
"""How many times its patience the chat probe waits for an answer that is slow, but may come."""


@dataclass(frozen=True, slots=True)
class Part:
    """One probe on a schedule. Durations are seconds."""

    name: str
    """Value of the label ``probe``."""
    title: str
    """For a person."""
    module: str
    target: str
    service: str
    """Name of the service in ``compose.yaml``, for the remedies."""
    interval: float
    timeout: float


def parts(settings: Settings) -> tuple[Part, ...]:
    """Return what to probe, in the order in which to show it: what matters to a person first."""
    cheap = (settings.interval, settings.timeout)
    # /status, not /ready: a stopped Foundry Local has to turn itself red, not the gateway.
    gateway = f"{settings.gateway_url}/status"
    upstreams = ",".join(settings.upstreams)
    found = [
        Part(
            CHAT,
            "An answer from the model",
            "chat",
            settings.gateway_url,
            "gateway",
            settings.chat_interval,
            settings.chat_timeout * SLOW,
        ),
        Part(FOUNDRY, "Foundry Local", "foundry", upstreams, "foundry-local", *cheap),
        Part(GATEWAY, "Gateway", "http", gateway, "gateway", *cheap),
    ]
    optional = (
        ("chainlit", "Chat app", "http", settings.chainlit_url, "/health", "chainlit"),
        ("chainlit-socket", "Chat app, live line", "websocket", settings.chainlit_url, "", ""),
        ("open-webui", "Open WebUI", "http", settings.open_webui_url, "/ready", ""),
        ("webgpu", "WebGPU page", "http", settings.webgpu_url, "/", "webgpu-static"),
        (PROMETHEUS, "Prometheus", "prometheus", settings.prometheus_url, "", ""),
        ("grafana", "Grafana", "http", settings.grafana_url, "/api/health", ""),
    )
    found += [
        Part(
            name,
            title,
            module,
            url + path,
            service or name.removesuffix("-socket"),
            *cheap,
        )
        for name, title, module, url, path, service in optional
        if url
    ]
    return tuple(found)
