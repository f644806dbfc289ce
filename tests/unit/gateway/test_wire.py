import pytest

from foundry_gateway.wire import ResponseParser, WireError

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n"
    b"Content-Type: text/event-stream\r\n\r\n"
    b"5\r\nhello\r\n1;name=value\r\n \r\n5\r\nthere\r\n0\r\nTrailer: x\r\n\r\n"
)
WITH_LENGTH = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 11\r\n\r\nhello there"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\nhello there"


@pytest.mark.parametrize("answer", [CHUNKED, WITH_LENGTH])
def test_an_answer_split_at_any_byte_is_the_same(answer: bytes) -> None:
    for at in range(1, len(answer)):
        parser = ResponseParser()
        body = parser.feed(answer[:at])
        assert not parser.complete
        body += parser.feed(answer[at:])
        assert body == b"hello there"
        assert parser.complete


def test_an_answer_byte_by_byte_is_the_same() -> None:
    parser = ResponseParser()
    body = b"".join(parser.feed(CHUNKED[at : at + 1]) for at in range(len(CHUNKED)))
    assert body == b"hello there"
    assert parser.complete
    assert parser.keep_alive


def test_body_bytes_leave_as_soon_as_they_arrive() -> None:
    parser = ResponseParser()
    head, _, _ = CHUNKED.partition(b"5\r\nhello")
    parser.feed(head)
    assert parser.feed(b"5\r\nhel") == b"hel"


def test_of_duplicate_header_fields_the_first_counts() -> None:
    parser = ResponseParser()
    parser.feed(CHUNKED)
    assert parser.headers["content-type"] == "text/event-stream"


def test_without_framing_the_body_lasts_until_the_connection_ends() -> None:
    parser = ResponseParser()
    assert parser.feed(UNTIL_CLOSE) == b"hello there"
    assert not parser.complete
    parser.feed_eof()
    assert parser.complete
    assert not parser.keep_alive


def test_an_interim_answer_is_skipped() -> None:
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + WITH_LENGTH) == b"hello there"
    assert parser.status == 400


def test_connection_close_is_respected() -> None:
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    assert parser.complete
    assert not parser.keep_alive


@pytest.mark.parametrize("ended_at", [10, 70, len(CHUNKED) - 1])
def test_a_connection_that_ends_early_is_an_error(ended_at: int) -> None:
    parser = ResponseParser()
    parser.feed(CHUNKED[:ended_at])
    with pytest.raises(WireError, match="middle"):
        parser.feed_eof()


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00\x01",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000,
    ],
)
def test_what_is_not_http_is_an_error(garbage: bytes) -> None:
    with pytest.raises(WireError):
        ResponseParser().feed(garbage)
