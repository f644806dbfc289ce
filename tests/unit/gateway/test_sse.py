import pytest

from foundry_gateway.operations import CHAT, RESPONSES
from foundry_gateway.sse import EventScanner, Usage, read_usage
from support.fake_foundry import DONE, FINISH, HELLO, USAGE, event


def scanner(*, hide_usage: bool = True) -> EventScanner:
    return EventScanner(hide_usage=hide_usage, finish_marks=CHAT.finish_marks)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("hide_usage", [True, False])
def test_a_stream_split_at_any_byte_is_the_same(newline: bytes, *, hide_usage: bool) -> None:
    stream = HELLO.replace(b"\n", newline)
    expected = stream.replace(USAGE.replace(b"\n", newline), b"") if hide_usage else stream
    for at in range(len(stream) + 1):
        one = scanner(hide_usage=hide_usage)
        assert one.feed(stream[:at]) + one.feed(stream[at:]) == expected
        assert one.done
        assert one.usage == Usage(3, 2)
        assert one.chunks == (3 if hide_usage else 4)


def test_only_whole_events_leave() -> None:
    one = scanner()
    assert one.feed(event("a") + event("b")[:10]) == event("a")
    assert one.feed(event("b")[10:]) == event("b")


def test_the_word_usage_in_an_answer_is_not_usage() -> None:
    one = scanner()
    said = event("usage") + event('"usage":{"choices"')
    assert one.feed(said) == said
    assert one.usage is None


def test_the_word_error_in_an_answer_is_not_an_error() -> None:
    one = scanner()
    said = event("error") + event('data: {"error":')
    assert one.feed(said) == said
    assert one.error is None
    assert one.chunks == 2


def test_an_error_event_is_held_and_what_came_before_is_not() -> None:
    one = scanner()
    assert one.feed(event("a") + b'data: {"error":{"message":"no"}}\n\n') == event("a")
    assert one.error == b'{"error":{"message":"no"}}'
    assert one.chunks == 1


def test_usage_in_every_chunk_is_forwarded_and_the_last_counts() -> None:
    chunks = [
        event("x").replace(
            b',"id"', b',"usage":{"prompt_tokens":7,"completion_tokens":%d},"id"' % n
        )
        for n in (1, 2, 3)
    ]
    one = scanner()
    assert one.feed(b"".join(chunks)) == b"".join(chunks)
    assert one.usage == Usage(7, 3)


def test_an_empty_usage_field_is_not_usage() -> None:
    one = scanner()
    one.feed(event("x").replace(b',"id"', b',"usage":null,"id"'))
    assert one.usage is None


def prelude(kind: str, error: str = "null") -> bytes:
    data = f'{{"response":{{"error":{error},"usage":null}},"type":"response.{kind}"}}'
    return f"event: response.{kind}\ndata: {data}\n\n".encode()


def test_what_comes_before_there_is_an_answer_is_told_from_it() -> None:
    one = EventScanner(
        hide_usage=False,
        finish_marks=RESPONSES.finish_marks,
        prelude_marks=RESPONSES.prelude_marks,
    )
    assert not one.only_preludes
    before = prelude("created") + prelude("in_progress")
    assert one.feed(before) == before
    assert one.only_preludes
    one.feed(b'data: {"delta":"a","type":"response.output_text.delta"}\n\n')
    assert not one.only_preludes


def test_a_failed_response_is_an_error_and_does_not_pass() -> None:
    one = EventScanner(
        hide_usage=False,
        finish_marks=RESPONSES.finish_marks,
        prelude_marks=RESPONSES.prelude_marks,
    )
    failed = prelude("failed", '{"code":"x","message":"no"}')
    assert one.feed(prelude("created") + failed + DONE) == prelude("created") + DONE
    assert one.error == b'{"error":{"code":"x","message":"no"}}'


def test_comments_pass() -> None:
    one = scanner()
    assert one.feed(b": ping\n\n") == b": ping\n\n"
    assert one.chunks == 0


def test_it_knows_when_the_model_had_finished() -> None:
    one = scanner()
    one.feed(event("x"))
    assert not one.finished
    one.feed(FINISH)
    assert one.finished
    assert not one.done
    one.feed(DONE)
    assert one.done


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (b'{"usage":{"prompt_tokens":1,"completion_tokens":2}}', Usage(1, 2)),
        (b'{"usage":{"prompt_tokens":1,"total_tokens":1}}', Usage(1, 0)),
        (b'{"response":{"usage":{"input_tokens":1,"output_tokens":2}}}', Usage(1, 2)),
        (b'{"usage":null}', None),
        (b'{"usage":{"prompt_tokens":"many"}}', None),
        (b"[]", None),
        (b"no json", None),
    ],
)
def test_usage_is_read_in_either_apis_words(body: bytes, usage: Usage | None) -> None:
    assert read_usage(body) == usage
