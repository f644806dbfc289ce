"""What is refused whatever the body says: routes, methods, expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from foundry_gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from aiohttp import web

_NOT_FOUND: Final = 404
_EXPECTATION_FAILED: Final = 417


class WrongMethodError(InvalidRequestError):
    """The route exists, but not for this method."""

    status = 405

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(f"{method} is not allowed on {path}.", "Use POST to ask, GET to look.")
        self.allowed = allowed

    def headers(self) -> dict[str, str]:
        """Return header fields, with the methods that are right."""
        return {**super().headers(), "Allow": self.allowed}


def no_route() -> InvalidRequestError:
    """Return the error for a path that is nowhere."""
    return InvalidRequestError(
        "The gateway has no such route.",
        "It serves /v1/models, /v1/chat/completions, /v1/responses, /v1/embeddings, /status, "
        "/ready, /health and /metrics; Foundry Local's own administration stays on its host.",
        status=_NOT_FOUND,
    )


def check_expectation(request: web.Request) -> None:
    """Refuse an expectation that cannot be met.

    Raises:
        InvalidRequestError: It expects something other than leave to send its body.
    """
    for value in request.headers.getall("Expect", ()):
        if value.strip().lower() != "100-continue":
            raise InvalidRequestError(
                "This expectation cannot be met.", "Leave Expect out.", status=_EXPECTATION_FAILED
            )
