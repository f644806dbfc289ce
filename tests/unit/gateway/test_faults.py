import pytest

from foundry_gateway import faults

V2_OVERFLOW = (
    "Invalid request: search_options.cc:108 int fl::ValidateGeneratorRequestBudget(int64_t, int, "
    "int) request requires 2062 total tokens (14 input + 2048 output), which exceeds the model's "
    "maximum context length of 1024 tokens"
)
V1_OVERFLOW = (
    "Failed to handle OpenAI completion: This request requires 2020 total tokens (2017 input + 3 "
    "output), which exceeds the model's maximum context length of 1024 tokens. Please reduce "
    "'max_tokens' or shorten your input."
)
GENAI_OVERFLOW = (
    "Failed to handle OpenAI completion: input_ids size (40004) + current sequence length (0) "
    "exceeds max length (4096)"
)


def test_the_figures_of_an_overflow_are_read() -> None:
    assert faults.overflow(V2_OVERFLOW) == faults.Overflow(prompt=14, context=1024)
    assert faults.overflow(V1_OVERFLOW) == faults.Overflow(prompt=2017, context=1024)
    assert faults.overflow(GENAI_OVERFLOW) == faults.Overflow(prompt=40004, context=4096)


def test_what_is_left_for_the_answer() -> None:
    assert faults.Overflow(prompt=14, context=1024).left == 1010
    assert faults.Overflow(prompt=2017, context=1024).left < 1


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Model not loaded: Model 'x:1' must be loaded before inference", faults.is_not_loaded),
        ("Model 'x' is not loaded. Please load the model first", faults.is_not_loaded),
        ("Model not cached: Model must be downloaded before loading", faults.is_not_cached),
        ("Model not found: No model matching 'x'", faults.is_not_found),
    ],
)
def test_each_refusal_is_recognised_and_only_as_itself(message: str, kind: object) -> None:
    kinds = (faults.is_not_loaded, faults.is_not_cached, faults.is_not_found)
    assert [one for one in kinds if one(message)] == [kind]


def test_a_sentence_ends_once() -> None:
    assert faults.sentence("no") == faults.sentence("no.") == "no."
