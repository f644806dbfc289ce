import pytest

from foundry_gateway.naming import alias_guesses, belongs, likeness, may_belong, same_variant


@pytest.mark.parametrize(
    ("alias", "variant"),
    [
        ("qwen2.5-0.5b", "qwen2.5-0.5b-instruct-generic-cpu:4"),
        ("phi-4-mini", "Phi-4-mini-instruct-cuda-gpu:5"),
        ("phi-4", "Phi-4-generic-gpu:1"),
        ("gpt-oss-20b", "gpt-oss-20b-generic-cpu:1"),
        ("foundry-demo", "foundry-demo-generic-cpu:1"),
    ],
)
def test_an_alias_owns_its_variants(alias: str, variant: str) -> None:
    assert belongs(alias, variant)
    assert alias in alias_guesses(variant)


@pytest.mark.parametrize(
    ("alias", "variant"),
    [
        ("phi-4", "Phi-4-mini-instruct-generic-cpu:5"),
        ("phi-4-mini", "Phi-4-mini-reasoning-generic-cpu:3"),
        ("qwen2.5-0.5b", "qwen2.5-0.5b-coder-instruct-generic-cpu:4"),
        ("tiny", "tiny2-generic-cpu:1"),
    ],
)
def test_an_alias_does_not_own_its_neighbours(alias: str, variant: str) -> None:
    assert not belongs(alias, variant)


def test_an_irregular_name_may_belong() -> None:
    variant = "deepseek-r1-distill-qwen-7b-generic-cpu:3"
    assert not belongs("deepseek-r1-7b", variant)
    assert may_belong("deepseek-r1-7b", variant)
    assert not may_belong("phi-4", variant)


def test_the_likest_variant_has_most_in_common_and_least_on_top() -> None:
    loaded = ["Phi-4-mini-instruct-generic-cpu:5", "deepseek-r1-distill-qwen-7b-generic-cpu:3"]
    assert max(loaded, key=lambda one: likeness("deepseek-r1-7b", one)) == loaded[1]
    assert max(loaded, key=lambda one: likeness("phi-4-mini", one)) == loaded[0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a-cpu:1", "A-cpu:1", True),
        ("a-cpu", "a-cpu:1", True),
        ("a-cpu:2", "a-cpu:1", False),
        ("a", "a-cpu:1", False),
    ],
)
def test_a_version_may_be_left_out(one: str, other: str, *, same: bool) -> None:
    assert same_variant(one, other) is same
