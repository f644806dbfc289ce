from __future__ import annotations

import json

import pytest

from foundry_gateway.errors import InvalidRequestError
from foundry_gateway.operations import CHAT, EMBEDDINGS, RESPONSES, Operation
from foundry_gateway.prompt import Prompt

HELLO = [{"role": "user", "content": "hello"}]


async def sent(operation: Operation = CHAT, **fields: object) -> dict[str, object]:
    """Return what the runtime would get."""
    prompt = Prompt.read(operation, json.dumps(fields).encode())
    answer: dict[str, object] = json.loads(b"".join(prompt.encode("variant:1")))
    return answer


async def test_the_model_is_substituted_and_the_rest_is_kept() -> None:
    body = await sent(model="alias", messages=HELLO, temperature=0.5, future_field={"x": [1]})
    assert body == {
        "model": "variant:1",
        "messages": HELLO,
        "temperature": 0.5,
        "future_field": {"x": [1]},
    }


async def test_nulls_mean_not_given() -> None:
    assert "temperature" not in await sent(messages=HELLO, temperature=None, max_tokens=None)


async def test_usage_is_asked_for_in_streams_only() -> None:
    assert "stream_options" not in await sent(messages=HELLO)
    streamed = await sent(messages=HELLO, stream=True)
    assert streamed["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, False),
        ({"stream_options": {"include_usage": True}}, True),
        ({"stream_options": {"include_usage": False}}, False),
        ({"stream_options": None}, False),
    ],
)
async def test_it_remembers_whether_the_client_wants_usage(
    given: dict[str, object], *, wanted: bool
) -> None:
    body = json.dumps({"messages": HELLO, "stream": True, **given}).encode()
    assert (Prompt.read(CHAT, body)).wants_usage is wanted


async def test_either_name_of_the_output_limit_reaches_every_generation() -> None:
    for given in ({"max_tokens": 5}, {"max_completion_tokens": 5}):
        body = await sent(messages=HELLO, **given)
        assert (body["max_tokens"], body["max_completion_tokens"]) == (5, 5)
    assert (await sent(RESPONSES, input="x", max_output_tokens=5))["max_output_tokens"] == 5


async def test_the_output_can_be_limited_later() -> None:
    prompt = Prompt.read(CHAT, json.dumps({"messages": HELLO}).encode())
    prompt.limit_output(7)
    assert json.loads(b"".join(prompt.encode("v")))["max_tokens"] == 7


async def test_a_large_body_is_read_too() -> None:
    messages = [{"role": "user", "content": "x" * 3_000_000}]
    assert (await sent(messages=messages))["messages"] == messages


@pytest.mark.parametrize(
    ("operation", "body", "param"),
    [
        (CHAT, b"", None),
        (CHAT, b"hello", None),
        (CHAT, b"\xff\xfe", None),
        (CHAT, b"[]", None),
        (CHAT, b'{"messages": NaN}', None),
        (CHAT, b"[" * 100_000, None),
        (CHAT, b'{"messages":' + b"[" * 101 + b"]" * 101 + b"}", None),
        (CHAT, b'{"messages": [{"role": "user", "content": "\\ud800"}]}', None),
        (CHAT, b'{"messages": [{"role": "user", "content": "\xff"}]}', None),
        (CHAT, b'{"messages": [{"role": "user", "content": "a\nb"}]}', None),
        (CHAT, b'{"messages": [{"role": "user"}], "messages": [{"role": "user"}]}', None),
        (CHAT, b'{"messages": [{"role": "user", "role": "system"}]}', None),
        (CHAT, b'{"messages": [{"role": "user"}], "seed": 1e999}', None),
        (CHAT, b'\xef\xbb\xbf{"messages": [{"role": "user"}]}', None),
        (CHAT, '{"messages": [{"role": "user"}]}'.encode("utf-16"), None),
        (CHAT, b'{"messages": [{"role": "user"}]} {}', None),
        (CHAT, b"{}", "messages"),
        (CHAT, b'{"messages": "hi"}', "messages"),
        (CHAT, b'{"messages": []}', "messages"),
        (CHAT, b'{"messages": ["hi"]}', "messages[0]"),
        (CHAT, b'{"messages": [{"content": "hi"}]}', "messages[0]"),
        (CHAT, b'{"messages": [{"role": "user", "content": 1}]}', "messages[0]"),
        (CHAT, b'{"model": 1, "messages": [{"role": "user"}]}', "model"),
        (CHAT, b'{"model": "a\\nb", "messages": [{"role": "user"}]}', "model"),
        (CHAT, b'{"model": "' + b"a" * 300 + b'", "messages": [{"role": "user"}]}', "model"),
        (CHAT, b'{"stream": "yes", "messages": [{"role": "user"}]}', "stream"),
        (CHAT, b'{"stream_options": [], "messages": [{"role": "user"}]}', "stream_options"),
        (CHAT, b'{"max_tokens": 0, "messages": [{"role": "user"}]}', "max_tokens"),
        (CHAT, b'{"max_tokens": true, "messages": [{"role": "user"}]}', "max_tokens"),
        (CHAT, b'{"n": 2, "messages": [{"role": "user"}]}', "n"),
        (EMBEDDINGS, b"{}", "input"),
        (EMBEDDINGS, b'{"input": 5}', "input"),
        (RESPONSES, b'{"input": ""}', "input"),
    ],
)
async def test_bad_input_is_told_clearly(
    operation: Operation, body: bytes, param: str | None
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        Prompt.read(operation, body)
    assert refusal.value.param == param


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": 1e-45}, "temperature"),
        ({"temperature": 10**300}, "temperature"),
        ({"tools": [{"type": "function", "function": {"name": "a"}}, None]}, "tools[1]"),
        ({"functions": [None]}, "functions[0]"),
        ({"tool_choice": {}}, "tool_choice"),
    ],
)
async def test_what_the_runtime_would_end_on_or_stumble_over_never_reaches_it(
    more: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await sent(messages=HELLO, **more)
    assert refused.value.param == param


@pytest.mark.parametrize("temperature", [0, 0.0, 1e-6, 0.7, 2, 2.0])
async def test_every_temperature_that_the_api_has_passes(temperature: float) -> None:
    assert (await sent(messages=HELLO, temperature=temperature))["temperature"] == temperature


async def test_settings_within_metadata_are_fields_of_the_request_too() -> None:
    body = {"messages": HELLO, "metadata": {"top_k": "-1"}}
    assert "top_k" in Prompt.read(CHAT, json.dumps(body).encode()).fields


@pytest.mark.parametrize("item", [{"role": "user"}, {"role": "user", "content": ""}])
@pytest.mark.parametrize("more", [{}, {"type": "message"}, {"content": None}, {"content": []}])
async def test_a_message_without_content_is_refused_before_the_runtime_fails_on_it(
    item: dict[str, object], more: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await sent(RESPONSES, input=["hello", {**item, **more}])
    assert refused.value.param == "input[1].content"
