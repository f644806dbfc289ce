"""``python -m foundry_host healthcheck``: is a model loaded and the web service answering?

While the runtime loads a model, ``/models/loaded``, ``/v1/models`` and new chats wait until it is
done (2.2.1); only ``/status`` answers. So the web service is asked for that, and the companion for
the models: a large model that takes a minute to load is no reason to restart the container.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from foundry_common import direct
from foundry_host.addresses import reachable_url

if TYPE_CHECKING:
    from foundry_host.settings import Settings

_SECONDS = 3.0


def healthcheck(settings: Settings) -> int:
    """Ask the web service and its companion; returns the exit code for Docker."""
    address = settings.addresses[0]
    try:
        _get(f"{reachable_url(address)}/status")
        models = _get(f"{reachable_url(address.companion)}/status")["models"]
    except (OSError, ValueError, LookupError) as error:
        sys.stderr.write(f"{reachable_url(address)}: {error}\n")
        return 1
    loaded = [model["variant"] for model in models if model["state"] == "loaded"]
    if not loaded:
        sys.stderr.write("no model is loaded\n")
        return 1
    sys.stdout.write(f"loaded: {', '.join(loaded)}\n")
    return 0


def _get(url: str) -> Any:
    with direct.get(url, _SECONDS) as response:
        return json.load(response)
