"""The published addresses of the stack, as this machine calls them."""

import socket
import sys
from dataclasses import dataclass

from lib.console import StepFailedError
from lib.settings import Settings
from lib.sources import values

LARGEST_PORT = 65_535
FIRST_FREE_FOR_ALL = 1024


@dataclass(frozen=True)
class Address:
    """A published address of the stack."""

    service: str
    port_setting: str
    default_port: int
    title: str
    path: str = ""


GATEWAY = Address("gateway", "GATEWAY_PORT", 8000, "Gateway, OpenAI-compatible", "/v1")
ADDRESSES = (
    Address("chainlit", "CHAINLIT_PORT", 8080, "Chat"),
    Address("open-webui", "OPEN_WEBUI_PORT", 3000, "Open WebUI"),
    Address("webgpu-static", "WEBGPU_PORT", 5173, "Models in the browser"),
    Address("healthcheck", "HEALTHCHECK_PORT", 9180, "What works and what does not"),
    Address("grafana", "GRAFANA_PORT", 3001, "Dashboards"),
    Address("prometheus", "PROMETHEUS_PORT", 9090, "Metrics and alerts"),
    GATEWAY,
    Address("gateway", "GATEWAY_PORT", 8000, "The gateway's own view, as JSON", "/status"),
)


def address(settings: Settings, entry: Address, local_name: str = "127.0.0.1") -> str:
    """An address of the stack as this machine calls it."""
    bound = bind_address(settings)
    if str(bound) in {"127.0.0.1", "0.0.0.0"}:  # noqa: S104 - compared, not bound
        host = local_name
    else:
        host = "::1" if bound.is_unspecified else str(bound)
    return f"http://{f'[{host}]' if ':' in host else host}:{port_of(settings, entry)}"


def bind_address(settings: Settings) -> values.Address:
    """The address on which the ports are published.

    Raises:
        StepFailedError: the setting is not an address.
    """
    try:
        return values.bind_address(settings.get("BIND_ADDRESS", "127.0.0.1"))
    except values.ValueRefusedError as refused:
        raise StepFailedError(
            f"BIND_ADDRESS: {refused}.",
            f"Change BIND_ADDRESS in {settings.place('BIND_ADDRESS')}, or remove it there.",
        ) from None


def port_of(settings: Settings, entry: Address) -> int:
    """The port of an address.

    Raises:
        StepFailedError: the setting is not a port.
    """
    value = settings.get(entry.port_setting, str(entry.default_port))
    try:
        return values.whole_number(value, 1, LARGEST_PORT)
    except values.ValueRefusedError:
        raise StepFailedError(
            f"{entry.port_setting} must be a port between 1 and {LARGEST_PORT}, found {value!r}.",
            f"Change {entry.port_setting} in {settings.place(entry.port_setting)}, or remove it "
            "there.",
        ) from None


def is_here(host: str) -> bool:
    """Whether an address is one of this machine, so that a server can listen on it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:  # there may be no IPv6 at all
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def not_here(settings: Settings) -> tuple[str, str] | None:
    """Why the ports cannot be published where they should be, and what mends it; else None.

    Raises:
        StepFailedError: the setting is not an address.
    """
    host = str(bind_address(settings))
    if is_here(host):
        return None
    return (
        f"BIND_ADDRESS {host} is not an address of this machine",
        f"Set it to 127.0.0.1, or remove it from {settings.place('BIND_ADDRESS')}.",
    )


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if sys.platform != "win32":  # there it would allow two servers on one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            # Below 1024 this user may not listen, but Docker may: so ask whether somebody does.
            return sys.platform != "win32" and port < FIRST_FREE_FOR_ALL and not answers(host, port)
        except OSError:
            return False
    return True


def answers(host: str, port: int) -> bool:
    """Whether a server listens there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False
