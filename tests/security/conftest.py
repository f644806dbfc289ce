"""This layer attacks the running stack; bringing it up may build the images first."""

import pytest

FIRST_BUILD_SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.timeout(FIRST_BUILD_SECONDS))
