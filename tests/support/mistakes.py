"""Ask a gateway something and tell what came of it: the status and the error, if one came."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from support.foundry import DEMO_ALIAS
from support.gateway import Gateway

USUAL: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8},
    "/v1/responses": {"input": "hi", "max_output_tokens": 16},
    "/v1/embeddings": {},
}


def ask(gateway: Gateway, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
    """POST ``body`` over what is usual there; an error in a stream counts as one, too."""
    data = json.dumps({"model": DEMO_ALIAS, **USUAL[path], **body}).encode()
    headers = {**gateway.headers, "Content-Type": "application/json"}
    request = urllib.request.Request(gateway.url + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as failed:
        with failed:
            status, text = failed.code, failed.read().decode()
    pieces = [
        line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")
    ]
    for piece in pieces or [text]:
        error = json.loads(piece).get("error")
        if error:
            return status, error
    return status, None
