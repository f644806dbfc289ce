"""The three operations that are forwarded, and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One OpenAI route."""

    name: str
    """``gen_ai.operation.name`` of the OpenTelemetry GenAI conventions."""
    path: str
    required: str
    """The field without which a request makes no sense."""
    limit_fields: tuple[str, ...] = ()
    """Fields that bound the output in tokens; the first present one counts, all are set."""
    asks_usage: bool = False
    """Whether a stream reports usage only on request (``stream_options``)."""
    finish_marks: tuple[bytes, ...] = ()
    """Byte strings in a stream that show that the model came to its end."""
    prelude_marks: tuple[bytes, ...] = ()
    """Byte strings of events that come before the model has been asked, and say nothing of it."""
    ends_with_done: bool = False
    """Whether clients expect ``data: [DONE]``."""
    streams: bool = True
    keeps_answers: bool = False
    """Whether the runtime keeps answers, and the prompts with them, unless told not to."""
    spares: bool = False
    """Whether it comes in crowds and leaves places to others: see ``admission``."""


CHAT = Operation(
    name="chat",
    path="/v1/chat/completions",
    required="messages",
    # The runtime knows both and prefers the newer; older generations know only the older.
    limit_fields=("max_completion_tokens", "max_tokens"),
    asks_usage=True,
    finish_marks=(b'"finish_reason":"',),
    ends_with_done=True,
)
RESPONSES = Operation(
    name="responses",
    path="/v1/responses",
    required="input",
    limit_fields=("max_output_tokens",),
    keeps_answers=True,
    finish_marks=(b'"type":"response.completed"', b'"type":"response.incomplete"'),
    prelude_marks=(b'"type":"response.created"', b'"type":"response.in_progress"'),
)
EMBEDDINGS = Operation(
    name="embeddings", path="/v1/embeddings", required="input", streams=False, spares=True
)

OPERATIONS = (CHAT, RESPONSES, EMBEDDINGS)
