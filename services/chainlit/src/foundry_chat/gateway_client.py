"""The gateway, as an OpenAI server: model list and streamed answers through ``AsyncOpenAI``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAIError

from foundry_chat import errors, sse
from foundry_chat.models import Model

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from foundry_chat.history import ChatMessage
    from foundry_chat.settings import Settings


@dataclass(frozen=True)
class Sampling:
    """What the person set; ``None`` leaves it to the model."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None

    def as_parameters(self) -> dict[str, float | int]:
        """Return the parameters to send."""
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }
        return {name: value for name, value in values.items() if value is not None}


class GatewayClient:
    """One connection pool to the gateway, shared by every chat."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.gateway_url
        self._client = AsyncOpenAI(
            base_url=f"{settings.gateway_url}/v1",
            # The client refuses an empty key; a gateway without one ignores it.
            api_key=settings.gateway_api_key or "none",
            default_headers={"X-Client": "chainlit"},
            # The person decides about trying again, with a button.
            max_retries=0,
            timeout=httpx2.Timeout(
                settings.read_timeout,
                connect=settings.connect_timeout,
                pool=settings.connect_timeout,
            ),
            # A proxy from Docker's settings does not know the gateway.
            http_client=DefaultAioHttpClient(trust_env=False),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def models(self) -> list[Model]:
        """Return the models in the gateway's order, the default first.

        Raises:
            ChatError: the gateway does not answer, or refuses.
        """
        try:
            page = await self._client.models.list(timeout=5)
        except (OpenAIError, httpx2.HTTPError, OSError) as error:
            raise errors.from_exception(error) from error
        return [Model.from_api(item.id, item.model_extra or {}) for item in page.data]

    @asynccontextmanager
    async def answer(
        self, model: str, messages: Sequence[ChatMessage], sampling: Sampling
    ) -> AsyncIterator[AsyncIterator[list[sse.Event]]]:
        """Ask for an answer; yields an iterator over batches of events.

        Whatever arrived since the last batch comes as one, so a slow reader gets fewer, larger
        ones. Leaving the context closes the request at the gateway, finished or not.

        Raises:
            ChatError: the request failed or the stream broke off.
        """
        body: dict[str, Any] = {
            "messages": list(messages),
            "stream_options": {"include_usage": True},
            **sampling.as_parameters(),
        }
        try:
            async with self._client.chat.completions.with_streaming_response.create(
                model=model,
                messages=(),
                stream=True,
                # The rest as a body of our own: the client would check every message of the
                # history against its types, which costs more than sending it.
                extra_body=body,
            ) as response:
                events = self._events(response.iter_bytes())
                try:
                    yield events
                finally:
                    await events.aclose()
        except (OpenAIError, httpx2.HTTPError, OSError) as error:
            raise errors.from_exception(error) from error

    @staticmethod
    async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[sse.Event], None]:
        decoder = sse.Decoder()
        async for chunk in chunks:
            if events := decoder.feed(chunk):
                yield events
        if not decoder.done:
            raise errors.StreamInterrupted
