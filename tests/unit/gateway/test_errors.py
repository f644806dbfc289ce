from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundry_gateway import errors, remedies

if TYPE_CHECKING:
    from foundry_gateway.transport_errors import Cause

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


@pytest.mark.parametrize("cause", ["refused", "timed_out", "other"])
def test_the_remedy_knows_both_generations_of_the_command_line(cause: Cause) -> None:
    remedy = remedies.unreachable(cause, "http://127.0.0.1:51211")
    assert "foundry server start" in remedy
    assert "foundry service start" in remedy


def test_each_cause_has_a_remedy_of_its_own() -> None:
    causes: list[Cause] = ["name_not_resolved", "refused", "timed_out", "not_foundry"]
    found = {remedies.unreachable(cause, "http://host.docker.internal:51211") for cause in causes}
    assert len(found) == len(causes)


def test_remedies_name_every_system_where_they_differ() -> None:
    firewall = remedies.unreachable("timed_out", "http://host.docker.internal:51211")
    assert all(system in firewall for system in ("Windows", "macOS", "Linux"))
