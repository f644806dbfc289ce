"""What a caller is told when Foundry Local does not answer as it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from foundry_common import remedies
from foundry_gateway import faults, limits
from foundry_gateway.errors import (
    ContextLengthError,
    GatewayError,
    InvalidRequestError,
    OverloadedError,
    UpstreamError,
)
from foundry_gateway.loading import not_cached, not_found

if TYPE_CHECKING:
    from collections.abc import Collection

    from foundry_gateway.exchange import Fault
    from foundry_gateway.inventory import Target
    from foundry_gateway.upstream import Upstream

_RETRY_AFTER: Final = 5
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_LARGEST_MISTAKE: Final = 64
"""The longest tokens of vocabularies in use are 256 letters, runs of blanks mostly."""


def translate(
    upstream: Upstream, target: Target, fault: Fault, fields: Collection[str] = ()
) -> GatewayError:
    """Return the error for a request that Foundry Local refused or failed on.

    Args:
        upstream: Who did.
        target: Which model was asked.
        fault: What it said.
        fields: Names of what the caller sent.
    """
    if faults.is_not_cached(fault.message):
        return not_cached(upstream, target.alias)
    if faults.is_not_found(fault.message) and "model" in fault.message.lower():
        return not_found(upstream, target.alias)
    mistake = faults.mistake(fault.message, fields)
    if mistake is not None:
        return refused(fault.message, mistake)
    if fault.status >= _SERVER_ERROR or fault.status == _NOT_FOUND:
        return UpstreamError(
            f"Foundry Local failed: {faults.sentence(fault.message)}",
            remedies.restart(upstream.place),
        )
    return InvalidRequestError(
        f"Foundry Local refused the request: {faults.sentence(fault.message)}",
        "Change or remove what it names.",
    )


def refused(message: str, mistake: faults.Mistake) -> InvalidRequestError:
    """Return the error for a request that can never be answered as it is."""
    return InvalidRequestError(
        f"Foundry Local refused the request: {faults.sentence(message)}",
        mistake.remedy,
        param=mistake.param,
    )


def no_embeddings(alias: str) -> InvalidRequestError:
    """Return the error for embeddings of a model that the runtime would die of."""
    return InvalidRequestError(
        f"{alias} is no model for embeddings.",
        "Use one that is, such as qwen3-embedding-0.6b; name it in EMBEDDING_MODEL.",
        param="model",
    )


SPLIT: Final = "Split the text into shorter pieces, or use a model with a longer context."
"""How texts to embed become shorter."""


def shorter(client: str, *, searches_documents: bool) -> str:
    """Return how a prompt becomes shorter for somebody in this front.

    Args:
        client: Which front asks, as in the metrics' label ``client``.
        searches_documents: Whether documents can be searched, so that few lines of them are sent.
    """
    if client != "open-webui":
        return "Shorten the conversation, or use a model with a longer context."
    if searches_documents:
        return (
            "Start a new chat, or use a model with a longer context. A document that is sent whole "
            "can be searched instead: click on it, and switch to focused retrieval."
        )
    return (
        "Start a new chat, attach a shorter document, or use a model with a longer context. To "
        "have long documents searched instead of sent whole, set EMBEDDING_MODEL in .env (such as "
        "qwen3-embedding-0.6b) and run: docker compose up -d"
    )


def too_long(overflow: faults.Overflow, remedy: str, param: str) -> ContextLengthError:
    """Return the error for a prompt that the context does not hold.

    Args:
        overflow: Its figures.
        remedy: What to do about it.
        param: The field that carries the prompt.
    """
    return ContextLengthError(
        f"The prompt has {overflow.prompt} tokens, but the model's context holds "
        f"{overflow.context}.",
        remedy,
        param=param,
    )


def far_too_long(tokens: int, context: int, remedy: str, param: str) -> ContextLengthError | None:
    """Return the error for a prompt that no way of counting fits into the context; None else.

    The runtime takes about twenty times a prompt's size to count its tokens, and keeps much of it.

    Args:
        tokens: The estimate, which a vocabulary made for the text could be below.
        context: What the model's context holds, in tokens.
        remedy: What to do about it.
        param: The field that carries the prompt.
    """
    if tokens <= context * _LARGEST_MISTAKE:
        return None
    return ContextLengthError(
        f"The prompt has about {tokens} tokens, but the model's context holds {context}.",
        remedy,
        param=param,
    )


def answer_too_large(*, may_stream: bool) -> InvalidRequestError:
    """Return the error for an answer in one piece that is too large to be held.

    Args:
        may_stream: Whether the same can be had as a stream.
    """
    return InvalidRequestError(
        f"Foundry Local's answer has more than {limits.ANSWER} bytes.",
        "Ask for less at a time, or for a stream." if may_stream else "Ask for less at a time.",
    )


def no_room() -> OverloadedError:
    """Return the error for an answer that there is no room for now."""
    return OverloadedError(
        "Other long answers fill the gateway's memory now.",
        "Try again after the time in Retry-After, or ask for a stream.",
        _RETRY_AFTER,
    )


def broke_off(upstream: Upstream, why: str) -> GatewayError:
    """Return the error for a stream that ended early."""
    mistake = faults.mistake(why)
    if mistake is not None:
        return refused(why, mistake)
    return UpstreamError(
        f"Foundry Local broke off: {faults.sentence(why)}",
        remedies.restart(upstream.place),
    )
