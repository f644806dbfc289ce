"""Settings, read once from the command line and the environment into one frozen object."""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from foundry_common import env, values
from foundry_host.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_PORT = 51211
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
DEFAULT_DATA_DIR = Path.home() / ".foundry-chat"
PUBLIC_CATALOG_URL = "https://api.catalog.azureml.ms/asset-gallery/v1.0/models"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the web service listens: an address of this machine, or a name that stands for one."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as the runtime wants it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def companion(self) -> Address:
        """Where the companion status server listens: the next port."""
        return Address(self.host, self.port + 1)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen, with its default.

    Attributes:
        models: Aliases to download, if need be, and to load.
        addresses: Where the web service listens; the companion takes the next port of each.
        models_dir: Holds ONNX Runtime GenAI model directories to serve.
        data_dir: Everything this program writes lies below it: model cache, logs, runtime data.
        cache_dir: The runtime's model cache.
        demo: Whether to serve the bundled demo model.
        demo_dir: The directory of the demo model; the bundled one when ``None``.
        public_catalog: Address of the public catalog, or ``None`` to stay without it.
        catalog_region: The Azure region to download from; the runtime chooses when ``None``.
        accelerate: Whether to fetch execution providers for a GPU or NPU.
        embedded: Whether this runs in the stack's own container.
        own_models: There, the folder of the user's that is ``models_dir``; empty where none is set.
        log_level: The runtime's own log level, a ``LogLevel`` value.
    """

    models: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = (Address("127.0.0.1", 51211),)
    models_dir: Path | None = None
    data_dir: Path = DEFAULT_DATA_DIR
    cache_dir: Path = DEFAULT_DATA_DIR / "models"
    demo: bool = True
    demo_dir: Path | None = None
    public_catalog: str | None = PUBLIC_CATALOG_URL
    catalog_region: str | None = None
    accelerate: bool = True
    embedded: bool = False
    own_models: str = ""
    log_level: str = "Error"


def argument_parser() -> argparse.ArgumentParser:
    """The command line; every option falls back to the environment variable its help names."""
    parser = argparse.ArgumentParser(
        prog="python -m foundry_host",
        description="Run Microsoft Foundry Local and keep it running until Ctrl-C or SIGTERM.",
        epilog="'python -m foundry_host healthcheck' exits 0 when a model is loaded and 1 else.",
    )
    add = parser.add_argument
    add(
        "--model",
        action="append",
        metavar="ALIAS",
        help="download, if need be, and load this model; may be repeated "
        "(EMBEDDED_MODEL or FOUNDRY_HOST_MODEL)",
    )
    add(
        "--url",
        action="append",
        metavar="URL",
        help=f"listen here; may be repeated; a name stands for the addresses it has at the start; "
        f"the status server takes the next port (FOUNDRY_HOST_URL, default {DEFAULT_URL})",
    )
    add(
        "--models-dir",
        metavar="DIR",
        help="serve every ONNX Runtime GenAI model directory in DIR (FOUNDRY_HOST_MODELS_DIR)",
    )
    add(
        "--data-dir",
        metavar="DIR",
        help="where everything is written (FOUNDRY_HOST_DATA_DIR, default ~/.foundry-chat)",
    )
    add(
        "--cache-dir",
        metavar="DIR",
        help="the model cache (FOUNDRY_HOST_CACHE_DIR, default DATA_DIR/models)",
    )
    add(
        "--demo",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="serve the built-in demo model (FOUNDRY_HOST_DEMO, default yes)",
    )
    add(
        "--demo-dir",
        metavar="DIR",
        help="serve DIR as the demo model, for those who train it (FOUNDRY_HOST_DEMO_DIR)",
    )
    add(
        "--public-catalog",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="use Microsoft's public model catalog (FOUNDRY_HOST_PUBLIC_CATALOG, default yes)",
    )
    add(
        "--accelerate",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="fetch execution providers for a GPU or NPU (FOUNDRY_HOST_ACCELERATE, default yes)",
    )
    return parser


def read_settings(
    arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Read the settings; the command line wins over the environment.

    Raises:
        SettingsError: A value cannot be understood.
        SystemExit: The command line cannot be parsed, or asked for ``--help``.
    """
    options = argument_parser().parse_args(arguments)

    def text(option: str | None, variable: str) -> str | None:
        return option or environ.get(variable) or None

    def path(option: str | None, variable: str) -> Path | None:
        value = text(option, variable)
        return Path(value).expanduser().absolute() if value else None

    def flag(option: bool | None, variable: str, *, default: bool) -> bool:  # noqa: FBT001
        if option is not None:
            return option
        try:
            return env.Reader(environ).switch(variable, default=default)
        except env.SettingsError as error:
            raise SettingsError(f"{error}.", "Write yes or no.") from None

    _refuse_blanks(options)
    models = _named(options.model) if options.model else _models(environ)
    urls = options.url or _split(environ.get("FOUNDRY_HOST_URL")) or [DEFAULT_URL]
    data_dir = path(options.data_dir, "FOUNDRY_HOST_DATA_DIR") or DEFAULT_DATA_DIR
    public = flag(options.public_catalog, "FOUNDRY_HOST_PUBLIC_CATALOG", default=True)
    return Settings(
        models=tuple(dict.fromkeys(models)),
        addresses=tuple(dict.fromkeys(parse_address(url) for url in urls)),
        models_dir=path(options.models_dir, "FOUNDRY_HOST_MODELS_DIR"),
        data_dir=data_dir,
        cache_dir=path(options.cache_dir, "FOUNDRY_HOST_CACHE_DIR") or data_dir / "models",
        demo=flag(options.demo, "FOUNDRY_HOST_DEMO", default=True),
        demo_dir=path(options.demo_dir, "FOUNDRY_HOST_DEMO_DIR"),
        public_catalog=(
            (environ.get("FOUNDRY_HOST_PUBLIC_CATALOG_URL") or PUBLIC_CATALOG_URL)
            if public
            else None
        ),
        catalog_region=environ.get("FOUNDRY_HOST_CATALOG_REGION") or None,
        accelerate=flag(options.accelerate, "FOUNDRY_HOST_ACCELERATE", default=True),
        embedded=flag(None, "FOUNDRY_HOST_EMBEDDED", default=False),
        own_models=environ.get("EMBEDDED_MODELS_DIR", "").strip(),
        log_level=_log_level(environ.get("FOUNDRY_HOST_LOG_LEVEL") or "Error"),
    )


