from __future__ import annotations

from foundry_host.errors import HostError, plain


def test_an_error_without_words_is_named() -> None:
    assert plain(ValueError("")) == "ValueError"
    assert plain(ValueError("a.cc:1 void b::c(int) it broke.")) == "it broke"


def test_an_error_reads_as_problem_then_remedy() -> None:
    assert str(HostError("It is broken.", "Mend it.")) == "It is broken. Mend it."
