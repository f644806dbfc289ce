"""Prometheus metrics of the chat app: what people see, not what the model does.

The model's side (tokens, queue, upstream) is measured by the gateway. No label names a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# Those of the OpenTelemetry GenAI conventions for time to first chunk, plus a tail for cold loads.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TAIL = (163.84, 327.68)


class Metrics:
    """All metrics, in a registry of their own so that a reload can make new ones."""

    def __init__(self, open_chats: Callable[[], int], remembered_chats: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Gauge(
            "foundry_chat_open_chats",
            "Chats whose browser is connected.",
            registry=self.registry,
        ).set_function(open_chats)
        Gauge(
            "foundry_chat_remembered_chats",
            "Chats whose messages are held in memory.",
            registry=self.registry,
        ).set_function(remembered_chats)
        self.active = Gauge(
            "foundry_chat_active_answers", "Answers being written now.", registry=self.registry
        )
        self.chats = Counter("foundry_chat_chats", "Chats started.", registry=self.registry)
        self.messages = Counter(
            "foundry_chat_messages",
            "Questions asked, by how they ended.",
            ["outcome"],
            registry=self.registry,
        )
        self.errors = Counter(
            "foundry_chat_errors",
            "Errors shown to a person, by code.",
            ["error_type"],
            registry=self.registry,
        )
        self.first_token = Histogram(
            "foundry_chat_time_to_first_token_seconds",
            "From a question's arrival to the first words sent to the browser.",
            ["gen_ai_request_model"],
            buckets=(*_SECONDS, *_TAIL),
            registry=self.registry,
        )
        for outcome in ("answered", "stopped", "failed"):
            self.messages.labels(outcome)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
