"""What one request leaves behind in the metrics and in the log; never its text."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from foundry_gateway.metrics import PROVIDER, ChunkTally, client_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundry_gateway.errors import GatewayError
    from foundry_gateway.metrics import Metrics
    from foundry_gateway.sse import Usage

UNKNOWN_MODEL = "unknown"
_log = logging.getLogger("foundry_gateway.request")


class Record:
    """Times and counts one request.

    Args:
        metrics: Where they go.
        operation: The operation's name.
        headers: The request's header fields, for who is calling.
    """

    def __init__(self, metrics: Metrics, operation: str, headers: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._operation = operation
        self.client = client_label(headers.get("X-Client"), headers.get("User-Agent"))
        """Who is calling, of a closed set."""
        self._started = time.perf_counter()
        self._first = 0.0
        self._latest = 0.0
        self._tally = ChunkTally()
        self._chunks = 0
        self.model = UNKNOWN_MODEL
        """An alias that the runtime knows; never a name that a caller made up."""
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.cancelled = False

    def received(self, chunks: int) -> None:
        """Count chunks that have just arrived together."""
        if chunks < 1:
            return
        now = time.perf_counter()
        if self._chunks:
            self._tally.observe(now - self._latest, chunks)
        else:
            self._first = now
        self._latest = now
        self._chunks += chunks

    def close(self) -> None:
        """Write everything down."""
        labels = (self._operation, PROVIDER, self.model, self.client)
        took = time.perf_counter() - self._started
        outcome = self.error.code if self.error else "cancelled" if self.cancelled else ""
        self._metrics.duration.labels(*labels, outcome).observe(took)
        if self._chunks:
            self._metrics.first_chunk.labels(*labels).observe(self._first - self._started)
            self._metrics.per_chunk.add(labels, self._tally)
        if self.usage:
            self._metrics.tokens.labels(*labels, "input").observe(self.usage.input_tokens)
        output = self.usage.output_tokens if self.usage else self._chunks
        if output:
            self._metrics.tokens.labels(*labels, "output").observe(output)
        _log.info(
            "%s model=%s client=%s outcome=%s seconds=%.3f chunks=%d",
            self._operation,
            self.model,
            self.client,
            outcome or "ok",
            took,
            self._chunks,
        )
