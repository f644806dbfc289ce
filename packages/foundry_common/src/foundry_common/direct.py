"""Asking an address of this machine or of this stack: never through a proxy.

Docker passes the proxy of ~/.docker/config.json on into every container, and Windows and macOS have
one for the whole system; none of them knows an address in here.
"""

from __future__ import annotations

import urllib.request
from typing import Any

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, timeout: float) -> Any:
    """Ask; returns urllib's response, to be used in a `with`.

    Raises:
        OSError: no answer within `timeout` seconds, or one that is an error.
    """
    return _opener.open(url, timeout=timeout)
