"""A board: its variables, its links to the others, its grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models import dashboard

from foundry_boards.panels import DATASOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG = "foundry-chat"
WIDTH = 24
"""Of Grafana's grid."""


@dataclass(frozen=True)
class Place:
    """A panel and the room it takes; a height is about 38 pixels."""

    panel: Any
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """Panels side by side, wrapped at the grid's width, under a heading where there is one."""

    places: Sequence[Place]
    heading: str = ""


def build(
    uid: str,
    title: str,
    description: str,
    sections: Sequence[Section],
    variables: Sequence[dashboards.QueryVariable] = (),
) -> dashboard.Dashboard:
    """Put a board together."""
    board = (
        dashboards.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("15s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .with_variable(_datasource())
    )
    for variable in (_from_scrapes("job", "Job"), _from_scrapes("instance", "Instance")):
        board = board.with_variable(variable)
    for variable in variables:
        board = board.with_variable(variable)
    board = board.link(_to_the_others()).annotation(_alerts())
    y, number = 0, 1
    for section in sections:
        if section.heading:
            board = board.with_row(
                dashboards.Row(section.heading)
                .id(number)
                .grid_pos(dashboard.GridPos(x=0, y=y, w=WIDTH, h=1))
            )
            y, number = y + 1, number + 1
        x, tallest = 0, 0
        for place in section.places:
            if x + place.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            position = dashboard.GridPos(x=x, y=y, w=place.width, h=place.height)
            board = board.with_panel(place.panel.id(number).grid_pos(position))
            x, number, tallest = x + place.width, number + 1, max(tallest, place.height)
        y += tallest
    built = board.build()
    for link in built.links or []:
        # On the page itself: the SDK knows only the value that hides it in a menu.
        link.placement = None  # type: ignore[assignment]
    return built


def choice(name: str, label: str, asked: str, everything: str = ".*") -> dashboards.QueryVariable:
    """A variable with several choices, all of them at first.

    Args:
        name: Of the variable.
        label: What a person reads.
        asked: ``label_values(…)``.
        everything: The pattern for all; ``.*`` also takes series without the label.
    """
    return (
        dashboards.QueryVariable(name)
        .label(label)
        .query(asked)
        .datasource(DATASOURCE)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(everything)
        .current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def _datasource() -> dashboards.DatasourceVariable:
    return (
        dashboards.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
        .current(dashboard.VariableOption(selected=True, text="Prometheus", value="prometheus"))
        .hide(dashboard.VariableHide.IN_CONTROLS_MENU)
    )


def _from_scrapes(name: str, label: str) -> dashboards.QueryVariable:
    within = '{job=~"$job"}' if name == "instance" else ""
    asked = f"label_values(up{within}, {name})"
    # One machine rarely has two installations: the choice stands aside.
    return choice(name, label, asked, ".+").hide(dashboard.VariableHide.IN_CONTROLS_MENU)


def _to_the_others() -> dashboards.DashboardLink:
    return (
        dashboards.DashboardLink("Boards")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .keep_time(keep_time=True)
        .icon("external link")
    )


def _alerts() -> dashboards.AnnotationQuery:
    return (
        dashboards.AnnotationQuery()
        .name("Alerts")
        .datasource(DATASOURCE)
        .enable(enable=True)
        .hide(hide=False)
        .icon_color("red")
        .expr('ALERTS{alertstate="firing"}')
        .tag_keys("severity")
        .title_format("{{alertname}}")
        .step("60s")
    )
