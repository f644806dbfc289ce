"""Errors as callers see them: OpenAI's shape, a closed set of codes, each with its remedy.

The tree::

    GatewayError
    ├── InvalidRequestError           400, 404, 405, 408, 413, 415, 417, 431   invalid_request
    │   └── ContextLengthError        400                  context_length_exceeded
    ├── UnknownHostError              421                  unknown_host
    ├── ForeignOriginError            403                  foreign_origin
    ├── InvalidApiKeyError            401                  invalid_api_key
    ├── ModelNotFoundError            404                  model_not_found
    ├── ModelNotCachedError           404                  model_not_cached
    ├── OverloadedError               429, 503 + Retry-After   overloaded
    ├── UpstreamError                 502                  upstream_error
    ├── ModelLoadError                503                  model_load_failed
    └── FoundryUnreachableError       503                  foundry_unreachable, with a ``cause``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from foundry_gateway.transport_errors import Cause


class GatewayError(Exception):
    """Something a caller is told.

    Args:
        message: What is wrong, one or two sentences.
        remedy: What to do about it; the public message ends with it.
        param: The request field at fault, if one is.
        status: HTTP status when it differs from the class's own.
    """

    code: ClassVar[str]
    type: ClassVar[str] = "server_error"
    status: int = 500
    cause: Cause | None = None
    retry_after: int | None = None
    should_retry: ClassVar[bool] = False
    event: tuple[str, str] | None = None
    """Problem and remedy for everybody who may look at the status or the log; None where the error
    is about one request alone, or quotes a caller or the runtime."""

    def __init__(
        self, message: str, remedy: str, *, param: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.param = param
        if status is not None:
            self.status = status

    def body(self) -> dict[str, object]:
        """Return the JSON body: OpenAI's shape, plus ``problem``, ``cause`` and ``remedy``."""
        return {
            "error": {
                "message": f"{self.message} {self.remedy}".strip(),
                "problem": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
                "cause": self.cause,
                "remedy": self.remedy,
            }
        }

    def headers(self) -> dict[str, str]:
        """Return header fields that go with the error."""
        # The official clients retry every 5xx unless told; most of ours do not heal in a second.
        fields = {"x-should-retry": "true" if self.should_retry else "false"}
        if self.retry_after is not None:
            fields["Retry-After"] = str(self.retry_after)
        return fields

    def forget_origin(self) -> None:
        """Drop the frames in which it arose: they hold the request's body.

        An error that is kept, if only by the frame that handles it, would keep all that in a
        circle until the garbage collector comes by, and by then it counts for nobody.
        """
        self.__traceback__ = self.__context__ = self.__cause__ = None


class InvalidRequestError(GatewayError):
    """The request itself is wrong."""

    code = "invalid_request"
    type = "invalid_request_error"
    status = 400


class ContextLengthError(InvalidRequestError):
    """The prompt alone does not fit the model's context."""

    code = "context_length_exceeded"


class UnsupportedEncodingError(InvalidRequestError):
    """The body is encoded, or is not what it should be."""

    status = 415

    def headers(self) -> dict[str, str]:
        """Return header fields, with the encoding that is taken (RFC 9110, 15.5.16)."""
        return {**super().headers(), "Accept-Encoding": "identity"}


class UnknownHostError(GatewayError):
    """The request is for a name that is not the gateway's."""

    code = "unknown_host"
    type = "invalid_request_error"
    status = 421


class ForeignOriginError(GatewayError):
    """A page of another site asks."""

    code = "foreign_origin"
    type = "invalid_request_error"
    status = 403


class InvalidApiKeyError(GatewayError):
    """The key is missing or wrong."""

    code = "invalid_api_key"
    type = "authentication_error"
    status = 401

    def headers(self) -> dict[str, str]:
        """Return header fields, with the challenge that RFC 9110 asks for."""
        return {**super().headers(), "WWW-Authenticate": "Bearer"}


class ModelNotFoundError(GatewayError):
    """Foundry Local does not know the model."""

    code = "model_not_found"
    type = "invalid_request_error"
    status = 404


class ModelNotCachedError(GatewayError):
    """Foundry Local knows the model but has not downloaded it."""

    code = "model_not_cached"
    type = "invalid_request_error"
    status = 404


class OverloadedError(GatewayError):
    """The queue is full, or waiting took too long.

    Args:
        message: What is wrong.
        remedy: What to do.
        retry_after: Seconds after which trying again is reasonable.
    """

    code = "overloaded"
    type = "rate_limit_error"
    status = 429
    should_retry = True

    def __init__(self, message: str, remedy: str, retry_after: int) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after


class UpstreamError(GatewayError):
    """Foundry Local failed on a request, or broke off. The remedy quotes nobody."""

    code = "upstream_error"
    status = 502

    def __init__(
        self, message: str, remedy: str, *, param: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(message, remedy, param=param, status=status)
        self.event = ("Foundry Local failed on a request, or broke an answer off.", remedy)


class ModelLoadError(GatewayError):
    """Foundry Local could not load the model.

    Args:
        message: Which model, and why.
        remedy: What to do; it quotes nobody.
        why: The same without the model, which may be a name that a caller made up.
    """

    code = "model_load_failed"
    status = 503

    def __init__(self, message: str, remedy: str, why: str) -> None:
        super().__init__(message, remedy, param="model")
        self.event = (f"Foundry Local could not load a model: {why}.", remedy)


class FoundryUnreachableError(GatewayError):
    """Foundry Local does not answer.

    Args:
        message: What was tried.
        remedy: What to do.
        cause: Why it failed.
        detail: The technical address and words, for the status alone.
    """

    code = "foundry_unreachable"
    status = 503
    should_retry = True

    def __init__(self, message: str, remedy: str, cause: Cause, detail: str = "") -> None:
        super().__init__(message, remedy)
        self.cause = cause
        self.detail = detail
        self.event = (message, remedy)
