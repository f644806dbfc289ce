"""Start the chat app, or ask a running one whether it works.

python -m foundry_chat                serve
python -m foundry_chat healthcheck    exit code 0 when the app serves its page and is healthy
"""

from __future__ import annotations

import json
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from foundry_chat import app_root
from foundry_chat.settings import Settings, SettingsError
from foundry_common import direct

if TYPE_CHECKING:
    from types import ModuleType

# What the web server reads of one frame of a socket before engine.io, whose limit is one megabyte,
# judges it.
FRAME_BYTES = 2_000_000

APP = Path(__file__).parents[1] / "app.py"


def serve(settings: Settings) -> None:
    """Run Chainlit; returns when it is told to stop."""
    root = app_root.lay_out(settings)
    # Chainlit reads all of this from the environment, some of it while it is being imported.
    os.environ["CHAINLIT_APP_ROOT"] = str(root)
    os.environ["CHAINLIT_HOST"] = settings.host
    os.environ["CHAINLIT_PORT"] = str(settings.port)
    if settings.auth_secret:
        os.environ["CHAINLIT_AUTH_SECRET"] = settings.auth_secret
    # Compressing every few tokens for a browser on the same machine costs more than it saves.
    os.environ.setdefault("UVICORN_WS_PER_MESSAGE_DEFLATE", "false")
    import uvicorn  # noqa: PLC0415 - see above
    from chainlit.cli import cli  # noqa: PLC0415

    bounded_frames(uvicorn)

    # Chainlit logs everything at INFO: without this, two lines for every look at the models.
    for noisy in ("httpx2", "httpx", "openai"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    arguments = ["run", str(APP), "--headless"]
    if settings.development:
        arguments.append("--watch")
    cli.main(arguments, prog_name="chainlit", standalone_mode=False)


def bounded_frames(uvicorn: ModuleType) -> None:
    """Have the web server hold little of what a socket sends; Chainlit leaves it at 32 x 16 MB."""
    bounded = partial(uvicorn.Config, ws_max_size=FRAME_BYTES, ws_max_queue=1)
    vars(uvicorn)["Config"] = bounded


def healthcheck(settings: Settings) -> int:
    """Return 0 when the app is healthy and serves its page, else 1, saying why."""
    base = f"http://127.0.0.1:{settings.port}"
    try:
        with direct.get(f"{base}/health", 5) as response:
            health = json.load(response)
        with direct.get(f"{base}/", 5) as response:
            page = response.read().decode("utf-8")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The chat app at {base} is not healthy: {error}\n")
        return 1
    if health.get("status") != "ok" or '<div id="root">' not in page:
        sys.stderr.write(f"The chat app at {base} is not healthy: {health}\n")
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Run the command line."""
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if arguments == ["healthcheck"]:
        return healthcheck(settings)
    if arguments:
        sys.stderr.write(__doc__ or "")
        return 2
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
