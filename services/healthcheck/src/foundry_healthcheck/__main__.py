"""Serve, check, or probe once.

python -m foundry_healthcheck                              serve until SIGTERM
python -m foundry_healthcheck healthcheck                  exit 0 if the running prober probes
python -m foundry_healthcheck probe MODULE TARGET [--json] probe once; exit 1 if it does not work
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from calendar import timegm

from foundry_common import direct
from foundry_healthcheck.settings import Settings, SettingsError

HEALTHCHECK_TIMEOUT = 4.0
STALE_INTERVALS = 6
"""Intervals without a single run after which the prober itself has stopped working."""


def main() -> int:
    """Run the command line; returns the exit code: 0 fine, 1 failed, 2 wrong usage or settings."""
    parser = argparse.ArgumentParser(
        prog="foundry_healthcheck",
        description="Probes every part of a Foundry Local chat stack.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="serve until SIGTERM (default)")
    commands.add_parser("healthcheck", help="exit 0 if the running prober probes, else 1")
    once = commands.add_parser("probe", help="probe once; exit 0 if it works, else 1")
    once.add_argument("module", metavar="MODULE", help="http, foundry, chat, websocket, prometheus")
    once.add_argument("target", metavar="TARGET", help="an address")
    once.add_argument("--json", action="store_true", help="the outcome as JSON")
    options = parser.parse_args()
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"foundry_healthcheck: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if options.command == "healthcheck":
        return healthcheck(settings)
    if options.command == "probe":
        from foundry_healthcheck.once import probe  # noqa: PLC0415 - a healthcheck needs no client

        return probe(settings, options.module, options.target, as_json=options.json)
    from foundry_healthcheck.server import serve  # noqa: PLC0415 - as above

    serve(settings)
    return 0


def healthcheck(settings: Settings) -> int:
    """Ask the running prober for its status, and whether its probes still run.

    What it finds wrong with the stack is not its own illness: it would only be restarted for it.
    """
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
    url = f"http://{host}:{settings.port}/api/status"
    try:
        with direct.get(url, HEALTHCHECK_TIMEOUT) as answer:
            status = json.load(answer)
        newest = max(part["last_run"] or status["started"] for part in status["parts"])
        age = time.time() - timegm(time.strptime(newest[:19], "%Y-%m-%dT%H:%M:%S"))
    except (OSError, ValueError, KeyError) as error:
        print(f"{url}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    if age > STALE_INTERVALS * settings.interval + settings.timeout:
        print(f"{url}: no probe has run for {age:.0f} s", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
