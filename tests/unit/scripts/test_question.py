"""Asking the model: streams, errors and progress as the gateway sends them."""

import json

import pytest

from lib.console import StepFailedError
from lib.question import Gateway, failure_in, pieces, progress_line, reason
from support.talking import talking

URL = "http://127.0.0.1:8000"
ERROR = {"message": "Nothing listens there. Start it.", "code": "x", "remedy": "Start it."}


def test_text_is_taken_from_chunks_and_nothing_else():
    lines = [
        ": loading phi-4-mini",
        "",
        'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}',
        'data: {"choices":[{"delta":{"content":"Hello"}}]}',
        'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}',
        'data: {"choices":[],"usage":{"total_tokens":3}}',
        "data: [DONE]",
    ]
    assert "".join(piece for line in lines for piece in pieces(line, URL)) == "Hello"


def test_an_error_within_the_stream_is_a_failed_step():
    with pytest.raises(StepFailedError) as failed:
        list(pieces("data: " + json.dumps({"error": ERROR}), URL))
    assert failed.value.problem == "Nothing listens there."
    assert failed.value.remedy == "Start it."


@pytest.mark.parametrize(
    "said",
    [
        b"no HTTP",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\nzz\r\n",
    ],
)
def test_a_gateway_that_breaks_off_is_a_failed_step(monkeypatch: pytest.MonkeyPatch, said: bytes):
    monkeypatch.setattr(Gateway, "default_model", lambda _: "foundry-demo")
    with talking(said) as port:
        gateway = Gateway(f"http://127.0.0.1:{port}", "key")
        assert gateway.status() == {}
        with pytest.raises(StepFailedError, match="The gateway does not answer") as failed:
            list(gateway.ask("Who are you?"))
    assert "logs gateway" in failed.value.remedy


def test_an_answer_of_another_shape_is_shown_as_it_is():
    failed = failure_in(b"<html>", URL)
    assert "<html>" in failed.problem
    assert f"{URL}/status" in failed.remedy


@pytest.mark.parametrize(
    "status",
    [{"last_error": ERROR}, {"last_error": None, "upstreams": [{"error": None}, {"error": ERROR}]}],
)
def test_the_gateways_own_reason_is_given(status: dict):
    assert reason(status, URL).remedy == "Start it."


def test_a_gateway_without_a_reason_points_to_its_status():
    assert f"{URL}/status" in reason({}, URL).remedy


def test_a_download_is_shown_with_its_progress():
    status = {"downloads": [{"alias": "qwen2.5-0.5b", "state": "downloading", "percent": 41.7}]}
    assert progress_line(status) == "downloading qwen2.5-0.5b: 42 %"
    assert progress_line({}) == "waiting for a model"
