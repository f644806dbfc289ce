"""The edge, natively, once for the tests of this folder."""

from collections.abc import Iterator

import pytest

from support.edge import Edge, serve_edge


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The edge as it comes: its ports are for this machine."""
    with serve_edge(tmp_path_factory.mktemp("edge"), ALLOWED_HOSTS="box.lan,.home.arpa") as running:
        yield running
