"""Grafana's dashboards as code: ``python -m foundry_boards`` writes the JSON that is committed.

Only developers and tests run this; Grafana's image holds the JSON.
"""

from foundry_boards._write import BOARDS, rendered, write

__all__ = ["BOARDS", "rendered", "write"]
