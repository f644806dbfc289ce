"""The models a person can choose from, and a feed that follows them while somebody chats."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundry_chat import wording
from foundry_chat.errors import ChatError
from foundry_common import remedies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Download:
    """Progress of a model on its way into the cache. Sizes in bytes, times in seconds."""

    bytes: int
    total_bytes: int | None
    seconds_left: float | None
    percent: float | None

    @classmethod
    def from_api(cls, body: Mapping[str, Any] | None) -> Download | None:
        """Read the gateway's ``download`` object; ``None`` when nothing is being downloaded."""
        if not body:
            return None
        return cls(
            bytes=int(body.get("bytes") or 0),
            total_bytes=body.get("total_bytes"),
            seconds_left=body.get("seconds_left"),
            percent=body.get("percent"),
        )


@dataclass(frozen=True)
class Model:
    """A model as the gateway lists it."""

    alias: str
    display_name: str
    state: str = "loaded"
    context_length: int | None = None
    demo: bool = False
    download: Download | None = None

    @classmethod
    def from_api(cls, alias: str, extra: Mapping[str, Any]) -> Model:
        """Read one entry of ``/v1/models``; the gateway's own fields lie under ``foundry``."""
        body = extra.get("foundry") or {}
        return cls(
            alias=alias,
            display_name=str(body.get("display_name") or alias),
            state=str(body.get("state") or "loaded"),
            context_length=body.get("context_length"),
            demo=bool(body.get("demo")),
            download=Download.from_api(body.get("download")),
        )

    @property
    def short_name(self) -> str:
        """The name under an answer; a demo always says that it is one."""
        return f"{self.alias} (built-in demo)" if self.demo else self.alias

    @property
    def label(self) -> str:
        """The name in the list of models, with what a person should know before choosing it."""
        name = self.display_name
        if self.demo and "demo" not in name.lower():
            name = f"{name} (built-in demo)"
        if self.download is not None:
            return f"{name} · {wording.progress(self.download.percent)}"
        note = {"available": "loads on first use", "missing": "not downloaded"}.get(
            self.state, self.state
        )
        return f"{name} · {note}"


@dataclass(frozen=True)
class Snapshot:
    """What the gateway last said: its models, or why it could not be asked."""

    models: tuple[Model, ...] = ()
    error: ChatError | None = None

    @property
    def default(self) -> Model | None:
        """The model behind "Automatic"."""
        return self.models[0] if self.models else None

    def find(self, alias: str) -> Model | None:
        """Return the model with this alias, if it is still listed."""
        return next((model for model in self.models if model.alias == alias), None)

    def resolve(self, choice: str) -> Model:
        """Return the model to ask; an unlisted choice goes to the gateway, which will say why not.

        Raises:
            ChatError: "Automatic", but the gateway has never listed a model.
        """
        if choice != AUTOMATIC:
            return self.find(choice) or Model(alias=choice, display_name=choice)
        if self.default is not None:
            return self.default
        raise self.missing

    @property
    def missing(self) -> ChatError:
        """Why there is no model at all."""
        look = remedies.script("doctor.py", system=remedies.host_system())
        return self.error or ChatError(
            "no_model", "There is no model to answer yet.", f"{look} says what is missing."
        )

    def downloading(self) -> list[Model]:
        """Return the models that are being downloaded."""
        return [model for model in self.models if model.download is not None]

    def same_choices(self, other: Snapshot) -> bool:
        """Whether a list of models made from either would read the same, progress aside."""
        return _choices(self.models) == _choices(other.models)


def _choices(models: Sequence[Model]) -> list[tuple[str, str, bool]]:
    return [(model.alias, model.state, model.download is None) for model in models]


class ModelFeed:
    """Asks the gateway for its models every few seconds while anybody is there to see them."""

    def __init__(self, fetch: Callable[[], Awaitable[list[Model]]], interval: float) -> None:
        self._fetch = fetch
        self._interval = interval
        self._task: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[Snapshot] | None = None
        self.latest = Snapshot()

    async def refresh(self, within: float | None = None) -> Snapshot:
        """Ask now. Callers that come together share one request. Never raises.

        Args:
            within: seconds to wait; after that, what is known already is returned.
        """
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._ask())
        await asyncio.wait([self._refreshing], timeout=within)
        return self.latest

    async def _ask(self) -> Snapshot:
        try:
            self.latest = Snapshot(models=tuple(await self._fetch()))
        except ChatError as error:
            # The last list stays: a gateway that restarts has the same models afterwards.
            self.latest = Snapshot(models=self.latest.models, error=error)
        return self.latest

    def watch(
        self,
        on_change: Callable[[Snapshot, Snapshot], Awaitable[None]],
        wanted: Callable[[], bool],
    ) -> None:
        """Go on asking until ``wanted`` says no; does nothing while already asking."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(on_change, wanted))

    async def _run(
        self,
        on_change: Callable[[Snapshot, Snapshot], Awaitable[None]],
        wanted: Callable[[], bool],
    ) -> None:
        while wanted():
            before = self.latest
            after = await self.refresh()
            if after.models != before.models:
                await on_change(before, after)
            await asyncio.sleep(self._interval)
