"""What can go wrong between a person and the model, in words a person can act on.

ChatError             a code, a message and a remedy
├── GatewayUnreachable    the gateway itself does not answer
├── StreamInterrupted     the answer broke off midway
└── (plain ChatError)     what the gateway reported, in its own words
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx2
import openai

if TYPE_CHECKING:
    from collections.abc import Mapping

# Addresses in these texts are seen from the containers: shown as code, never as links.
_ADDRESS = re.compile(r"(?<![`\w])https?://[^\s`)\"']*[^\s`)\"'.,;:]")
CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"


class ChatError(Exception):
    """A failed answer: ``code`` for metrics, ``message`` and ``remedy`` for the person."""

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.code = code
        self.message = message
        self.remedy = remedy

    def as_markdown(self) -> str:
        """Return the text a person reads: what is wrong, then what to do."""
        message, remedy = (_ADDRESS.sub(r"`\g<0>`", text) for text in (self.message, self.remedy))
        return f"**{message}**\n\n{remedy}".strip()


class GatewayUnreachable(ChatError):  # noqa: N818 - named for the situation, like its code
    """No HTTP answer from the gateway."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            "gateway_unreachable",
            f"The gateway does not answer ({detail}).",
            "Start it: `docker compose up -d gateway`. Then try again.",
        )


class StreamInterrupted(ChatError):  # noqa: N818 - named for the situation, like its code
    """The stream ended before the model had finished."""

    def __init__(self) -> None:
        super().__init__(
            "stream_interrupted",
            "The answer broke off before it was finished.",
            "Try again; if it happens again, `docker compose logs --tail 50 gateway` says why.",
        )


def from_body(body: Mapping[str, Any], fallback_code: str = "upstream_error") -> ChatError:
    """Read an error object in the gateway's form, ``{"message", "code", "remedy", …}``.

    The gateway's message ends with its remedy; the two are told apart so that they can be shown
    apart.
    """
    code = str(body.get("code") or body.get("type") or fallback_code)
    message = str(body.get("message") or "The model could not answer.").strip()
    remedy = str(body.get("remedy") or "").strip()
    if remedy and message.endswith(remedy):
        message = message[: -len(remedy)].strip()
    return ChatError(code, message or remedy, remedy if message else "")


def from_exception(error: Exception) -> ChatError:
    """Translate what the OpenAI client or its HTTP transport raised."""
    if isinstance(error, ChatError):
        return error
    if isinstance(error, openai.APIStatusError):
        if isinstance(error.body, dict):
            return from_body(error.body)
        return ChatError(
            "gateway_error",
            f"The gateway answered with HTTP {error.status_code} and nothing readable.",
            "Try again; `docker compose logs --tail 50 gateway` says what it did.",
        )
    if isinstance(error, openai.APIConnectionError | httpx2.ConnectError | httpx2.TimeoutException):
        return GatewayUnreachable(_root_cause(error))
    if isinstance(error, httpx2.HTTPError | OSError):
        return StreamInterrupted()
    return ChatError(
        "internal_error",
        "Something went wrong inside the chat app.",
        "Try again; the details are in `docker compose logs --tail 50 chainlit`.",
    )


def _root_cause(error: BaseException) -> str:
    """Return the innermost reason in a few words; transports wrap it several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    match error:
        case socket.gaierror() | aiohttp.ClientConnectorDNSError():
            return "its name does not resolve"
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError() | httpx2.TimeoutException():
            return "it took too long"
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the connection was closed"
        case _:
            return "no connection"