def _refuse_blanks(options: argparse.Namespace) -> None:
    """An option without a value is a slip, mostly of a variable that is not set."""
    for name, given in vars(options).items():
        option = f"--{name.replace('_', '-')}"
        if any(isinstance(one, str) and not one.strip() for one in _list(given)):
            raise SettingsError(f"{option} is given without a value.", f"Write {option} VALUE.")


def _list(given: object) -> list[object]:
    return given if isinstance(given, list) else [given]


def _named(aliases: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(values.model_name(alias) for alias in aliases)
    except values.ValueRefusedError as error:
        raise SettingsError(
            f"--model: {error}.", "Give a model's alias; --model may be repeated."
        ) from None


def parse_address(url: str) -> Address:
    """Read ``http://ADDRESS:PORT`` or ``http://NAME:PORT``; a name is looked up at the start.

    Raises:
        SettingsError: It is something else.
    """
    if "," in url:
        raise SettingsError(
            f"--url {url} holds several addresses.", "Repeat the option: --url A --url B."
        )
    expected = SettingsError(
        f"--url {url} is not of the form http://ADDRESS:PORT.", f"For example: {DEFAULT_URL}."
    )
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise expected from None
    rest = (parts.username, parts.password, parts.path.strip("/"), parts.query, parts.fragment)
    if parts.scheme == "https":
        raise SettingsError(
            f"--url {url}: Foundry Local speaks plain HTTP only.", "Write http:// instead."
        )
    if parts.scheme == "http" and host and port is None and not any(rest) and not host.isdecimal():
        raise SettingsError(
            f"--url {url} names no port.", f"Add one: {url.rstrip('/')}:{DEFAULT_PORT}."
        )
    if parts.scheme != "http" or not host or not port or any(rest):
        raise expected
    if port > 65534:  # noqa: PLR2004 - the companion needs the next one
        raise SettingsError(
            f"--url {url}: the status server needs the next port.", "Choose one below 65535."
        )
    if host == "localhost":
        host = "127.0.0.1"
    if not is_address(host) and not (_NAME.fullmatch(host) and re.search("[a-z]", host)):
        raise SettingsError(
            f"--url {url}: {host} is neither an address nor a name.",
            "Give the address of one of this machine's interfaces or a name that stands for it, "
            "127.0.0.1 for this machine only or 0.0.0.0 for all.",
        )
    return Address(host, port)


def is_address(host: str) -> bool:
    """Whether ``host`` is an IPv4 or IPv6 address, and so no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _models(environ: Mapping[str, str]) -> Sequence[str]:
    """Aliases by the rule that the gateway reads them by; EMBEDDED_MODEL is one of them alone."""
    read = env.Reader(environ)
    try:
        several = read.value("FOUNDRY_HOST_MODEL", values.model_names)
        single = read.value("EMBEDDED_MODEL", values.model_name)
    except env.SettingsError as error:
        raise SettingsError(f"{error}.", "Give a model's alias, such as qwen2.5-0.5b.") from None
    return several or ((single,) if single else ())


def _split(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def _log_level(value: str) -> str:
    levels = ("Verbose", "Debug", "Information", "Warning", "Error", "Fatal")
    if value.capitalize() not in levels:
        raise SettingsError(
            f"FOUNDRY_HOST_LOG_LEVEL={value!r} is unknown.", f"Use one of {', '.join(levels)}."
        )
    return value.capitalize()
