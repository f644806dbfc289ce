"""The published parts of the stack: where each answers, and how to know that it is ours."""

from collections.abc import Callable
from dataclasses import dataclass

from lib.addresses import ADDRESSES, Address
from lib.doctor.web import Reply

OK = 200
EDGE_CODES = frozenset({"service_unavailable", "unknown_host", "foreign_origin", "not_local"})
"""By which the edge says that it speaks for itself."""


def _json_with(*names: str) -> Callable[[Reply], bool]:
    """Recognises a JSON object that has these members."""

    def recognises(reply: Reply) -> bool:
        body = reply.json
        return isinstance(body, dict) and set(names) <= body.keys()

    return recognises


def _text_with(*words: bytes) -> Callable[[Reply], bool]:
    """Recognises a page that has all these words."""
    return lambda reply: reply.status == OK and all(word in reply.body for word in words)


@dataclass(frozen=True)
class Part:
    """A part of the stack with a published port.

    Attributes:
        name: of its service and of its check.
        title: what a person calls it.
        path: what to ask it.
        recognises: whether an answer is this part's own.
        default_port: and `port_setting`, where it is published.
    """

    name: str
    title: str
    path: str
    recognises: Callable[[Reply], bool]
    port_setting: str
    default_port: int

    @property
    def address(self) -> Address:
        """Its address, as up.py prints it."""
        known = (entry for entry in ADDRESSES if entry.service == self.name)
        return next(known, Address(self.name, self.port_setting, self.default_port, self.title))

    def is_ours(self, reply: Reply) -> bool:
        """Whether the answer is this part's, or the edge's on its behalf."""
        return self.recognises(reply) or edge_speaks(reply)


def edge_speaks(reply: Reply) -> bool:
    """Whether the edge answers for a service that does not, or does not let the caller in."""
    return reply.error.get("code") in EDGE_CODES


PARTS = (
    Part("gateway", "Gateway", "/status", _json_with("upstreams"), "GATEWAY_PORT", 8000),
    Part("chainlit", "Chat", "/", _text_with(b"Foundry Chat", b'id="root"'), "CHAINLIT_PORT", 8080),
    Part("open-webui", "Open WebUI", "/ready", _json_with("status"), "OPEN_WEBUI_PORT", 3000),
    Part("webgpu-static", "WebGPU page", "/", _text_with(b"WebGPU"), "WEBGPU_PORT", 5173),
    Part(
        "healthcheck", "Health probe", "/api/status", _json_with("parts"), "HEALTHCHECK_PORT", 9180
    ),
    Part(
        "prometheus", "Prometheus", "/-/ready", _text_with(b"Prometheus"), "PROMETHEUS_PORT", 9090
    ),
    Part("grafana", "Grafana", "/api/health", _json_with("database"), "GRAFANA_PORT", 3001),
)


def part(name: str) -> Part:
    """The part of this name."""
    return next(one for one in PARTS if one.name == name)
