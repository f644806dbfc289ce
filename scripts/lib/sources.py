"""What the services know that needs nothing installed: settings, checks, how names relate."""

import sys

from lib.environment import COMMON, ROOT

SERVICES = ROOT / "services"

_SOURCES = [SERVICES / name / "src" for name in ("gateway", "healthcheck", "foundry-local")]
# Before any other checkout that an environment knows, and before scripts/, where a script has the
# name of a package.
sys.path[:0] = [str(source) for source in (*_SOURCES, COMMON)]

from foundry_common import values  # noqa: E402 - from their sources, found just now
from foundry_gateway import naming  # noqa: E402
from foundry_gateway import settings as gateway_settings  # noqa: E402
from foundry_healthcheck import settings as healthcheck_settings  # noqa: E402
from foundry_host.addresses import require_free  # noqa: E402
from foundry_host.errors import AddressError, HostError, SettingsError  # noqa: E402
from foundry_host.own_models import own_models  # noqa: E402
from foundry_host.settings import is_address, read_settings  # noqa: E402

__all__ = [
    "AddressError",
    "HostError",
    "SettingsError",
    "gateway_settings",
    "healthcheck_settings",
    "is_address",
    "naming",
    "own_models",
    "read_settings",
    "require_free",
    "values",
]
