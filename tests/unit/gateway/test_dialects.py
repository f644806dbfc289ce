from __future__ import annotations

import json

import pytest

from foundry_gateway.dialects import DIALECTS, Catalog, DialectError, error_message
from foundry_gateway.dialects.legacy import Legacy
from foundry_gateway.dialects.v1 import V1
from foundry_gateway.dialects.v2 import V2

STATUS = {
    "v2": {"endpoints": ["http://x:1"], "modelCachePath": "/m", "pid": 7},
    "v1": {"endpoints": ["http://x:1"], "modelDirPath": "/m", "pipeName": None},
    "legacy": {"Endpoints": ["http://x:1"], "ModelDirPath": "/m", "PipeName": "p"},
}


class Answers:
    """Plays the runtime: JSON by path, everything else a 404."""

    def __init__(self, **by_path: object) -> None:
        self._by_path = {f"/{path.replace('__', '/')}": body for path, body in by_path.items()}

    async def fetch(self, path: str, _: float | None) -> tuple[int, bytes]:
        if path not in self._by_path:
            return 404, b"server=oatpp\ndescription=Not Found\n"
        body = self._by_path[path]
        return 200, body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize("name", STATUS)
def test_each_generation_is_recognised_by_itself_alone(name: str) -> None:
    path = {"legacy": "/openai/status"}.get(name, "/status")
    found = [
        one.name for one in DIALECTS if one.status_path == path and one.recognises(STATUS[name])
    ]
    assert found == [name]


def test_another_programs_status_is_nobodys() -> None:
    assert not any(one.recognises({"status": "ok", "version": 1}) for one in DIALECTS)


def test_loading_in_v2_goes_by_alias_and_never_by_id() -> None:
    assert V2().load_names("phi-4-mini", None) == ("phi-4-mini",)
    names = V2().load_names("unknown-alias", "Phi-4-mini-instruct-generic-cpu:5")
    assert names == ("unknown-alias", "phi-4-mini", "phi-4-mini-instruct")
    assert V2().load_names("a-generic-cpu:1", None) == ("a",)


def test_loading_in_v1_prefers_the_exact_variant() -> None:
    assert V1().load_names("tiny", "tiny-generic-cpu") == ("tiny-generic-cpu", "tiny")


def test_names_are_quoted_in_paths() -> None:
    assert V2().load_path("a b/../c?d") == "/models/load/a%20b%2F..%2Fc%3Fd"
    assert Legacy().load_path("x").startswith("/openai/load/x?ttl=")


async def test_v1_tells_aliases() -> None:
    entry = {"id": "tiny-generic-cpu", "parent": "tiny"}
    catalog = await V1().catalog(Answers(v1__models={"data": [entry]}).fetch)
    assert catalog == Catalog(variants=("tiny-generic-cpu",), aliases={"tiny-generic-cpu": "tiny"})


@pytest.mark.parametrize("wrapped", [True, False])
async def test_legacy_tells_aliases_and_what_is_cached(*, wrapped: bool) -> None:
    entries = [{"name": "tiny-cpu", "alias": "tiny"}, {"no": "name"}]
    answers = Answers(
        foundry__list={"models": entries} if wrapped else entries,
        openai__models=["tiny-cpu", "own-model"],
    )
    catalog = await Legacy().catalog(answers.fetch)
    assert catalog.variants == ("tiny-cpu", "own-model")
    assert catalog.aliases == {"tiny-cpu": "tiny"}
    assert catalog.cached == {"tiny-cpu", "own-model"}


@pytest.mark.parametrize("answer", [b"<html>", {"data": 5}, [1], b""])
async def test_a_strange_catalog_is_an_error(answer: object) -> None:
    with pytest.raises(DialectError):
        await V2().catalog(Answers(v1__models=answer).fetch)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"no  way"}}', "no way"),
        (b'{"error":"no way"}', "no way"),
        (b'{"message":"no way"}', "no way"),
        (b"no\r\nway", "no way"),
        (b"", ""),
        (b"x" * 9000, "x" * 1000),
    ],
)
def test_an_errors_words_are_found_whatever_its_shape(body: bytes, message: str) -> None:
    assert error_message(body) == message
