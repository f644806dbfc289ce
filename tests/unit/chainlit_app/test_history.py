import pytest

from foundry_chat.history import TokenScale, Turn, build_prompt, estimate_tokens

TURNS = [Turn(f"question {n}", f"answer {n}") for n in range(10)]


def contents(prompt):
    return [message["content"] for message in prompt.messages]


def test_short_conversation_is_sent_whole():
    prompt = build_prompt(TURNS, "now?", system_prompt="Be kind.", context_length=4096)
    assert prompt.dropped == 0
    assert contents(prompt)[0] == "Be kind."
    assert contents(prompt)[1:3] == ["question 0", "answer 0"]
    assert contents(prompt)[-1] == "now?"


def test_roles_alternate_whatever_is_dropped():
    for context in range(50, 1000, 50):
        roles = [m["role"] for m in build_prompt(TURNS, "now?", context_length=context).messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


def test_oldest_turns_give_way_first():
    prompt = build_prompt(TURNS, "now?", context_length=150)
    assert 0 < prompt.dropped < 10
    assert contents(prompt)[0] == f"question {prompt.dropped}"
    assert contents(prompt)[-3:] == ["question 9", "answer 9", "now?"]


def test_latest_turn_that_does_not_fit_takes_the_older_ones_with_it():
    turns = [Turn("small", "small"), Turn("large", "word " * 5000)]
    prompt = build_prompt(turns, "now?", context_length=4096)
    assert contents(prompt) == ["now?"]
    assert prompt.dropped == 2


def test_question_is_sent_even_when_it_alone_is_too_long():
    assert contents(build_prompt([], "word " * 9000, context_length=1024)) == ["word " * 9000]


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_blank_system_prompt_is_not_sent(blank):
    assert len(build_prompt([], "hello", system_prompt=blank).messages) == 1


def test_room_is_kept_for_the_answer_the_person_allows():
    few = build_prompt(TURNS, "now?", context_length=400, max_tokens=300)
    many = build_prompt(TURNS, "now?", context_length=400, max_tokens=10)
    assert few.dropped > many.dropped


def test_unknown_context_is_taken_for_a_small_one():
    turns = [Turn("word " * 300, "word " * 300) for _ in range(10)]
    assert 0 < build_prompt(turns, "now?").dropped < 10


def test_cap_keeps_the_latest_turns():
    prompt = build_prompt(TURNS, "now?", context_length=4096, keep_at_most=2)
    assert contents(prompt) == ["question 8", "answer 8", "question 9", "answer 9", "now?"]
    assert build_prompt(TURNS, "now?", context_length=4096, keep_at_most=0).dropped == 10


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # Counted with the vocabularies of GPT-4o, Phi-4 and Qwen 2.5; the highest of the three.
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("1234567890", 10),
        ("私は学生です。", 7),
        ("    return {'a': x[0]}\n", 12),
    ],
)
def test_estimate_is_on_the_high_side(text, tokens):
    assert estimate_tokens(text) >= tokens


def test_scale_follows_what_the_runtime_counts():
    scale = TokenScale()
    assert scale.of("phi-4-mini") == 1.0
    scale.learn("phi-4-mini", estimate=1000, counted=500)
    assert scale.of("phi-4-mini") == pytest.approx(0.55)
    scale.learn("phi-4-mini", estimate=1000, counted=1500)
    assert scale.of("phi-4-mini") == pytest.approx(1.65), "at once when it was too low"
    scale.learn("phi-4-mini", estimate=1000, counted=500)
    assert scale.of("phi-4-mini") > 1.5, "little by little when it was too high"
    assert scale.of("another") == 1.0


def test_scale_decides_how_much_fits():
    tight = build_prompt(TURNS, "now?", context_length=300, scale=2.0)
    loose = build_prompt(TURNS, "now?", context_length=300, scale=0.5)
    assert tight.dropped > loose.dropped
