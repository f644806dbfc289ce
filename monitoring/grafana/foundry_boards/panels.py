"""Panels with the settings that all boards share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, heatmap, prometheus, stat, statetimeline
from grafana_foundation_sdk.builders import common as shared
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import timeseries as timelines
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import heatmap as heatmaps
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
QUIET_MILLISECONDS = 180_000
COUNTED_OVER = "1m"
"""At least, for one bar or column: points closer together would count each event several times."""
GOOD, WARN, BAD, NEUTRAL = "green", "orange", "red", "blue"

UP_OR_DOWN: list[dashboard.ValueMapping] = [
    dashboard.ValueMap(
        {
            "0": dashboard.ValueMappingResult(text="Down", color=BAD, index=0),
            "1": dashboard.ValueMappingResult(text="Up", color=GOOD, index=1),
        }
    )
]

Query = prometheus.Dataquery
P = TypeVar("P")


@dataclass(frozen=True)
class About:
    """What a person reads on a panel, and how its values are written."""

    title: str
    description: str
    unit: str
    nothing: str = ""
    """What it says while there is no data, where that is no fault."""


def query(expression: str, legend: str = "") -> Query:
    """A query over the board's time range."""
    asked = prometheus.Dataquery().expr(expression).range().datasource(DATASOURCE)
    return asked.legend_format(legend or "__auto")


def now(expression: str, legend: str = "") -> Query:
    """A query for the latest value alone."""
    asked = prometheus.Dataquery().expr(expression).instant().datasource(DATASOURCE)
    return asked.legend_format(legend or "__auto")


def timeseries(
    about: About, *queries: Query, stacked: bool = False, bars: bool = False
) -> timelines.Panel:
    """Lines over time, their latest and largest values in the legend."""
    panel = _described(timelines.Panel(), about, queries)
    panel = panel.min(0).line_width(2).fill_opacity(12)
    # One person asks now and then: a lone figure shows as a point, and the minutes between two
    # questions do not break the line.
    panel = panel.show_points(common.VisibilityMode.AUTO).span_nulls(QUIET_MILLISECONDS)
    panel = panel.legend(
        shared.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
        .calcs(["lastNotNull", "max"])
    ).tooltip(
        shared.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )
    if bars:
        panel = panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
        panel = panel.interval(COUNTED_OVER)
    if stacked:
        panel = panel.stacking(shared.StackingConfig().mode(common.StackingMode.NORMAL))
    return panel


def number(
    about: About,
    asked: Query,
    *steps: tuple[float, str],
    base: str = NEUTRAL,
    mappings: Sequence[dashboard.ValueMapping] = (),
    trend: bool = True,
) -> stat.Panel:
    """One number on a coloured ground.

    Args:
        about: Title, description, unit.
        asked: The query; its last value counts.
        *steps: From which value on which colour.
        base: The colour below the first step.
        mappings: Words for values.
        trend: Whether the range is drawn behind the number.
    """
    panel = _described(stat.Panel(), about, [asked])
    panel = panel.thresholds(thresholds(base, *steps)).reduce_options(_latest())
    panel = panel.color_mode(common.BigValueColorMode.BACKGROUND)
    panel = panel.graph_mode(
        common.BigValueGraphMode.AREA if trend else common.BigValueGraphMode.NONE
    ).text_mode(common.BigValueTextMode.VALUE)
    return panel.mappings(list(mappings)) if mappings else panel


def bars(about: About, asked: Query, *steps: tuple[float, str], base: str = GOOD) -> bargauge.Panel:
    """The latest values as horizontal bars."""
    panel = _described(bargauge.Panel(), about, [asked])
    panel = panel.min(0).thresholds(thresholds(base, *steps)).reduce_options(_latest())
    return panel.orientation(common.VizOrientation.HORIZONTAL).display_mode(
        common.BarGaugeDisplayMode.BASIC
    )


def states(
    about: About, asked: Query, mappings: Sequence[dashboard.ValueMapping] = tuple(UP_OR_DOWN)
) -> statetimeline.Panel:
    """A row of states over time for each series."""
    panel = _described(statetimeline.Panel(), about, [asked])
    panel = panel.mappings(list(mappings)).merge_values(merge_values=True).row_height(0.8)
    panel = panel.show_value(common.VisibilityMode.NEVER).fill_opacity(85).line_width(0)
    return panel.legend(
        shared.VizLegendOptions()
        .show_legend(show_legend=False)
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs([])
    )


def heat(about: About, expression: str) -> heatmap.Panel:
    """How observations spread over a histogram's buckets."""
    asked = query(expression, "{{le}}").format(PromQueryFormat.HEATMAP)
    panel = _described(heatmap.Panel(), about, [asked])
    colours = (
        heatmap.HeatmapColorOptions()
        .mode(heatmaps.HeatmapColorMode.SCHEME)
        .scheme("Turbo")
        .scale(heatmaps.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    # The buckets are Prometheus' own: they are drawn as they come, not counted again.
    panel = panel.calculate(calculate=False).color(colours).cell_gap(1)
    panel = panel.y_axis(heatmap.YAxisConfig().unit(about.unit)).hide_legend()
    panel = panel.interval(COUNTED_OVER)
    return panel.filter_values(heatmap.FilterValueRange().le(1e-9))


def table(
    about: About,
    asked: Query,
    columns: Mapping[str, str],
    words: Mapping[str, Sequence[dashboard.ValueMapping]] | None = None,
) -> tables.Panel:
    """The latest values, one row for each series.

    Args:
        about: Title, description and the unit of the value, where it is shown.
        asked: An instant query.
        columns: The labels to show, in order, with their headings; ``Value`` is the value.
        words: By heading, words for its values.
    """
    panel = _described(tables.Panel(), about, [asked.format(PromQueryFormat.TABLE)])
    organise: dict[str, Any] = {
        "includeByName": dict.fromkeys(columns, True),
        "indexByName": {label: index for index, label in enumerate(columns)},
        "renameByName": dict(columns),
    }
    panel = panel.with_transformation(
        dashboard.DataTransformerConfig(id_val="organize", options=organise)
    ).cell_height(common.TableCellHeight.SM)
    for heading, mappings in (words or {}).items():
        coloured = {"type": "color-text"}
        panel = panel.override_by_name(
            heading,
            [
                dashboard.DynamicConfigValue("mappings", list(mappings)),
                dashboard.DynamicConfigValue("custom.cellOptions", coloured),
            ],
        )
    return panel


def thresholds(base: str, *steps: tuple[float, str]) -> dashboards.ThresholdsConfig:
    """Colours from a base value upwards."""
    rising = [dashboard.Threshold(value=None, color=base)]
    rising += [dashboard.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(rising)


def lines_at(panel: timelines.Panel, *steps: tuple[float, str]) -> timelines.Panel:
    """Draw limits into a time series as dashed lines."""
    style = shared.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(thresholds("transparent", *steps)).thresholds_style(style)


def _latest() -> shared.ReduceDataOptions:
    return shared.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False)


def _described(panel: P, about: About, queries: Sequence[Query]) -> P:
    builder: Any = panel  # the panels' builders share these methods, but no class says so
    builder.title(about.title).description(about.description).datasource(DATASOURCE)
    builder.unit(about.unit)
    if about.nothing:
        builder.no_value(about.nothing)
    for index, asked in enumerate(queries):
        builder.with_target(asked.ref_id("ABCDEFGH"[index]))
    return panel
