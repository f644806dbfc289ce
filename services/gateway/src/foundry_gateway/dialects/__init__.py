"""The generations of Foundry Local's REST server. A new one is one module and one line here."""

from __future__ import annotations

from foundry_gateway.dialects.base import Catalog, Dialect, DialectError, Fetch, error_message
from foundry_gateway.dialects.legacy import Legacy
from foundry_gateway.dialects.v1 import V1
from foundry_gateway.dialects.v2 import V2

DIALECTS: tuple[Dialect, ...] = (
    V2(),
    V1(),
    Legacy(),
)
"""In the order in which they are tried."""

__all__ = ["DIALECTS", "Catalog", "Dialect", "DialectError", "Fetch", "error_message"]
