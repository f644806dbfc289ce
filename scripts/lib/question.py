"""Asking the model one question through the gateway, as any OpenAI client would."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from lib.console import StepFailedError, note

QUESTION = "What are you?"
LONGEST_ANSWER_TOKENS = 120
TIMEOUT_SECONDS = 600.0
"""A model that has to be loaded first may take minutes; the gateway keeps the stream alive."""
SEE_STATUS = "See {url}/status for what the gateway is waiting for."

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Gateway:
    """The gateway of a running stack.

    Args:
        url: its published address, such as http://127.0.0.1:8000.
        key: its API key.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._key = key

    def status(self) -> dict[str, Any]:
        """What `/status` says; empty while it does not answer."""
        try:
            with _direct.open(f"{self.url}/status", timeout=10) as response:
                status: dict[str, Any] = json.load(response)
                return status
        except (OSError, http.client.HTTPException, ValueError):
            return {}

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until a chat can be answered, and show downloads meanwhile.

        Raises:
            StepFailedError: not in time; with the gateway's own reason and remedy.
        """
        deadline = time.monotonic() + seconds
        told = ""
        while True:
            status = self.status()
            if status.get("ready"):
                return
            now = progress_line(status)
            if now != told:
                note(now)
                told = now
            if time.monotonic() > deadline:
                raise reason(status, self.url)
            time.sleep(0.5)

    def default_model(self) -> str:
        """The model that answers when none is named."""
        with self._open("/v1/models", None) as response:
            return str(json.load(response)["data"][0]["id"])

    def ask(self, question: str) -> Iterator[str]:
        """The answer, piece by piece as it comes.

        Raises:
            StepFailedError: with the gateway's own message and remedy.
        """
        body = {
            "model": self.default_model(),
            "messages": [{"role": "user", "content": question}],
            "stream": True,
            "max_tokens": LONGEST_ANSWER_TOKENS,
        }
        with self._open("/v1/chat/completions", body) as response:
            try:
                for line in response:
                    yield from pieces(line.decode("utf-8"), self.url)
            except (OSError, http.client.HTTPException, ValueError) as error:  # a line in two
                raise self._silent(error) from error

    def _open(self, path: str, body: dict[str, Any] | None) -> Any:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310
        try:
            return _direct.open(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            raise failure_in(error.read(), self.url) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> StepFailedError:
        return StepFailedError(
            f"The gateway does not answer at {self.url}: {str(error) or type(error).__name__}.",
            "See `docker compose logs gateway`.",
        )


def pieces(line: str, url: str) -> Iterator[str]:
    """The text in one line of an event stream.

    Raises:
        StepFailedError: the line carries an error.
    """
    if not line.startswith("data:") or line[5:].strip() == "[DONE]":
        return
    event = json.loads(line[5:])
    if "error" in event:
        raise failure_in(line[5:].encode(), url)
    for choice in event.get("choices", []):
        yield (choice.get("delta") or {}).get("content") or ""


def failure_in(body: bytes, url: str) -> StepFailedError:
    """The gateway's error as a failed step."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return StepFailedError(f"Unexpected answer: {body[:200]!r}.", SEE_STATUS.format(url=url))
    remedy = error.get("remedy") or SEE_STATUS.format(url=url)
    return StepFailedError(str(error.get("message", "")).removesuffix(remedy).strip(), remedy)


def reason(status: dict[str, Any], url: str) -> StepFailedError:
    """Why the gateway is not ready, in its own words."""
    errors = [upstream.get("error") for upstream in status.get("upstreams", [])]
    error = status.get("last_error") or next((error for error in errors if error), None)
    if not error:
        return StepFailedError("No model is ready to answer.", SEE_STATUS.format(url=url))
    return failure_in(json.dumps({"error": error}).encode(), url)


def progress_line(status: dict[str, Any]) -> str:
    """What the gateway is waiting for, in one line."""
    for download in status.get("downloads", []):
        if download.get("state") == "downloading":
            return f"downloading {download.get('alias')}: {download.get('percent') or 0:.0f} %"
    return "waiting for a model"
