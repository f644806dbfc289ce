"""One rule for every setting: that of the part which uses it, asked before anything is started.

Numbers, addresses and names are judged by the services' own settings, which need nothing installed;
what shell scripts and Compose read has its rule here, and tests feed one table to both.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from lib.environment import ROOT
from lib.sources import gateway_settings, healthcheck_settings, values

Rule = Callable[[str], object]
Refused = values.ValueRefusedError

LEAST_MEMORY_BYTES: Final = 256 * 1024**2
"""With less, Foundry Local does not even start."""
MOST_MEMORY_BYTES: Final = 1024**5
"""Far below 2^63, from which on Compose reads a negative limit."""
LARGEST_GROUP: Final = 2**31 - 1
_MEMORY = re.compile(
    r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,3})?) ?(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE
)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_AMOUNT = r"[1-9][0-9]{0,5}"
MOST_RETENTION_HOURS: Final = 876_000
"""A hundred years; Prometheus counts nanoseconds, and from 293 years on refuses to start."""
_HOURS: Final = {"h": 1, "d": 24, "w": 168, "y": 8760}
PROMISES: Final = (
    *("0.32", "0.64", "1.28", "2.56", "5.12", "10.24", "20.48", "40.96", "81.92", "163.84"),
)
"""What PROMISE_FIRST_TOKEN_SECONDS may be, by the rule of monitoring/prometheus/start.sh."""
SCRAPE_SECONDS = (5, 60)
"""The shortest and the longest interval that the windows of the alerts are made for."""


def by(reader: Any, name: str) -> Rule:
    """The rule by which a service reads one of its settings.

    Args:
        reader: module with the service's `Settings` and `SettingsError`.
        name: of the setting.
    """

    def rule(text: str) -> object:
        try:
            return reader.Settings.from_env({name: text})
        except reader.SettingsError as error:
            raise Refused(str(error).removeprefix(f"{name}: ")) from None

    return rule


def exact(rule: Rule) -> Rule:
    """A rule for a reader that does not strip blanks."""

    def strict(text: str) -> object:
        if text != text.strip():
            raise Refused(f"expected no blanks around it, found {values.quoted(text)}")
        return rule(text)

    return strict


def port(text: str) -> object:
    """A published port; not all of its readers take one with zeros before it."""
    try:
        number = values.whole_number(text, 1, 65_535)
    except Refused:
        number = 0
    if text != str(number) or not number:
        raise Refused(f"expected a port from 1 to 65535, found {values.quoted(text)}")
    return number


def bind_address(text: str) -> object:
    """An address as Compose takes it: one with colons stands in brackets."""
    address = values.bind_address(text)
    if ":" in str(address) and not (text.startswith("[") and text.endswith("]")):
        raise Refused(f"expected an IPv6 address in brackets, as [{address}], found {text!r}")
    if ":" not in str(address) and text != str(address):
        raise Refused(f"expected {address} without brackets, found {values.quoted(text)}")
    return address


def memory(text: str) -> object:
    """A container's memory limit, as Compose reads it."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise Refused(f"expected a size such as 6g, found {values.quoted(text)}")
    size = float(match["number"]) * _UNITS[match["unit"].lower()]
    if not LEAST_MEMORY_BYTES <= size <= MOST_MEMORY_BYTES:
        raise Refused(f"expected 256m to 1024t, found {values.quoted(text)}")
    return size


def folder(text: str) -> object:
    """A folder of this machine; Compose takes a bare name for a volume, and a colon for an end."""
    rest = text[2:] if DRIVE.match(text) else text
    begins = text.startswith((".", "/", "~/", "~\\")) or text == "~" or rest is not text
    if not begins or ":" in rest or not text.isprintable():
        raise Refused(
            f"expected a folder that begins with ./, / or ~/, without a colon, such as ./models, "
            f"found {values.quoted(text)}"
        )
    return text


def file(text: str) -> object:
    """A file of this machine."""
    if not text.strip() or not text.isprintable():
        raise Refused(f"expected the path of a file, found {values.quoted(text)}")
    return text


def group(text: str) -> object:
    """The number of a group of users."""
    return values.whole_number(text, 0, LARGEST_GROUP)


def anything(text: str) -> object:
    """Any text at all."""
    return text


def amount(what: str, example: str, *units: str) -> Rule:
    """A number with a unit, by the rule of monitoring/prometheus/start.sh."""
    form = re.compile(rf"{_AMOUNT}(?:{'|'.join(units)})", re.ASCII)

    def rule(text: str) -> object:
        if not form.fullmatch(text):
            expected = f"expected {what}: a number and {' or '.join(units)}, such as {example}"
            raise Refused(f"{expected}, found {values.quoted(text)}")
        return text

    return rule


def retention(text: str) -> object:
    """How long samples are kept, by the rule of monitoring/prometheus/start.sh."""
    amount("a time", "15d", *_HOURS)(text)
    if int(text[:-1]) * _HOURS[text[-1]] > MOST_RETENTION_HOURS:
        raise Refused(f"expected at most 100y, found {values.quoted(text)}")
    return text


