"""Why a probe failed or was skipped: closed sets, used as metric labels and in the status."""

from __future__ import annotations

from typing import Literal, get_args

Reason = Literal[
    "name_not_resolved",
    "refused",
    "timed_out",
    "unreachable",
    "not_foundry",
    "tls_failed",
    "http_error",
    "bad_answer",
    "no_models",
    "no_model_loaded",
    "model_missing",
    "stream_broken",
    "no_answer",
    "overloaded",
    "unauthorized",
    "handshake_failed",
    "not_ready",
    "not_recording",
    "storage_failed",
    "other",
]
Skip = Literal["users_first", "model_not_loaded", "disabled"]

REASONS: tuple[Reason, ...] = get_args(Reason)
SKIPS: tuple[Skip, ...] = get_args(Skip)


class ProbeFailedError(Exception):
    """What was probed does not work.

    Args:
        reason: Which of the closed set it is.
        message: What is wrong, one or two sentences.
        remedy: What to do about it, where the probed part said so itself; else it is looked up.
    """

    def __init__(self, reason: Reason, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message
        self.remedy = remedy


class ProbeSkippedError(Exception):
    """The probe was not made, so as not to harm what it measures.

    Args:
        reason: Which of the closed set it is.
        message: Why, one sentence.
    """

    def __init__(self, reason: Skip, message: str) -> None:
        super().__init__(message)
        self.reason: Skip = reason
        self.message = message
