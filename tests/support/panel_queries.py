"""A panel's query as Grafana sends it to Prometheus, and which series come back."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support import dashboards
from support.dashboards import FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TARGETS = tuple(target for file in FILES for target in dashboards.targets(file))
"""Every query of every panel."""
BOARDS = {file.removesuffix(".json"): dashboards.read(file) for file in FILES}
RANGE_SECONDS = 60


def variables(target: dashboards.Target) -> dict[str, dict[str, Any]]:
    """The variables of the board that a query is on."""
    return dashboards.variables(BOARDS[target.board])


def all_of(variable: Mapping[str, Any]) -> str:
    """What Grafana puts in for "All"."""
    return str(variable.get("allValue", ""))


@dataclass(frozen=True)
class Asker:
    """Puts variables in as Grafana does and asks a Prometheus.

    Args:
        api: Returns the ``data`` of an answer of the HTTP API: path, then parameters.
        scrape_seconds: The scrape interval, of which Grafana makes ``$__rate_interval``.
    """

    api: Callable[..., Any]
    scrape_seconds: int

    def put_in(self, expression: str, values: Mapping[str, str], interval: int = 0) -> str:
        """An expression with its variables replaced."""
        interval = interval or self.scrape_seconds
        rate = max(4 * self.scrape_seconds, interval + self.scrape_seconds)
        known = {"__rate_interval": f"{rate}s", "__range": f"{RANGE_SECONDS}s", **values}

        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            # What is no variable stays as it is, so that `label_replace` keeps its groups.
            return match[0] if name.isdigit() else known[name]

        return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, expression)

    def ask(
        self, target: dashboards.Target, values: Mapping[str, str] | None = None
    ) -> list[dict[str, str]]:
        """The labels of the series that hold at least one finite figure.

        Args:
            target: The query.
            values: The board's variables; each "All" when not given.
        """
        if values is None:
            values = {name: all_of(variable) for name, variable in variables(target).items()}
        # What Grafana chooses for a range as short as this one: the least that the panel allows.
        interval = {"": self.scrape_seconds, "1m": 60}[target.panel.get("interval", "")]
        expression = self.put_in(target.expression, values, interval)
        assert "$" not in re.sub(r'"[^"]*"', "", expression)
        if target.target.get("instant"):
            series = self.api("query", query=expression)["result"]
            points = [(one["metric"], [one["value"]]) for one in series]
        else:
            now = time.time()
            series = self.api(
                "query_range",
                query=expression,
                start=str(now - RANGE_SECONDS),
                end=str(now),
                step=str(interval),
            )["result"]
            points = [(one["metric"], one["values"]) for one in series]
        return [
            metric
            for metric, samples in points
            if any(math.isfinite(float(sample)) for _, sample in samples)
        ]


def missing_labels(target: dashboards.Target, series: list[dict[str, str]]) -> set[str]:
    """The labels that a panel's legend or columns name and some series lacks."""
    needed = dashboards.legend_labels(target.target)
    if target.panel["type"] == "table":
        needed |= dashboards.table_labels(target.panel)
    return {label for labels in series for label in needed if not labels.get(label)}
