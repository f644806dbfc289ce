"""What may stand in a request, and what would name something outside of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from foundry_gateway.errors import InvalidRequestError
from foundry_gateway.operations import CHAT, EMBEDDINGS, RESPONSES, Operation
from foundry_gateway.prompt import Prompt

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
WAV = base64.b64encode(b"RIFF\x24\0\0\0WAVEfmt " + bytes(32)).decode()
PDF = base64.b64encode(b"%PDF-1.7\n" + bytes(30)).decode()
PICTURE = f"data:image/png;base64,{PNG}"
SOUND = f"data:audio/wav;base64,{WAV}"
PASSWD = "/etc/passwd"

NAMES_OF_FILES = [
    "/etc/passwd",
    "etc/passwd",
    "../secret.png",
    "secret.png",
    "C:\\secret.png",
    "\\\\server\\share\\x.png",
    "//server/share/x.png",
    "~/x.png",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    " /etc/passwd",
    "%2Fetc%2Fpasswd",
    "http://127.0.0.1:9/x.png",
    "https://example.com/x.png",
    "ftp://example.com/x.png",
    "data:,/etc/passwd",
    "data:/etc/passwd",
    "data:image/png,/etc/passwd",
    "data:image/png;base64,../../etc/passwd",
    "data:text/plain;base64,AAAA",
    f"DATA:image/png;base64,{PNG}",
    f" {PICTURE}",
    f"{PICTURE}\n",
    f"{PICTURE}#/etc/passwd",
    f"data:image/png;base64,{PNG}/../x",
    "file-abc123",
]


def read(operation: Operation, **body: object) -> Prompt:
    return Prompt.read(operation, json.dumps(body).encode())


def refused(operation: Operation, **body: object) -> str:
    with pytest.raises(InvalidRequestError) as refusal:
        read(operation, **body)
    assert refusal.value.status == 400
    assert refusal.value.remedy
    return refusal.value.param or ""


def said(*parts: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": [{"type": "text", "text": "what is this"}, *parts]}]


@pytest.mark.parametrize("name", NAMES_OF_FILES)
@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": "{}"},
        {"type": "image_url", "image_url": {"url": "{}"}},
        {"type": "image_url", "image_url": {"url": PICTURE, "file_path": "{}"}},
        {"type": "input_image", "image_url": "{}"},
        {"type": "input_image", "image_url": {"url": "{}"}},
        {"type": "input_image", "image_data": "{}"},
        {"type": "input_audio", "input_audio": {"data": "{}", "format": "wav"}},
        {"type": "input_audio", "data": "{}", "format": "wav"},
        {"type": "input_file", "file_data": "{}", "filename": "a.pdf"},
        {"type": "file", "file": {"file_data": "{}"}},
    ],
    ids=json.dumps,
)
def test_media_are_data_and_nothing_else(part: dict[str, Any], name: str) -> None:
    filled = json.loads(json.dumps(part).replace('"{}"', json.dumps(name)))
    if name.startswith("data:text/plain;base64") and "file" in part["type"]:
        return  # a text file's data are data
    assert refused(CHAT, messages=said(filled)).startswith("messages[0].content[1]")
    assert refused(RESPONSES, input=said(filled)).startswith("input[0].content[1]")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_image", "Image_URL": PASSWD},
        {"type": "input_image", "imageUrl": PASSWD},
        {"type": "input_image", "picture": "secret"},
        {"type": "input_image", "image_url": PICTURE, "x": {"y": [PASSWD]}},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_file", "file_data": PDF, "filename": "../a.pdf"},
        {"type": "input_file", "file_data": PDF, "filename": "C:a.pdf"},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_video", "video_url": PASSWD},
        {"type": "video_url", "video_url": {"url": PASSWD}},
        {"type": "Input_Image", "image_url": PASSWD},
        {"type": "computer_screenshot", "image_url": PASSWD},
        {"type": ["input_image"], "image_url": PASSWD},
        {"type": None, "image_url": PASSWD},
        {"image_url": PASSWD},
        {"type": "text", "text": "x", "image_url": PASSWD},
        {"type": "text", "text": [{"type": "input_image", "image_url": PASSWD}]},
        {"type": "text", "text": "x", "annotations": [{"file_id": "file-1"}]},
        {"type": "text", "text": "x", "cache_control": {"path": PASSWD}},
        [{"type": "input_image", "image_url": PASSWD}],
    ],
    ids=json.dumps,
)
def test_a_part_has_only_fields_that_are_known(part: Any) -> None:
    assert refused(CHAT, messages=said(part)).startswith("messages[0].content[1]")
    assert refused(RESPONSES, input=said(part)).startswith("input[0].content[1]")
    assert refused(EMBEDDINGS, input=[part]).startswith("input[0]")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        {"type": "input_image", "image_url": PASSWD},
        {"role": "user", "content": {"type": "input_image", "image_url": PASSWD}},
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_image", "image_url": PASSWD}],
        },
        {
            "type": "custom_tool_call_output",
            "call_id": "c",
            "output": [{"type": "input_file", "file_id": "file-1"}],
        },
        {
            "type": "computer_call_output",
            "call_id": "c",
            "output": {"type": "computer_screenshot", "image_url": PASSWD},
        },
        {"type": "reasoning", "summary": [{"type": "input_image", "image_url": PASSWD}]},
        {"type": "image_generation_call", "id": "ig_1", "result": None},
        {"type": "local_shell_call", "action": {"command": ["cat", PASSWD]}},
        {"type": "mcp_call", "server_label": "x", "name": "n", "arguments": "{}"},
        {"role": "user", "content": "x", "attachments": [{"file_id": "file-1"}]},
        {"role": "user", "content": "x", "image": PASSWD},
        {"role": "user", "content": "x", "images": ["aGVsbG8="]},
        {"role": "user", "content": "x", "anything": {"deep": [{"deeper": PASSWD}]}},
        {"role": {"image_url": PASSWD}, "content": "x"},
    ],
    ids=json.dumps,
)
def test_an_item_names_nothing(item: Any) -> None:
    assert refused(RESPONSES, input=[{"role": "user", "content": "hi"}, item]).startswith(
        "input[1]"
    )


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "audio": {"id": "audio_1"}},
        {
            "role": "tool",
            "tool_call_id": "c",
            "content": [{"type": "image_url", "image_url": {"url": PASSWD}}],
        },
        {"role": "user", "content": "x", "file_path": "notes.txt"},
        {"role": "user", "content": "x", "images": ["secret"]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "file": PASSWD}}]},
    ],
    ids=json.dumps,
)
def test_a_message_names_nothing(message: Any) -> None:
    assert refused(CHAT, messages=[message]).startswith("messages[0]")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("image_url", PASSWD),
        ("input_file", PASSWD),
        ("extra", {"path": "x"}),
        ("extra", PASSWD),
        ("webhook_url", "x"),
        ("grammar", "file:///etc/passwd"),
    ],
)
def test_an_option_names_nothing(name: str, value: object) -> None:
    assert refused(RESPONSES, input="hi", **{name: value}).startswith(name)
    assert refused(CHAT, messages=said(), **{name: value}).startswith(name)


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "mcp", "server_label": "x", "server_url": "http://127.0.0.1:9"},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "code_interpreter", "container": "c_1"},
        {"type": "web_search"},
        {"type": "function", "name": "f", "url": "http://127.0.0.1:9"},
        {"type": "function", "function": {"name": "f", "file": PASSWD}},
        {"type": "function", "name": "f", "parameters": {"$ref": "file:///etc/passwd"}},
        {
            "type": "function",
            "name": "f",
            "parameters": {"properties": {"a": {"items": {"$ref": "http://127.0.0.1:9"}}}},
        },
    ],
    ids=json.dumps,
)
def test_a_tool_names_nothing(tool: Any) -> None:
    assert refused(RESPONSES, input="hi", tools=[tool]).startswith("tools[0]")
    assert refused(CHAT, messages=said(), tools=[tool]).startswith("tools[0]")


def test_the_previous_answer_is_to_be_sent_again() -> None:
    with pytest.raises(InvalidRequestError, match="outside the request") as refusal:
        read(RESPONSES, input="hi", previous_response_id="resp_1")
    assert "earlier turns" in refusal.value.remedy


SCHEMA = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "default": "http://example.com/", "format": "uri"},
        "path": {"type": "string", "examples": ["/etc/passwd"]},
        "image_url": {"$ref": "#/$defs/x"},
        "$ref": {"type": "string"},
    },
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"x": {"enum": ["file:///x", "C:\\x"]}},
}


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "/etc/passwd"}]}),
        (CHAT, {"messages": said({"type": "text", "text": "file:///etc/passwd"})}),
        (CHAT, {"messages": said({"type": "image_url", "image_url": {"url": PICTURE}})}),
        (
            CHAT,
            {
                "messages": said(
                    {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}}
                )
            },
        ),
        (
            CHAT,
            {
                "messages": said(
                    {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
                )
            },
        ),
        (
            CHAT,
            {
                "messages": said(
                    {
                        "type": "file",
                        "file": {
                            "filename": "a b.pdf",
                            "file_data": f"data:application/pdf;base64,{PDF}",
                        },
                    }
                )
            },
        ),
        (CHAT, {"messages": said({"text": "no type"})}),
        (
            CHAT,
            {
                "messages": said(
                    {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
                )
            },
        ),
        (
            CHAT,
            {
                "messages": [
                    {
                        "role": "assistant",
                        "content": None,
                        "refusal": None,
                        "audio": None,
                        "annotations": [],
                        "reasoning_content": "see /etc/passwd",
                        "tool_calls": [
                            {
                                "id": "c",
                                "type": "function",
                                "function": {
                                    "name": "read",
                                    "arguments": '{"path": "/etc/passwd"}',
                                },
                            }
                        ],
                    },
                    {"role": "tool", "tool_call_id": "c", "content": "http://example.com/"},
                ]
            },
        ),
        (
            CHAT,
            {
                "messages": said(),
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "f",
                            "description": "Reads /etc/x.",
                            "parameters": SCHEMA,
                            "strict": True,
                        },
                    }
                ],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
            },
        ),
        (
            CHAT,
            {
                "messages": said(),
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": SCHEMA},
                },
            },
        ),
        (
            CHAT,
            {"messages": said(), "response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        ),
        (
            CHAT,
            {
                "messages": said(),
                "stop": ["/", "http://"],
                "user": "a/b",
                "metadata": {"url": "http://example.com/"},
                "logit_bias": {"5": 1},
                "seed": 5,
                "future": {"x": [1]},
                "service_tier": "auto",
                "reasoning_effort": "low",
                "modalities": ["text"],
                "prediction": {"type": "content", "content": "/etc/passwd"},
                "audio": {"voice": "alloy", "format": "wav"},
                "previous_response_id": None,
            },
        ),
        (RESPONSES, {"input": "/etc/passwd", "instructions": "http://example.com/"}),
        (
            RESPONSES,
            {
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "/etc/passwd"},
                            {
                                "type": "input_image",
                                "image_url": PICTURE,
                                "detail": "auto",
                                "file_id": None,
                            },
                            {"type": "input_audio", "data": SOUND, "format": "wav"},
                        ],
                    }
                ]
            },
        ),
        (
            RESPONSES,
            {
                "input": [
                    {
                        "type": "message",
                        "role": "assistant",
                        "id": "msg_1",
                        "status": "completed",
                        "content": [
                            {
                                "type": "output_text",
                                "text": "/etc",
                                "annotations": [],
                                "logprobs": [],
                            }
                        ],
                    },
                    {
                        "type": "reasoning",
                        "id": "rs_1",
                        "summary": [{"type": "summary_text", "text": "x/y"}],
                        "encrypted_content": "ab/cd==",
                    },
                    {
                        "type": "function_call",
                        "id": "fc_1",
                        "call_id": "c",
                        "name": "f",
                        "arguments": '{"url": "http://x/"}',
                        "status": "completed",
                    },
                    {"type": "function_call_output", "call_id": "c", "output": "/etc/passwd"},
                    {
                        "type": "function_call_output",
                        "call_id": "c",
                        "output": [{"type": "input_text", "text": "/etc"}],
                    },
                ]
            },
        ),
        (
            RESPONSES,
            {
                "input": "x",
                "text": {
                    "format": {"type": "json_schema", "name": "n", "schema": SCHEMA},
                    "verbosity": "low",
                },
                "reasoning": {"effort": "low", "summary": "auto"},
                "truncation": "auto",
                "include": ["reasoning.encrypted_content"],
                "tool_choice": "auto",
                "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}],
            },
        ),
        (EMBEDDINGS, {"input": "/etc/passwd", "encoding_format": "float", "dimensions": 5}),
        (EMBEDDINGS, {"input": ["http://x/", "b"]}),
        (EMBEDDINGS, {"input": [[1, 2], [3]]}),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_what_a_request_usually_carries_passes_unchanged(
    operation: Operation, body: dict[str, Any]
) -> None:
    prompt = read(operation, **body)
    sent = json.loads(b"".join(prompt.encode("v")))
    given = {name: value for name, value in body.items() if value is not None}
    assert {name: sent[name] for name in given} == given


def test_answers_are_never_kept() -> None:
    for given in ({}, {"store": True}, {"store": None}, {"store": False}):
        sent = json.loads(b"".join(read(RESPONSES, input="x", **given).encode("v")))
        assert sent["store"] is False
    chat = json.loads(b"".join(read(CHAT, messages=said(), store=True).encode("v")))
    assert chat["store"] is False
    assert "store" not in json.loads(b"".join(read(CHAT, messages=said()).encode("v")))


def test_a_nul_does_not_hide_a_name() -> None:
    body = b'{"input":[{"role":"user","content":[{"type":"input_image","image_url\\u0000":"/x"}]}]}'
    with pytest.raises(InvalidRequestError):
        Prompt.read(RESPONSES, body)


def test_media_count_as_tokens_by_the_piece() -> None:
    picture = f"data:image/png;base64,{base64.b64encode(bytes(3_000_000)).decode()}"
    with_picture = read(CHAT, messages=said({"type": "image_url", "image_url": {"url": picture}}))
    assert 1_000 < with_picture.tokens < 1_200
    as_text = read(CHAT, messages=[{"role": "user", "content": picture}])
    assert as_text.tokens > 900_000
