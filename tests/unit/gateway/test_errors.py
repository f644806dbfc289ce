from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from foundry_common import remedies, runtime_words
from foundry_gateway import errors, loading, verdicts
from foundry_gateway.companion import Companion, CompanionModel
from foundry_gateway.dialects import DIALECTS, Dialect, DialectError
from foundry_gateway.exchange import Fault
from foundry_gateway.inventory import Target
from foundry_gateway.settings import Settings
from foundry_gateway.transport_errors import (
    AnswerTimeoutError,
    Cause,
    ConnectionBrokenError,
    TransportError,
    UnreachableError,
)
from foundry_gateway.upstream import Upstream
from support.sentences import complaints

CODES = {
    "foundry_unreachable",
    "model_not_found",
    "model_not_cached",
    "model_load_failed",
    "context_length_exceeded",
    "overloaded",
    "upstream_error",
    "invalid_api_key",
    "invalid_request",
    "unknown_host",
    "foreign_origin",
}


def all_errors() -> list[type[errors.GatewayError]]:
    found, new = [], [errors.GatewayError]
    while new:
        new = [child for parent in new for child in parent.__subclasses__()]
        found += new
    return found


def test_codes_are_a_closed_set() -> None:
    assert {error.code for error in all_errors()} == CODES


def test_a_message_ends_in_what_to_do() -> None:
    error = errors.UpstreamError("It broke.", "Mend it.").body()["error"]
    assert error == {
        "message": "It broke. Mend it.",
        "problem": "It broke.",
        "type": "server_error",
        "param": None,
        "code": "upstream_error",
        "cause": None,
        "remedy": "Mend it.",
    }


def test_overload_says_when_to_come_back() -> None:
    assert errors.OverloadedError("Full.", "Wait.", 7).headers()["Retry-After"] == "7"


NATIVE = (
    "Load failed: genai_model_instance.cc:204 fl::GenAIModelInstance::GenAIModelInstance("
    "std::string, fl::ILogger&) failed to load model m:1: Load model from /data/models/local/m/"
    "model.onnx failed:"
)
WORDS = (f"{NATIVE}system error number 13", f"{NATIVE}Protobuf parsing failed.", "", "It broke")
LONG = "a-model-with-a-name-" * 10
URLS = ("http://host.docker.internal:51211", "http://10.0.0.5:5273", "http://foundry-local:51211")


def upstreams() -> list[Upstream]:
    """One for each place that a message may be about."""
    found = []
    systems: tuple[remedies.System, ...] = get_args(remedies.System)
    dialects: tuple[Dialect | None, ...] = (None, *DIALECTS)
    for url, system, dialect in product(URLS, systems, dialects):
        settings = Settings(host_system=system, embedded_url=URLS[2])
        one = Upstream(url, settings, optional=url == URLS[-1])
        one.dialect = dialect
        found.append(one)
    return found


def failures() -> list[TransportError]:
    causes: tuple[Cause, ...] = get_args(Cause)
    return [
        *(UnreachableError("foundry-local:51211 said no", cause) for cause in causes),
        AnswerTimeoutError("no answer within 3 seconds"),
        ConnectionBrokenError("http://foundry-local:51211 broke", answered=True),
        ConnectionBrokenError("no known status route", answered=True, is_http=False),
    ]


def all_of(one: Upstream) -> list[errors.GatewayError]:
    """Everything that is said about one upstream."""
    targets = [Target(alias, None, loaded=False) for alias in ("phi-4-mini", LONG)]
    said: list[errors.GatewayError] = [one.explain(failure) for failure in failures()]
    for target in targets:
        said += [loading.not_found(one, target.alias), loading.not_cached(one, target.alias)]
        said += [loading.load_failed(one, target, words) for words in WORDS]
        said += [verdicts.translate(one, target, Fault(500, words)) for words in WORDS]
        said.append(verdicts.translate(one, target, Fault(400, f"{NATIVE}tool markers")))
    said += [verdicts.broke_off(one, words) for words in WORDS]
    return said


def test_every_message_about_foundry_local_is_short_and_for_this_reader() -> None:
    wrong = []
    for one in upstreams():
        commands = 1 if one.embedded or one.place.system else 2
        for error in all_of(one):
            texts = [error.message, error.remedy, *(error.event or ())]
            wrong += [said for text in texts for said in complaints(text, commands=commands)]
    assert wrong == []


def test_what_everybody_may_see_names_no_model_that_a_caller_made_up() -> None:
    for one in upstreams():
        for error in all_of(one):
            assert LONG[:30] not in str(error.event)


@pytest.mark.parametrize("fault", runtime_words.LOAD_FAULTS)
def test_each_reason_why_a_model_was_not_loaded_has_its_own_words(
    fault: runtime_words.LoadFault,
) -> None:
    words = {one: remedies.load_words(one) for one in runtime_words.LOAD_FAULTS}
    assert [one for one, said in words.items() if said == words[fault]] == [fault]


def test_the_technical_address_is_in_the_detail_alone() -> None:
    one = Upstream("http://foundry-local:51211", Settings(), optional=True)
    error = one.explain(UnreachableError("foundry-local:51211 refused the connection", "refused"))
    assert error.message == "Foundry Local in its container refused the connection."
    assert "foundry-local:51211" in error.detail


def test_the_hosts_own_word_about_a_model_is_passed_on() -> None:
    one = Upstream(URLS[0], Settings(), optional=False)
    model = CompanionModel(
        alias="mine",
        variant=None,
        state="failed",
        demo=False,
        context_length=None,
        progress=None,
        error="It is cut.",
        remedy="Copy it.",
    )
    one.inventory.companion = Companion(models={"mine": model})
    for error in (loading.not_found(one, "mine"), loading.not_cached(one, "mine")):
        assert (error.message, error.remedy) == ("It is cut.", "Copy it.")


def test_a_runtime_that_fails_on_its_own_lists_is_told_without_its_words() -> None:
    one = Upstream(URLS[2], Settings(), optional=True)
    error = one.explain_failure(DialectError(500, f"{NATIVE}x"))
    assert [*complaints(error.message), *complaints(error.remedy)] == []
    assert "genai_model_instance" in error.detail