def scrape_interval(text: str) -> object:
    """Seconds between two scrapes, by the rule of monitoring/prometheus/start.sh."""
    amount("a number of seconds", "15s", "s")(text)
    least, most = SCRAPE_SECONDS
    if not least <= int(text.removesuffix("s")) <= most:
        raise Refused(f"expected {least}s to {most}s, found {values.quoted(text)}")
    return text


def promise(text: str) -> object:
    """Seconds that Prometheus can count answers by: a bound of the gateway's histogram."""
    if text not in PROMISES:
        raise Refused(f"expected one of {', '.join(PROMISES)}, found {values.quoted(text)}")
    return text


def jobs(text: str) -> object:
    """Jobs of monitoring/prometheus/prometheus.yml, by the rule of its start.sh."""
    configured = (ROOT / "monitoring" / "prometheus" / "prometheus.yml").read_text("utf-8")
    known = re.findall(r"^  - job_name: (\S+)$", configured, re.MULTILINE)
    for name in re.split(r"[, \t\n]+", text):
        if name and name not in known:
            raise Refused(f"expected jobs of {', '.join(known)}, found {values.quoted(name)}")
    return text


_GATEWAY = (
    *("GATEWAY_MAX_CONCURRENCY", "GATEWAY_MAX_QUEUE", "GATEWAY_QUEUE_TIMEOUT"),
    *("GATEWAY_CONNECT_TIMEOUT", "GATEWAY_FIRST_TOKEN_TIMEOUT", "GATEWAY_IDLE_TIMEOUT"),
    *("GATEWAY_LOAD_TIMEOUT", "GATEWAY_MAX_BODY_BYTES", "GATEWAY_MAX_PROMPT_TOKENS"),
    "GATEWAY_LOG_LEVEL",
)
_HEALTHCHECK = (
    *("HEALTHCHECK_INTERVAL", "HEALTHCHECK_CHAT_INTERVAL", "HEALTHCHECK_TIMEOUT"),
    *("HEALTHCHECK_CHAT_TIMEOUT", "HEALTHCHECK_CHAT_MAX_TOKENS", "HEALTHCHECK_LOADS_MODELS"),
    *("HEALTHCHECK_START_PERIOD", "HEALTHCHECK_LOG_LEVEL", "DOCKER_VIEW_URL"),
)
PORTS: Final = (
    *("GATEWAY_PORT", "CHAINLIT_PORT", "OPEN_WEBUI_PORT", "WEBGPU_PORT", "GRAFANA_PORT"),
    *("PROMETHEUS_PORT", "HEALTHCHECK_PORT"),
)
BLOCKED_PORTS: Final = frozenset(
    (
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179),
        *(389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601),
        *(636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000),
        *(6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    )
)
"""Ports that no browser opens: https://fetch.spec.whatwg.org/#port-blocking."""
SECRETS: Final = frozenset({"GATEWAY_API_KEY", "WEBUI_ADMIN_PASSWORD"})

RULES: Final[Mapping[str, Rule]] = {
    "FOUNDRY_URL": values.origins,
    "MODEL": values.model_name,
    "MODELS": values.model_names,
    "EMBEDDED_MODEL": values.model_name,
    "EMBEDDED_MEMORY_LIMIT": exact(memory),
    "EMBEDDED_MODELS_DIR": exact(folder),
    "FOUNDRY_HOST_PUBLIC_CATALOG": values.switch,
    "EMBEDDING_MODEL": values.model_name,
    "BIND_ADDRESS": exact(bind_address),
    "ALLOWED_HOSTS": values.host_names,
    **dict.fromkeys(PORTS, exact(port)),
    "CHAINLIT_SYSTEM_PROMPT": anything,
    "WEBUI_ADMIN_EMAIL": values.email,
    "WEBUI_ADMIN_PASSWORD": values.password,
    "WEBUI_ADMIN_NAME": anything,
    "WEBUI_AUTH": values.switch,
    "GATEWAY_API_KEY": values.api_key,
    **{name: by(gateway_settings, name) for name in _GATEWAY},
    **{name: by(healthcheck_settings, name) for name in _HEALTHCHECK},
    "COMPOSE_PROFILES": anything,  # which there are depends on COMPOSE_FILE
    "COMPOSE_FILE": anything,  # its separator is a setting too
    "DOCKER_GID": exact(group),
    "PROMETHEUS_SCRAPE_INTERVAL": exact(scrape_interval),
    "PROMETHEUS_RETENTION": exact(retention),
    "PROMETHEUS_RETENTION_SIZE": exact(amount("a size", "1GB", "MB", "GB", "TB")),
    "PROMISE_FIRST_TOKEN_SECONDS": exact(promise),
    "PROMETHEUS_WITHOUT": jobs,
    **dict.fromkeys(("BUILD_CA_BUNDLE", "BUILD_PIP_CONF", "BUILD_NPMRC"), file),
}
"""Every setting of .env.example."""
