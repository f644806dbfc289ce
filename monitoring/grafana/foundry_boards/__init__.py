"""Grafana's dashboards as code: ``python -m foundry_boards`` writes the JSON that is committed.

Only developers and tests run this; Grafana's image holds the JSON.
"""

from foundry_boards._write import BOARDS, rendered, write
from foundry_boards.reasons import REMEDIES

__all__ = ["BOARDS", "REMEDIES", "rendered", "write"]
