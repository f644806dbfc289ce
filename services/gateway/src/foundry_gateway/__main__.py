"""Serve, check, or print the key.

python -m foundry_gateway              serve until SIGTERM
python -m foundry_gateway healthcheck  exit 0 if the running gateway answers, else 1
python -m foundry_gateway api-key      print the API key
"""

from __future__ import annotations

import argparse
import json
import sys

from foundry_common import direct
from foundry_gateway.settings import Settings, SettingsError

HEALTHCHECK_TIMEOUT = 4.0


def main() -> int:
    """Run the command line; returns the exit code: 0 fine, 1 failed, 2 wrong usage or settings."""
    parser = argparse.ArgumentParser(
        prog="foundry_gateway", description="The one OpenAI-compatible door to Foundry Local."
    )
    parser.add_argument(
        "command", nargs="?", choices=("serve", "healthcheck", "api-key"), default="serve"
    )
    command = parser.parse_args().command
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"foundry_gateway: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if command == "healthcheck":
        return healthcheck(settings)
    if command == "api-key":
        print(settings.api_key or "")  # noqa: T201
        return 0 if settings.api_key else 1
    from foundry_gateway.server import serve  # noqa: PLC0415 - a healthcheck needs no web server

    serve(settings)
    return 0


def healthcheck(settings: Settings) -> int:
    """Ask the running gateway for its status, which walks through all of its parts.

    Foundry Local being down is not the gateway's illness: it would only be restarted for nothing.
    """
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
    url = f"http://{host}:{settings.port}/status"
    try:
        with direct.get(url, HEALTHCHECK_TIMEOUT) as answer:
            status = json.load(answer)
    except (OSError, ValueError) as error:
        print(f"{url}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0 if "version" in status else 1


if __name__ == "__main__":
    sys.exit(main())
