import aiohttp
import httpx2
import openai
import pytest

from foundry_chat.errors import (
    ChatError,
    GatewayUnreachable,
    StreamInterrupted,
    from_body,
    from_exception,
)
from foundry_chat.models import Snapshot
from support.sentences import complaints

URL = "http://gateway:8000"
REQUEST = httpx2.Request("POST", f"{URL}/v1/chat/completions")


def test_remedy_is_told_apart_from_the_message_it_ends():
    error = from_body({"message": "It is down. Start it.", "code": "x", "remedy": "Start it."})
    assert (error.message, error.remedy) == ("It is down.", "Start it.")
    assert error.as_markdown() == "**It is down.**\n\nStart it."


def test_addresses_are_shown_as_code_because_the_browser_cannot_open_them():
    error = ChatError(
        "x", "Nothing answers at http://host.docker.internal:51211.", "See `http://a`."
    )
    assert error.as_markdown() == (
        "**Nothing answers at `http://host.docker.internal:51211`.**\n\nSee `http://a`."
    )


def test_error_without_remedy_or_code_is_still_readable():
    assert from_body({"message": "No."}).as_markdown() == "**No.**"
    assert from_body({}).code == "upstream_error"


def test_error_of_the_gateway_keeps_its_code():
    response = httpx2.Response(429, request=REQUEST)
    error = openai.RateLimitError(
        "busy", response=response, body={"message": "Busy. Wait.", "code": "overloaded"}
    )
    assert from_exception(error).code == "overloaded"


def test_answer_that_is_not_json_names_the_status():
    response = httpx2.Response(502, request=REQUEST)
    error = openai.InternalServerError("<html>", response=response, body=None)
    assert "HTTP 502" in from_exception(error).message


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "connection refused"),
        (TimeoutError(), "it took too long"),
        (aiohttp.ServerDisconnectedError(), "the connection was closed"),
        (OSError(113, "no route"), "no connection"),
    ],
)
def test_reason_why_the_gateway_does_not_answer_is_told(cause, words):
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = cause
    translated = from_exception(error)
    assert isinstance(translated, GatewayUnreachable)
    assert words in translated.message


def test_line_that_drops_midway_is_an_interrupted_answer():
    assert from_exception(httpx2.ReadError("cut")).code == "stream_interrupted"


@pytest.mark.parametrize(
    "error",
    [
        GatewayUnreachable("connection refused"),
        StreamInterrupted(),
        from_exception(ZeroDivisionError("division by zero")),
        from_exception(
            openai.InternalServerError(
                "<html>", response=httpx2.Response(502, request=REQUEST), body=None
            )
        ),
        Snapshot().missing,
    ],
    ids=lambda error: error.code,
)
def test_what_the_app_itself_says_is_short_and_asks_for_one_thing(error):
    assert [*complaints(error.message), *complaints(error.remedy)] == []


def test_error_of_our_own_shows_no_stack_trace():
    error = from_exception(ZeroDivisionError("division by zero"))
    assert error.code == "internal_error"
    assert "division" not in error.as_markdown()
