from __future__ import annotations

import pytest

from foundry_host.errors import HostError, plain

SIGNATURE = "std::string fl::http::Retry(const std::function<Attempt()>&, int) const"


@pytest.mark.parametrize(
    ("native", "message"),
    [
        (
            f"http_client.cc:304 {SIGNATURE} operation failed (4 attempts).",
            "operation failed (4 attempts)",
        ),
        ("model.cc:530 void fl::Model::Load(fl::Provider) model not found: ", "model not found:"),
        ("plain words (in brackets) stay.", "plain words (in brackets) stay"),
        ("a.cc:1 no signature", "a.cc:1 no signature"),
        ("", "ValueError"),
    ],
)
def test_the_runtimes_signatures_are_not_shown_to_people(native: str, message: str) -> None:
    assert plain(ValueError(native)) == message


def test_an_error_reads_as_problem_then_remedy() -> None:
    assert str(HostError("It is broken.", "Mend it.")) == "It is broken. Mend it."
