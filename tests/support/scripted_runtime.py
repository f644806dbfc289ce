"""A hand-written stand-in for the SDK's manager, for what this machine does not have.

Accelerators: execution providers to fetch, variants for them, a driver that fails. Everything
else is tested with the real runtime.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class ScriptedModel:
    """One variant; ``steps`` are the percentages its download reports."""

    id: str
    alias: str = "phi-4-mini"
    is_cached: bool = False
    is_loaded: bool = False
    context_length: int | None = 4096
    megabytes: int = 100
    steps: tuple[float, ...] = (0.0, 50.0, 100.0)
    download_error: Exception | None = None
    load_error: Exception | None = None
    siblings: list[ScriptedModel] = field(default_factory=list)
    downloading: threading.Event = field(default_factory=threading.Event)
    endless: bool = False

    @property
    def variants(self) -> list[ScriptedModel]:
        return self.siblings or [self]

    def select_variant(self, variant: ScriptedModel) -> None:
        raise NotImplementedError

    def get_int_property(self, key: str, default: int = 0) -> int:
        return self.megabytes if key == "filesize_mb" else default

    def download(
        self,
        progress_callback: Callable[[float], None] | None = None,
        cancel_event: threading.Event | None = None,
    ) -> None:
        self.downloading.set()
        if self.endless and cancel_event:
            assert cancel_event.wait(60)
            raise RuntimeError("download cancelled by user progress callback")
        for step in self.steps:
            if progress_callback:
                progress_callback(step)
            if self.download_error and step >= 50:
                raise self.download_error
        self.is_cached = True

    def load(self) -> None:
        if self.load_error:
            raise self.load_error
        self.is_loaded = True


@dataclass
class ScriptedProvider:
    name: str
    is_registered: bool = False


@dataclass
class ScriptedRegistration:
    registered_eps: list[str]
    failed_eps: list[str] = field(default_factory=list)


@dataclass
class ScriptedRuntime:
    """The manager and its catalog in one."""

    models: dict[str, ScriptedModel] = field(default_factory=dict)
    providers: list[ScriptedProvider] = field(default_factory=list)
    unavailable: set[str] = field(default_factory=set)
    urls: list[str] | None = None

    @property
    def catalog(self) -> ScriptedRuntime:
        return self

    def list_models(self) -> list[ScriptedModel]:
        return list(self.models.values())

    def get_model(self, model_alias: str) -> ScriptedModel | None:
        return self.models.get(model_alias)

    def get_model_variant(self, model_id: str) -> ScriptedModel | None:
        return next((m for m in self.models.values() if m.id == model_id), None)

    def get_cached_models(self) -> list[ScriptedModel]:
        return [m for m in self.models.values() if m.is_cached]

    def get_loaded_models(self) -> list[ScriptedModel]:
        return [m for m in self.models.values() if m.is_loaded]

    def discover_eps(self) -> list[ScriptedProvider]:
        return self.providers

    def download_and_register_eps(
        self,
        names: list[str] | None = None,
        progress_callback: Callable[[str, float], None] | None = None,
    ) -> ScriptedRegistration:
        (name,) = names or [""]
        if name in self.unavailable:
            raise RuntimeError(f"ep_bootstrapper.cc:10 void fl::Get(int) no driver for {name}")
        if progress_callback:
            progress_callback(name, 100.0)
        return ScriptedRegistration([name])

    def start_web_service(self) -> None:
        raise NotImplementedError

    def is_shutdown_requested(self) -> bool:
        return False

    def close(self) -> None:
        raise NotImplementedError
