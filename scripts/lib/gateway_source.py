"""What the gateway knows that needs nothing installed: its settings, and how model names relate."""

import sys

from lib.environment import COMMON, ROOT

for source in (COMMON, ROOT / "services" / "gateway" / "src"):
    if str(source) not in sys.path:
        sys.path.append(str(source))

from foundry_gateway import naming  # noqa: E402 - from its sources, found just now
from foundry_gateway import settings as gateway_settings  # noqa: E402

__all__ = ["gateway_settings", "naming"]
