"""The few shapes of PromQL that the panels are made of.

Every selector names the job and the instance by variable, as dashboard-linter asks, so that a
board serves several installations. The recorded SLO series and ALERTS have neither label.
"""

from __future__ import annotations

SELECT = 'job=~"$job", instance=~"$instance"'


def series(metric: str, *matchers: str) -> str:
    """A selector with the board's variables and further matchers."""
    return f"{metric}{{{', '.join((SELECT, *matchers))}}}"


def rate(metric: str, *matchers: str, by: str = "") -> str:
    """What a counter gains a second, summed by labels."""
    return f"{_sum(by)}(rate({series(metric, *matchers)}[$__rate_interval]))"


def increase(metric: str, *matchers: str, by: str = "") -> str:
    """What a counter gained over the interval of one point, summed by labels."""
    return f"{_sum(by)}(increase({series(metric, *matchers)}[$__rate_interval]))"


def percentile(share: float, histogram: str, *matchers: str, by: str = "") -> str:
    """A quantile of a classic histogram, by labels."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', *matchers, by=labels)})"


def mean(histogram: str, *matchers: str, by: str = "") -> str:
    """The mean of a histogram's observations."""
    total = rate(f"{histogram}_sum", *matchers, by=by)
    return f"{total} / {rate(f'{histogram}_count', *matchers, by=by)}"


def buckets(histogram: str, *matchers: str) -> str:
    """A histogram's buckets for a heat map."""
    return increase(f"{histogram}_bucket", *matchers, by="le")


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum "
