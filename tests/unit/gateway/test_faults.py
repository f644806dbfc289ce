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

EMBEDDING_OVERFLOW = (
    "Inference failed: max_length (6004) cannot be greater than model context_length (4096)"
)


def test_the_figures_of_an_overflow_are_read() -> None:
    assert faults.overflow(V2_OVERFLOW) == faults.Overflow(prompt=14, context=1024)
    assert faults.overflow(V1_OVERFLOW) == faults.Overflow(prompt=2017, context=1024)
    assert faults.overflow(GENAI_OVERFLOW) == faults.Overflow(prompt=40004, context=4096)
    assert faults.overflow(EMBEDDING_OVERFLOW) == faults.Overflow(prompt=6004, context=4096)


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


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (
            "structured tool calling requires model-published opening and closing tool markers",
            "tools",
        ),
        ("chat_session.cc:968 Model emitted an invalid tool call: cut off", "tool_choice"),
        ("Invalid OpenAI JSON request: no number. Path: $.temperature | Line: 0", "temperature"),
        ("Invalid OpenAI JSON request: Could not deserialize tool list: x", "tools"),
        ("failed to create generator: Error creating grammar: Invalid type: x", "response_format"),
        ("Failed to handle OpenAI completion: Invalid type in response format.", "response_format"),
        ("Inference failed: Generator output 'hidden_states' was not found.", "model"),
        ("Failed to handle OpenAI completion: top_p must be between 0.0 and 1.0", "top_p"),
        ("logit_bias is not known here", "logit_bias"),
        ("[json.exception.type_error.302] type must be string, but is null", None),
        ("Inference failed: stoi", "metadata"),
        ("Parser Error: Current row has 12007 items; max is 2000", "response_format"),
        ("input message content type not supported (only input_text)", None),
        ("void f(std::map<int, std::allocator<int>>) top_p must be finite", "top_p"),
    ],
)
def test_a_failure_that_is_the_callers_mistake_names_the_field(
    message: str, param: str | None
) -> None:
    found = faults.mistake(message, ("model", "messages", "top_p", "logit_bias"))
    assert found is not None
    assert found.param == param
    assert found.remedy


@pytest.mark.parametrize(
    "message",
    [
        "Inference failed: bad allocation",
        "CUDA out of memory while reading top_p",
        "Error creating grammar: bad allocation",
        "Failed to allocate memory for requested buffer of size 1073741824",
        "Failed to handle OpenAI completion: the device was lost",
        "something went wrong",
        "it ended the stream before it began",
        "max_tokens exceeded",
        "",
    ],
)
def test_a_failure_of_the_machine_is_no_mistake_of_the_caller(message: str) -> None:
    assert faults.mistake(message, ("model", "messages", "top_p")) is None


def test_a_sentence_ends_once() -> None:
    assert faults.sentence("no") == faults.sentence("no.") == "no."
    assert faults.sentence("word " * 100).endswith("word…")
