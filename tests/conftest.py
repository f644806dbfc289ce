"""Fixtures that every layer shares; each lives beside the thing it starts, in ``support``."""

from __future__ import annotations

import pytest

THE_RUNNING_STACK = "stack"
"""There is one, brought up by the fixture of this name."""

pytest_plugins: list[str] = [
    "support.foundry",
    "support.gateway",
    "support.chat_stack",
    "support.browser",
    "support.open_webui",
    "support.stack",
    "support.webgpu",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together when several processes share a run.

    Those of the running stack take longest, so their process begins with them; elsewhere a file is
    the unit, for its fixtures.
    """
    items.sort(key=lambda item: not runs_on_containers(item))
    for item in items:
        group = THE_RUNNING_STACK if runs_on_containers(item) else item.path.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


def runs_on_containers(item: pytest.Item) -> bool:
    """Whether a test needs Docker: the stack, or containers, networks and ports beside it."""
    layer = item.path.relative_to(__file__.rpartition("/")[0]).parts[0]
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return layer in {"acceptance", "stack"} or THE_RUNNING_STACK in fixtures
