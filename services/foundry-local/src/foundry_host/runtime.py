"""The part of ``foundry-local-sdk`` that this package uses, and how it is started."""

# ruff: noqa: D102 - what each member does is documented in the SDK
from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from foundry_host.settings import Settings

#: ``disable_nonessential_telemetry`` alone still uploads a description of the machine, and ONNX
#: Runtime and its GenAI library have telemetry of their own; each leaves a database and a device
#: id in the user's cache. ``TF_BUILD`` is the one thing that stops the first (it says that this is
#: an automated build, for which the runtime uploads nothing), the other variable the rest.
NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1", "TF_BUILD": "True"}

#: The runtime's application name: also a part of its default paths, which are all overridden.
APP_NAME = "foundry-chat"


class Model(Protocol):
    """One model or variant, as ``foundry_local_sdk.IModel``."""

    @property
    def id(self) -> str: ...
    @property
    def alias(self) -> str: ...
    @property
    def is_cached(self) -> bool: ...
    @property
    def is_loaded(self) -> bool: ...
    @property
    def context_length(self) -> int | None: ...
    @property
    def variants(self) -> list[Model]: ...
    def select_variant(self, variant: Model) -> None: ...
    def get_int_property(self, key: str, default: int = 0) -> int: ...
    def download(
        self,
        progress_callback: Callable[[float], None] | None = None,
        cancel_event: threading.Event | None = None,
    ) -> None: ...
    def load(self) -> None: ...


class Catalog(Protocol):
    """The catalog, as ``foundry_local_sdk.Catalog``."""

    def list_models(self) -> list[Model]: ...
    def get_model(self, model_alias: str) -> Model | None: ...
    def get_model_variant(self, model_id: str) -> Model | None: ...
    def get_cached_models(self) -> list[Model]: ...
    def get_loaded_models(self) -> list[Model]: ...


class ExecutionProvider(Protocol):
    """As ``foundry_local_sdk.EpInfo``."""

    @property
    def name(self) -> str: ...
    @property
    def is_registered(self) -> bool: ...


class Registration(Protocol):
    """As ``foundry_local_sdk.EpDownloadResult``."""

    @property
    def registered_eps(self) -> list[str]: ...
    @property
    def failed_eps(self) -> list[str]: ...


class Runtime(Protocol):
    """The manager, as ``foundry_local_sdk.FoundryLocalManager``."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def urls(self) -> list[str] | None: ...
    def discover_eps(self) -> list[ExecutionProvider]: ...
    def download_and_register_eps(
        self,
        names: list[str] | None = None,
        progress_callback: Callable[[str, float], None] | None = None,
    ) -> Registration: ...
    def start_web_service(self) -> None: ...
    def is_shutdown_requested(self) -> bool: ...
    def close(self) -> None: ...


def runtime_version() -> str:
    """What ``/status`` calls the runtime."""
    return f"foundry-local-sdk {version('foundry-local-sdk')}"


def start_runtime(settings: Settings, catalog_urls: list[str]) -> Runtime:
    """Create the manager, telemetry off and every path below ``data_dir``.

    Raises:
        FoundryLocalException: The native library refused the configuration.
    """
    os.environ.update(NO_TELEMETRY)
    # Imported late: the native libraries read the environment as they are loaded, and
    # ``healthcheck`` does without them.
    from foundry_local_sdk import Configuration, FoundryLocalManager  # noqa: PLC0415
    from foundry_local_sdk.logging_helper import LogLevel  # noqa: PLC0415

    manager = FoundryLocalManager(
        Configuration(
            app_name=APP_NAME,
            app_data_dir=str(settings.data_dir / "app"),
            model_cache_dir=str(settings.cache_dir),
            logs_dir=str(settings.data_dir / "logs"),
            log_level=LogLevel(settings.log_level),
            web=Configuration.WebService(urls=";".join(a.url for a in settings.addresses)),
            catalog_urls=[(url, None) for url in catalog_urls],
            catalog_region=settings.catalog_region,
            disable_nonessential_telemetry=True,
        )
    )
    return cast("Runtime", manager)
