"""``python -m foundry_host``: serve, or ``healthcheck``."""

from __future__ import annotations

import logging
import signal
import sys

from foundry_host.host import Host
from foundry_host.settings import SettingsError, read_settings


def main() -> int:
    """Run the command line; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    try:
        settings = read_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    host = Host(settings)
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: host.stop())
    host.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
