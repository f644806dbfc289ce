"""What request bodies may cost in memory."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundry_common.bodies import Budget, BudgetUsedUpError, decoded_bytes, tree_bytes

N = 20_000
SHAPES = {
    "empty arrays": "[" + ",".join(["[]"] * N) + "]",
    "empty objects": "[" + ",".join(["{}"] * N) + "]",
    "objects of one": "[" + ",".join(['{"":0}'] * N) + "]",
    "objects with an array": "[" + ",".join(['{"":[]}'] * N) + "]",
    "arrays of one": "[" + ",".join(["[1.5]"] * N) + "]",
    "nested objects": "[" + ",".join(['{"":' * 90 + "0" + "}" * 90] * (N // 90)) + "]",
    "nested arrays": "[" + ",".join(["[" * 90 + "]" * 90] * (N // 90)) + "]",
    "numbers": "[" + ",".join(["1.5"] * N) + "]",
    "large numbers": "[" + ",".join(["12345678901234567890"] * N) + "]",
    "token lists": "[" + ",".join(str(1000 + n) for n in range(N)) + "]",
    "different keys": "{" + ",".join(f'"{n:x}":{n}' for n in range(N)) + "}",
    "short strings": "[" + ",".join(f'"{n:x}"' for n in range(N)) + "]",
    "astral strings": "[" + ",".join(['"a\U0001f600"'] * N) + "]",
    "escaped astral": '["' + "a" * N + '\\ud83d\\ude00"]',
    "one text": json.dumps("word " * N),
    "one astral text": json.dumps("a" * N + "\U0001f600", ensure_ascii=False),
    "quotes": json.dumps('"' * N),
    "backslashes": json.dumps("\\" * N),
    "brackets in a text": json.dumps("[[{{,,::" * N),
    "literals": "[" + ",".join(["null,true,false"] * N) + "]",
}


def parsed_bytes(body: bytes) -> int:
    """What the standard parser's objects take, measured."""
    text = body.decode()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tree = json.loads(text)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del tree
    return after - before


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bound_holds(shape: str):
    body = SHAPES[shape].encode()
    assert parsed_bytes(body) <= tree_bytes(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=200,
    )
)
def test_the_bound_holds_for_any_json(value: object):
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        body.decode()
    except UnicodeDecodeError:
        body = json.dumps(value).encode()
    assert parsed_bytes(body) <= tree_bytes(body) + 1024


def test_what_stands_in_a_text_counts_as_text_only():
    text = json.dumps(
        'a long "prompt" with [brackets], {braces}, commas, \\ and : ' * 1000
    ).encode()
    assert tree_bytes(text) < 2 * len(text)


def test_a_slice_may_end_anywhere():
    inside = "\\" * 65_530 + '"[[[[[[[[[['
    body = json.dumps([inside, "[[[["]).encode()
    for shift in range(12):
        assert tree_bytes(b" " * shift + body) < 3 * len(body)


@given(st.binary(max_size=300))
def test_what_is_not_json_gets_a_number(body: bytes):
    assert tree_bytes(body) >= 0


def test_a_text_may_be_four_times_wider_than_its_bytes():
    assert decoded_bytes(b"abc") == 3
    assert decoded_bytes("abc\U0001f600".encode()) == 28
    assert decoded_bytes(rb"\ud83d\ude00") == 48


def test_a_budget_gives_no_more_than_it_has():
    budget = Budget(10)
    with budget.hold(6):
        with pytest.raises(BudgetUsedUpError), budget.hold(5):
            pass
        with budget.hold(4):
            assert budget.held == 10
    assert budget.held == 0


def test_a_share_grows_and_can_be_given_back_early():
    budget = Budget(10)
    with budget.hold(0) as hold:
        hold.grow(7)
        with pytest.raises(BudgetUsedUpError):
            hold.grow(4)
        assert budget.held == 7
        hold.release()
        assert budget.held == 0
    assert budget.held == 0


def test_an_error_gives_the_share_back():
    budget = Budget(10)
    with pytest.raises(RuntimeError), budget.hold(3):
        raise RuntimeError
    assert budget.held == 0
