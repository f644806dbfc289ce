"""``python -m foundry_host healthcheck``: is a model loaded and the web service answering?"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import TYPE_CHECKING

from foundry_host.addresses import reachable_url

if TYPE_CHECKING:
    from foundry_host.settings import Settings

_SECONDS = 5.0


def healthcheck(settings: Settings) -> int:
    """Ask the web service which models are loaded; the exit code for Docker."""
    url = f"{reachable_url(settings.addresses[0])}/models/loaded"
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as response:  # noqa: S310 - own service
            loaded = json.load(response)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    if not loaded:
        sys.stderr.write("no model is loaded\n")
        return 1
    sys.stdout.write(f"loaded: {', '.join(loaded)}\n")
    return 0
