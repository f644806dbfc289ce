"""Fixtures that every layer shares; each lives beside the thing it starts, in ``support``.

Several processes share a run (pytest-xdist). Tests of one file stay together, for its fixtures; and
those on the running stack, of which there is one.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

pytest_plugins: list[str] = [
    "support.foundry",
    "support.gateway",
    "support.chat_stack",
    "support.browser",
    "support.open_webui",
    "support.stack",
    "support.webgpu",
    "support.pages",
]

TESTS = Path(__file__).resolve().parent
ON_CONTAINERS = "tests on the running stack"


class StackScheduling(LoadFileScheduling):
    """Hands out tests by files, and all that need the stack to one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return ON_CONTAINERS if needs_the_stack(TESTS.parent / file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> StackScheduling:
    """What pytest-xdist asks for a scheduler."""
    return StackScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The stack's tests take longest: a process of its own begins with them.

    Among them those come first that find it well: alerts remember for an hour what others break.
    """
    items.sort(key=lambda item: place(item.path))


def place(file: Path) -> tuple[bool, int, bool]:
    """Where a file's tests stand in a run; equal places keep their order."""
    if not needs_the_stack(file):
        return True, 0, False
    layers = ("acceptance", "stack", "security")
    layer = layers.index(file.relative_to(TESTS).parts[0])
    return False, layer, file.name != "test_under_use.py"


@functools.cache
def needs_the_stack(file: Path) -> bool:
    """Whether a file's tests need the stack, or containers, networks and ports beside it."""
    layer = file.relative_to(TESTS).parts[0]
    if layer in {"acceptance", "stack"}:
        return True
    return layer == "security" and "from support.stack import" in file.read_text(encoding="utf-8")
