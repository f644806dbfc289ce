"""What the services know that needs nothing installed: their settings, and how names relate."""

import sys

from lib.environment import COMMON, ROOT

SERVICES = ROOT / "services"

for source in (COMMON, SERVICES / "gateway" / "src", SERVICES / "healthcheck" / "src"):
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))  # before any other checkout that an environment knows

from foundry_common import values  # noqa: E402 - from their sources, found just now
from foundry_gateway import naming  # noqa: E402
from foundry_gateway import settings as gateway_settings  # noqa: E402
from foundry_healthcheck import settings as healthcheck_settings  # noqa: E402

__all__ = ["gateway_settings", "healthcheck_settings", "naming", "values"]
