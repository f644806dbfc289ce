"""What one chat took, from its first byte to its last."""

from __future__ import annotations

from dataclasses import dataclass, field

LEAST_CHUNKS = 2
"""With fewer there is no rate."""


@dataclass(slots=True)
class Measurement:
    """One chat. Durations are seconds since the question was sent."""

    model: str
    """Alias that was asked."""
    first_chunk: float | None = None
    last_chunk: float = 0.0
    chunks: int = 0
    gaps: list[float] = field(default_factory=list)
    """Between one chunk and the next; of those that arrived together, each took its share."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    finish: str | None = None
    """Why the model stopped, in its own word."""
    total: float = 0.0

    def received(self, chunks: int, at: float) -> None:
        """Count chunks of text that have just arrived together."""
        if self.first_chunk is None:
            self.first_chunk = at
        else:
            self.gaps += [(at - self.last_chunk) / chunks] * chunks
        self.last_chunk = at
        self.chunks += chunks

    @property
    def chunks_per_second(self) -> float | None:
        """How fast the answer came once it had begun; None where there is hardly one.

        Of a small model it may arrive all at once. Then all the time counts, and the rate was at
        least this.
        """
        if self.chunks < LEAST_CHUNKS:
            return None
        took = sum(self.gaps)
        if took:
            return len(self.gaps) / took
        return self.chunks / self.last_chunk if self.last_chunk else None
