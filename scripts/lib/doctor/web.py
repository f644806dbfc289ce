"""Asking a web server: never through a proxy, never following it elsewhere, never for long."""

import http.client
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECONDS = 4.0
LONGEST_BODY = 2 * 1024 * 1024

PROBLEMS = {
    "refused": "nothing listens there (connection refused)",
    "timed_out": "it accepts connections but does not answer",
    "name_not_resolved": "its name does not resolve",
    "unreachable": "no route leads there",
    "tls_failed": "its certificate is not accepted",
    "broken": "it broke off in the middle of its answer",
}
"""Why there was no answer, in the probe's closed set of words, and for people."""


class _StaysHere(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for the answer that it is."""

    def redirect_request(self, *_: object) -> None:
        return None


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _StaysHere())


@dataclass(frozen=True)
class Reply:
    """An answer, or why there was none.

    Attributes:
        status: HTTP status; 0 without an answer.
        headers: its header fields; names in lower case.
        body: at most 2 MiB of it.
        problem: one of `PROBLEMS`, or nothing.
        at: when it came, in seconds since the epoch by this machine's clock.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str = ""
    at: float = 0.0

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def error(self) -> Mapping[str, Any]:
        """The error in the body, where it has our shape; else empty."""
        body = self.json
        found = body.get("error") if isinstance(body, dict) else None
        return found if isinstance(found, dict) else {}


def get(url: str, seconds: float = SECONDS) -> Reply:
    """GET an address; never raises."""
    request = urllib.request.Request(url, headers={"Accept": "application/json, */*"})  # noqa: S310
    try:
        try:
            with _direct.open(request, timeout=seconds) as response:
                return _read(response)
        except urllib.error.HTTPError as error:
            with error:
                return _read(error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Reply(problem=problem_of(error))


def _read(response: Any) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status, headers, response.read(LONGEST_BODY), at=time.time())


def problem_of(error: BaseException) -> str:
    """The word for a failed connection."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLError):
        return "tls_failed"
    if isinstance(cause, socket.gaierror):
        return "name_not_resolved"
    if isinstance(cause, ConnectionRefusedError):
        return "refused"
    if isinstance(cause, TimeoutError):
        return "timed_out"
    if isinstance(cause, ConnectionError | http.client.HTTPException):
        return "broken"
    return "unreachable"
