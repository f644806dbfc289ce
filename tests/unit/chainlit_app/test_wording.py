import pytest

from foundry_chat import wording


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (42, "42 s"), (119, "2 min"), (7300, "2.0 h")]
)
def test_duration_is_said_as_a_person_would(seconds, words):
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("loading phi-4-mini", "Loading phi-4-mini … 12 s"),
        ("queued 3", "Waiting for the model, which is busy, 3 in line … 12 s"),
        ("queued", "Waiting for the model, which is busy … 12 s"),
        (None, "Waiting for phi-4-mini … 12 s"),
        ("something new", "Waiting for phi-4-mini … 12 s"),
    ],
)
def test_waiting_person_is_told_what_for(reason, line):
    assert wording.waiting(reason, "phi-4-mini", 12.3) == line


def test_facts_name_model_delay_and_speed():
    line = wording.facts("qwen2.5-0.5b", 0.123, 42, 1.0)
    assert line == "qwen2.5-0.5b · first token 0.12 s · 41 tokens/s"


def test_facts_claim_no_speed_for_a_few_tokens():
    assert wording.facts("phi", 0.001, 3, 0.0) == "phi · first token 0.01 s"


def test_download_says_how_far_and_how_long():
    assert wording.download("qwen", 43.4, 120) == (
        "qwen is downloading: 43 %, 2 min left. The built-in demo answers meanwhile."
    )
    assert wording.download("qwen", None, None) == (
        "qwen is downloading. The built-in demo answers meanwhile."
    )
