"""What callers get wrong is told as their mistake, whatever the runtime calls it.

Nothing else may count as an error of the stack: alerts and budgets are built on that.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.gateway import Gateway
from support.mistakes import ask
from support.sentences import NATIVE

TOOL = {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": TOOL}]
NO_TYPE = {"type": "objectx"}
BROKEN = "{"
CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": BROKEN}}


def content(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


CHATS: dict[str, dict[str, Any]] = {
    "a forced call that comes to nothing": {"tools": TOOLS, "tool_choice": "required"},
    "a forced call of a tool that is none": {
        "tools": TOOLS,
        "tool_choice": {"type": "function", "function": {"name": "other"}},
    },
    "a forced call without tools": {"tool_choice": "required"},
    "tools that are no list": {"tools": "look"},
    "a tool that is no object": {"tools": [1]},
    "nothing for a tool": {"tools": [*TOOLS, None]},
    "nothing for a function": {"functions": [None]},
    "a choice of no kind": {"tools": TOOLS, "tool_choice": {}},
    "a tool of a kind of its own": {"tools": [{"type": "web_search"}]},
    "a schema that is none": {
        "response_format": {"type": "json_schema", "json_schema": NO_TYPE},
    },
    "a schema that leads nowhere": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}},
        },
    },
    "a schema that is too large": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "type": "object",
                "properties": {f"p{number}": {"type": "string"} for number in range(3000)},
            },
        },
    },
    "a grammar that is none": {
        "response_format": {"type": "lark_grammar", "lark_grammar": "start: look("},
    },
    "a format of its own": {"response_format": {"type": "prose"}},
    "a format that is a word": {"response_format": "json"},
    "a temperature beyond the range": {"temperature": 5},
    "a temperature below nothing": {"temperature": -0.1},
    "a temperature next to nothing": {"temperature": 1e-45},
    "a temperature that is a word": {"temperature": "warm"},
    "a share beyond one": {"top_p": 3},
    "a share below nothing": {"top_p": -1},
    "a penalty": {"frequency_penalty": 1},
    "a penalty that is a word": {"presence_penalty": "much"},
    "a seed that is none": {"seed": 1.5},
    "several answers": {"n": 2},
    "an end that is a number": {"stop": 5},
    "a user that is a number": {"user": 5},
    "metadata that are numbers": {"metadata": {"a": 1}},
    "settings in metadata that are words": {"metadata": {"random_seed": "x"}},
    "settings in metadata beyond the range": {"metadata": {"top_k": "-1"}},
    "a picture for a model that reads": content(
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    ),
    "a part that is none": content(1),
    "a tool's result without its call": {
        "messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]
    },
    "a call whose arguments are none": {
        "messages": [
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "x", "tool_call_id": "1"},
        ]
    },
    "options that are no switch": {"stream_options": {"include_usage": "yes"}},
    "a field nobody knows": {"no_such_field": 1},
}
RESPONSES: dict[str, dict[str, Any]] = {
    "a forced call": {"tools": [{"type": "function", **TOOL}], "tool_choice": "required"},
    "a schema that is none": {
        "text": {"format": {"type": "json_schema", "name": "a", "schema": NO_TYPE}},
    },
    "an item that is none": {"input": [{"type": "nothing"}]},
    "a temperature below nothing": {"temperature": -1},
    "a share beyond one": {"top_p": 3},
    "more tokens than are counted": {"max_output_tokens": 2**31},
    "a picture for a model that reads": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
                ],
            }
        ]
    },
    "a file for a model that reads": {
        "input": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "input_file",
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBERi0=",
                    }
                ],
            }
        ]
    },
}


def errors(gateway: Gateway) -> float:
    """What counts against the stack."""
    name = "gen_ai_client_operation_duration_seconds_count"
    kinds = ("upstream_error", "foundry_unreachable", "model_load_failed", "overloaded")
    return sum(gateway.metric(name, error_type=kind) for kind in kinds)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("generation", ["gateway_v2", "gateway_v1"])
def test_a_callers_mistake_is_never_an_error_of_the_stack(
    request: pytest.FixtureRequest, generation: str, *, stream: bool
) -> None:
    gateway: Gateway = request.getfixturevalue(generation)
    before = errors(gateway)
    wrong = {}
    asked = [("/v1/chat/completions", what, body) for what, body in CHATS.items()]
    if generation == "gateway_v2":  # 1.x keeps answers to itself: see the dialect's own tests
        asked += [("/v1/responses", what, body) for what, body in RESPONSES.items()]
    for path, what, body in asked:
        status, error = ask(gateway, path, {**body, "stream": stream})
        if status >= 500 or (error and error["code"] != "invalid_request"):
            wrong[what] = (status, error)
        elif error:
            assert error["remedy"], what
            assert error["type"] == "invalid_request_error", what
            assert not NATIVE.search(error["message"]), what
        elif path == "/v1/responses":
            wrong[what] = (status, error)
    assert wrong == {}
    assert errors(gateway) == before


def test_texts_too_long_to_embed_are_told_so(gateway_v2: Gateway) -> None:
    before = errors(gateway_v2)
    status, error = ask(gateway_v2, "/v1/embeddings", {"input": "word " * 6_000})
    assert status == 400
    assert error is not None
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")
    assert "Split the text" in error["remedy"]
    assert errors(gateway_v2) == before


@pytest.mark.parametrize("generation", ["gateway_v2", "gateway_v1"])
def test_embeddings_of_a_model_for_chats_are_refused_and_it_lives_on(
    request: pytest.FixtureRequest, generation: str
) -> None:
    gateway: Gateway = request.getfixturevalue(generation)
    before = errors(gateway)
    status, error = ask(gateway, "/v1/embeddings", {"input": "hello"})
    assert status == 400
    assert error is not None
    assert (error["code"], error["param"]) == ("invalid_request", "model")
    assert ask(gateway, "/v1/chat/completions", {}) == (200, None)
    assert errors(gateway) == before
