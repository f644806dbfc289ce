from __future__ import annotations

import json

import pytest

from foundry_gateway import companion
from foundry_gateway.dialects import Catalog
from foundry_gateway.inventory import Inventory

QWEN = "qwen2.5-0.5b-instruct-generic-cpu:4"
PHI = "Phi-4-mini-instruct-cuda-gpu:5"


@pytest.fixture
def inventory() -> Inventory:
    one = Inventory(("phi-4-mini",))
    one.loaded = (QWEN,)
    one.catalog = Catalog(variants=(QWEN, PHI))
    return one


@pytest.mark.parametrize("name", ["qwen2.5-0.5b", QWEN.partition(":")[0], QWEN, QWEN.upper()])
def test_alias_bare_name_and_variant_id_mean_the_same(inventory: Inventory, name: str) -> None:
    target = inventory.find(name)
    assert (target.variant, target.loaded) == (QWEN, True)


def test_a_variant_in_the_catalog_is_known_but_not_loaded(inventory: Inventory) -> None:
    target = inventory.find(PHI)
    assert (target.alias, target.variant, target.loaded) == ("phi-4-mini", PHI, False)


def test_what_the_runtime_loaded_for_an_alias_wins_over_guesses(inventory: Inventory) -> None:
    odd = "some-distilled-thing-generic-cpu:1"
    inventory.loaded = (QWEN, odd)
    assert not inventory.find("deepthought").loaded
    inventory.learn("deepthought", odd)
    assert inventory.find("deepthought").variant == odd
    assert inventory.alias_of(odd) == "deepthought"


def test_states(inventory: Inventory) -> None:
    assert inventory.state("qwen2.5-0.5b") == "loaded"
    assert inventory.state("phi-4-mini") == "available"
    assert inventory.state("gpt-9") == "missing"
    inventory.note_missing("phi-4-mini")
    assert inventory.state("phi-4-mini") == "missing"
    inventory.learn("phi-4-mini", PHI)
    assert inventory.state("phi-4-mini") == "available"


def test_before_anybody_has_told_a_model_may_be_there() -> None:
    assert Inventory(()).state("phi-4-mini") == "available"


def test_a_runtime_that_tells_what_is_cached_is_believed(inventory: Inventory) -> None:
    inventory.catalog = Catalog(variants=(QWEN, PHI), cached=frozenset((QWEN,)))
    assert inventory.state("phi-4-mini") == "missing"


def test_the_companion_tells_downloads_and_contexts(inventory: Inventory) -> None:
    model = {"alias": "phi-4-mini", "variant": PHI, "state": "downloading", "context_length": 4096}
    answer = {"foundry_host": "0.1.0", "embedded": True, "models": [model], "notices": []}
    inventory.companion = companion.parse(json.dumps(answer).encode())
    assert inventory.state("phi-4-mini") == "missing"
    assert inventory.context_length("phi-4-mini", PHI) == 4096
    inventory.contexts[PHI] = 2048
    assert inventory.context_length("phi-4-mini", PHI) == 2048


def test_names_that_callers_make_up_are_not_kept(inventory: Inventory) -> None:
    for number in range(100):
        inventory.note_missing(f"made-up-{number}")
    inventory._missing = dict.fromkeys(inventory._missing, 0.0)
    inventory.note_missing("one-more")
    assert len(inventory._missing) == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"models": []}', b"<html>", b'{"foundry_host": 1, "models": 5}']
)
def test_a_strange_companion_does_no_harm(body: bytes) -> None:
    told = companion.parse(body)
    assert told is None or not told.models
