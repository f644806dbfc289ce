"""``python -m foundry_host``: serve, or ``healthcheck``."""

from __future__ import annotations

import logging
import os
import sys

from foundry_host.stopping import Stopping


def main() -> int:
    """Run the command line.

    Returns:
        0 when it was asked to stop or is healthy, 1 when something failed, 2 for wrong usage.
    """
    if sys.argv[1:] == ["healthcheck"]:
        return _run(None)
    # Before anything that takes a moment: as a container's first process it would hear nothing.
    stopping = Stopping()
    try:
        return _run(stopping)
    finally:
        stopping.end()


def _run(stopping: Stopping | None) -> int:
    from foundry_host.errors import HostError, SettingsError  # noqa: PLC0415 - see above
    from foundry_host.healthcheck import healthcheck  # noqa: PLC0415
    from foundry_host.host import Host  # noqa: PLC0415
    from foundry_host.settings import read_settings  # noqa: PLC0415

    keep_loopback_direct()
    # Whoever read along may have left (`| head`): it serves on, without a trace for each line.
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    try:
        if stopping is None:
            return healthcheck(read_settings([]))
        host = Host(read_settings())
        stopping.call(host.stop)
        host.run()
    except HostError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, SettingsError) else 1
    return 0


def keep_loopback_direct() -> None:
    """Keep the runtime's calls to the private catalog away from a proxy that the user has set."""
    for name in ("NO_PROXY", "no_proxy"):
        kept = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join(dict.fromkeys([*kept, "127.0.0.1", "localhost"]))


if __name__ == "__main__":
    sys.exit(main())
