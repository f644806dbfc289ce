from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from foundry_host.catalog_entry import catalog_entry
from foundry_host.catalog_query import is_broad, matching, size_bytes, variant
from foundry_host.catalog_server import CatalogServer
from foundry_host.model_directory import read_model_directory
from support.model_files import make_model_files as make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from foundry_host.catalog_query import Entry


def query(**fields: list[str]) -> bytes:
    prefix = {"device": "properties/variantInfo/variantMetadata/", "alias": "annotations/tags/"}
    filters = [
        {"field": prefix.get(name, "") + name, "operator": "eq", "values": values}
        for name, values in fields.items()
    ]
    return json.dumps({"filters": filters, "pageSize": 50}).encode()


def entry(name: str, version: int = 1, alias: str = "m", device: str = "cpu") -> Entry:
    return {
        "annotations": {"tags": {"alias": alias}},
        "properties": {
            "id": f"{name}:{version}",
            "name": name,
            "version": version,
            "variantInfo": {"variantMetadata": {"device": device, "fileSizeBytes": 7}},
        },
    }


ENTRIES = [
    entry("a-cpu", 1, "a"),
    entry("a-cpu", 2, "a"),
    entry("a-gpu", 1, "a", "gpu"),
    entry("b-cpu", 10, "b"),
    entry("b-cpu", 9, "b"),
]


def ids(body: bytes) -> set[str]:
    return {variant(found) for found in matching(ENTRIES, body)}


def test_a_query_is_answered_by_its_own_filters() -> None:
    assert ids(query(name=["a-cpu"])) == {"a-cpu:1", "a-cpu:2"}
    assert ids(query(alias=["A"])) == {"a-cpu:1", "a-cpu:2", "a-gpu:1"}
    assert ids(query(device=["cpu"])) == {"a-cpu:1", "a-cpu:2", "b-cpu:9", "b-cpu:10"}
    assert ids(query(device=["cpu", "gpu"], alias=["a"], labels=["latest"])) == {
        "a-cpu:2",
        "a-gpu:1",
    }


def test_the_latest_version_is_the_greatest_number_not_the_last_word() -> None:
    assert ids(query(labels=["latest"], name=["b-cpu"])) == {"b-cpu:10"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"filters": 3}', b'{"filters": [3]}'])
def test_a_query_that_is_not_understood_gets_everything(body: bytes) -> None:
    assert len(matching(ENTRIES, body)) == len(ENTRIES)


def test_only_a_query_for_certain_models_is_narrow() -> None:
    assert is_broad(query(device=["cpu"], labels=["latest"]))
    assert not is_broad(query(name=["a"]))
    assert not is_broad(query(alias=["a"]))


def test_sizes_are_read_where_they_are_given() -> None:
    assert size_bytes(ENTRIES[0]) == 7
    assert size_bytes({}) is None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CatalogServer]:
    model = read_model_directory(make(tmp_path / "my-model"))
    running = CatalogServer(lambda: [model])
    yield running
    running.close()


def post(url: str, body: bytes = b"{}") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=5) as response:
        return json.load(response)


def test_both_generations_are_answered_in_their_own_form(
    server: CatalogServer, tmp_path: Path
) -> None:
    expected = catalog_entry(read_model_directory(tmp_path / "my-model"))
    assert server.url.endswith("/asset-gallery/v1.0/models")
    assert post(server.url) == {"value": [expected], "totalCount": 1}
    assert post(f"{server.url}/entities/crossRegion") == {
        "indexEntitiesResponse": {"value": [expected], "totalCount": 1}
    }


def test_another_models_name_finds_nothing(server: CatalogServer) -> None:
    assert post(server.url, query(name=["other"])) == {"value": [], "totalCount": 0}


def test_the_runtime_is_told_the_context_length(tmp_path: Path) -> None:
    data = catalog_entry(read_model_directory(make(tmp_path / "m", context_length=9000)))
    limits = data["annotations"]["systemCatalogData"]["modelLimits"]["textLimits"]
    assert limits == {"inputContextWindow": 9000, "maxOutputTokens": 2048}


@pytest.mark.parametrize("path", ["/", "/other", "/public/asset-gallery/v1.0/models"])
def test_nothing_else_is_served(server: CatalogServer, path: str) -> None:
    root = server.url.partition("/asset-gallery")[0]
    with pytest.raises(urllib.error.HTTPError) as error:
        post(root + path)
    assert error.value.code == 404
    error.value.close()
