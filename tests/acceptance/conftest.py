"""The first test of this layer builds the images, which takes minutes on a new machine."""

import pytest

FIRST_BUILD_SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.timeout(FIRST_BUILD_SECONDS))
