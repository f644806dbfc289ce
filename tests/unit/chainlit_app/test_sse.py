import json

import pytest

from foundry_chat.sse import Decoder, Failed, Finished, Text, Usage, Waiting


def chunk(**fields):
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def delta(text):
    return chunk(model="m", choices=[{"index": 0, "delta": {"content": text}}])


STREAM = (
    b": queued 3\n\n"
    + chunk(model="m", choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])
    + delta("Grüße")
    + delta(", Ada")
    + chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    + chunk(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 2})
    + b"data: [DONE]\n\n"
)


def test_text_that_comes_together_is_one_event():
    events = Decoder().feed(STREAM)
    assert events == [Text("Grüße, Ada", 2), Waiting("queued 3"), Finished("stop"), Usage(5, 2)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_bytes_may_be_cut_anywhere(size):
    decoder = Decoder()
    events = []
    for start in range(0, len(STREAM), size):
        events += decoder.feed(STREAM[start : start + size])
    assert "".join(e.text for e in events if isinstance(e, Text)) == "Grüße, Ada"
    assert Waiting("queued 3") in events
    assert Usage(5, 2) in events
    assert decoder.done


def test_line_ends_may_be_crlf():
    events = Decoder().feed(delta("hello").replace(b"\n", b"\r\n"))
    assert events == [Text("hello", 1)]


def test_text_before_a_break_is_kept():
    error = chunk(error={"message": "It broke. Try again.", "code": "upstream_error",
                         "remedy": "Try again."})  # fmt: skip
    text, failed = Decoder().feed(delta("half") + error)
    assert text == Text("half", 1)
    assert isinstance(failed, Failed)
    assert (failed.error.message, failed.error.remedy) == ("It broke.", "Try again.")


def test_stream_without_its_end_is_not_done():
    decoder = Decoder()
    decoder.feed(delta("half"))
    assert not decoder.done


def test_reasoning_without_content_is_no_text():
    assert Decoder().feed(chunk(choices=[{"delta": {"content": None}}])) == []
