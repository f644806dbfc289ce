"""Requests, and their failures told apart."""

from __future__ import annotations

import contextlib
import errno
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from foundry_healthcheck.reasons import ProbeFailedError
from foundry_healthcheck.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from foundry_healthcheck.probing import Run
    from foundry_healthcheck.reasons import Reason

USER_AGENT = f"foundry-healthcheck/{__version__}"
MAX_BODY = 256 * 1024
"""Bytes of an answer that are read; a page has shown by then that it works."""
_REFUSED = (errno.ECONNREFUSED,)
_SLOW = (errno.ETIMEDOUT,)
_NO_ROUTE = (
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EADDRNOTAVAIL,
    errno.ENETDOWN,
    errno.EACCES,  # Linux says so where a firewall rejects
    errno.EPERM,
)
_WORDS: dict[Reason, str] = {
    "name_not_resolved": "its name does not resolve",
    "refused": "the connection is refused",
    "timed_out": "there is no answer in time",
    "unreachable": "there is no route to it",
    "tls_failed": "the TLS handshake fails",
    "bad_answer": "what answers does not speak HTTP",
    "no_answer": "it closes the connection without an answer",
    "other": "the request fails",
}
_KINDS: tuple[tuple[type[BaseException], Reason], ...] = (
    (aiohttp.ClientConnectorDNSError, "name_not_resolved"),
    (aiohttp.ClientSSLError, "tls_failed"),
    (TimeoutError, "timed_out"),
    (aiohttp.ServerDisconnectedError, "no_answer"),
    (aiohttp.ClientResponseError, "bad_answer"),
    (aiohttp.ClientPayloadError, "bad_answer"),
)
"""In the order in which they are tried; some are subclasses of others."""


def make_session() -> aiohttp.ClientSession:
    """Return a client whose every request makes its own connection, as a new visitor's would.

    It keeps no cookies: what one part hands out is no business of the next.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, use_dns_cache=False, limit=64),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        timeout=aiohttp.ClientTimeout(total=None),
    )


@contextlib.asynccontextmanager
async def asking(
    run: Run,
    method: str,
    url: str,
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - goes to aiohttp, which tells phases apart
    **options: Any,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Make a request; every way in which it can fail comes out as ``ProbeFailedError``.

    Args:
        run: Whose request it is.
        method: GET or POST.
        url: Where.
        timeout: Seconds for all of it; at most what the run has left.
        options: Passed on to aiohttp.
    """
    seconds = min(run.left, timeout) if timeout else run.left
    try:
        async with run.http.request(
            method,
            url,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=max(seconds, 0.001)),
            **options,
        ) as response:
            run.note(f"{method} {url}: {response.status}")
            yield response
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        reason = classify(error)
        run.note(f"{method} {url}: {type(error).__name__}: {error}")
        message = f"It cannot be reached: {words(reason)}."
        raise ProbeFailedError(reason, message) from None


async def fetch(
    run: Run,
    url: str,
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - see asking
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """GET and return status and body, of which no more than a bounded part is read.

    Raises:
        ProbeFailedError: No answer came.
    """
    async with asking(run, "GET", url, timeout=timeout, headers=headers) as response:
        return response.status, await _read(response)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BODY:
            break
    return bytes(body)


def classify(error: BaseException) -> Reason:
    """Return which of the closed set of reasons a failed request is."""
    for kind, reason in _KINDS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, aiohttp.ClientConnectorError):
        return _classify_connect(error.os_error)
    return "no_answer" if isinstance(error, OSError) else "other"


def _classify_connect(error: OSError) -> Reason:
    # One that is made of several attempts has the number, but not the class, of its parts.
    if isinstance(error, ConnectionRefusedError) or error.errno in _REFUSED:
        return "refused"
    if isinstance(error, TimeoutError) or error.errno in _SLOW:
        return "timed_out"
    # The rest is a listener that goes away while it accepts.
    return "unreachable" if error.errno in _NO_ROUTE else "no_answer"


def words(reason: Reason) -> str:
    """Return what a reason means, to go after a colon."""
    return _WORDS.get(reason, _WORDS["other"])


def parse_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one where it is none."""
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
