"""How an exchange with an upstream can fail.

The tree::

    TransportError
    ├── UnreachableError       no connection; ``cause`` says why
    ├── ConnectionBrokenError  the connection ended early, or carried something that is not HTTP
    └── AnswerTimeoutError     connected, but nothing arrived for too long
"""

from __future__ import annotations

from typing import Literal

Cause = Literal["name_not_resolved", "refused", "timed_out", "not_foundry", "other"]


class TransportError(Exception):
    """The exchange with the upstream failed."""


class UnreachableError(TransportError):
    """No connection could be made.

    Args:
        message: What happened, for a person.
        cause: Which of the closed set of causes it was.
    """

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.cause: Cause = cause


class ConnectionBrokenError(TransportError):
    """The connection ended early or carried something that is not HTTP.

    Args:
        message: What happened, for a person.
        answered: Whether any byte of an answer had arrived.
        is_http: False when the other side does not speak HTTP.
    """

    def __init__(self, message: str, *, answered: bool, is_http: bool = True) -> None:
        super().__init__(message)
        self.answered = answered
        self.is_http = is_http


class AnswerTimeoutError(TransportError):
    """Connected, but the upstream stayed silent for longer than allowed."""


class AnswerTooLargeError(ConnectionBrokenError):
    """The answer has more bytes than are held here; the connection was given up."""
