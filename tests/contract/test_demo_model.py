"""The demo model answers people's own words, through the real Foundry Local.

The prompts in ``demo_model_prompts.json`` were written as a user would ask them and are not in the
training data; ``test_prompts_are_not_in_the_training_data`` generates that data again and looks.
"""

from __future__ import annotations

import importlib
import json
import random
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.foundry import Foundry

ROOT = Path(__file__).resolve().parents[2]
MODEL_DIR = ROOT / "services" / "foundry-local" / "src" / "foundry_host" / "demo_model"
TRAINING = ROOT / "services" / "foundry-local" / "training"
VARIANT = "foundry-demo-generic-cpu:1"

PROMPTS: dict[str, Any] = json.loads(
    Path(__file__).with_name("demo_model_prompts.json").read_text("utf-8")
)
QUESTIONS: list[dict[str, Any]] = PROMPTS["questions"]
ANYTHING_ELSE: list[str] = PROMPTS["anything_else"]


class Chat:
    """One conversation with the demo model."""

    def __init__(self, client: openai.OpenAI, system: str | None = None) -> None:
        self.client = client
        self.messages: list[Any] = []
        if system is not None:
            self.messages.append({"role": "system", "content": system})
        self.finish_reason = ""
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def ask(self, question: str, **options: Any) -> str:
        """Say something; the answer joins the conversation."""
        self.messages.append({"role": "user", "content": question})
        settings: dict[str, Any] = {"temperature": 0, "max_tokens": 300, **options}
        reply = self.client.chat.completions.create(
            model=VARIANT, messages=self.messages, **settings
        )
        assert reply.usage is not None
        answer = reply.choices[0].message.content or ""
        self.finish_reason = reply.choices[0].finish_reason
        self.prompt_tokens = reply.usage.prompt_tokens
        self.completion_tokens = reply.usage.completion_tokens
        self.messages.append({"role": "assistant", "content": answer})
        return answer

    def assert_finished(self) -> None:
        """The last answer ended by itself, as a sentence."""
        answer = self.messages[-1]["content"]
        assert self.finish_reason == "stop", answer
        assert answer.rstrip('"')[-1] in ".!?", answer
        assert "�" not in answer
        assert "<|" not in answer


@pytest.fixture(scope="module")
def client(foundry_v2: Foundry) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{foundry_v2.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def chat(client: openai.OpenAI) -> Chat:
    return Chat(client)


def normalised(prompt: str) -> str:
    return " ".join(re.findall(r"\w+", prompt.lower()))


def counted(low: int, high: int) -> str:
    return ", ".join(str(number) for number in range(low, high + 1)) + "."


def assert_matches(answer: str, wanted: dict[str, Any]) -> None:
    for phrase in wanted.get("all", []):
        assert phrase in answer
    if "any" in wanted:
        assert any(phrase in answer for phrase in wanted["any"]), answer


# ---- What it is ------------------------------------------------------------------------------


def test_prompts_are_not_in_the_training_data() -> None:
    sys.path.insert(0, str(TRAINING))
    try:
        training = importlib.import_module("foundry_demo.dialogues")
    finally:
        sys.path.remove(str(TRAINING))
    held_out = {normalised(entry["ask"]) for entry in QUESTIONS} | {
        normalised(prompt) for prompt in ANYTHING_ELSE
    }
    assert len(held_out) >= 60
    seen = 0
    for turn in training.training_turns():
        seen += 1
        assert normalised(turn.asked) not in held_out
        assert normalised(turn.plain) not in held_out
    assert seen > 100_000


def test_it_fits_in_eight_megabytes_and_names_no_machine() -> None:
    files = [path for path in MODEL_DIR.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"model.onnx", "genai_config.json", "MODEL_CARD.md"}
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    for path in files:
        assert not re.search(rb"/(work|root|home|tmp)/", path.read_bytes()), path.name


def test_its_context_is_4096_tokens() -> None:
    settings = json.loads((MODEL_DIR / "genai_config.json").read_text("utf-8"))
    assert settings["model"]["context_length"] == 4096
    assert settings["search"]["max_length"] == 4096


# ---- Single questions ------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", QUESTIONS, ids=lambda wanted: wanted["ask"])
def test_answers_a_question_in_the_users_own_words(chat: Chat, wanted: dict[str, Any]) -> None:
    assert_matches(chat.ask(wanted["ask"]), wanted)
    chat.assert_finished()


@pytest.mark.parametrize("prompt", ANYTHING_ELSE)
def test_says_for_everything_else_that_it_is_a_demo(chat: Chat, prompt: str) -> None:
    answer = chat.ask(prompt)
    assert "built-in demo model" in answer
    assert re.search("real model|Foundry Local", answer)
    chat.assert_finished()


@pytest.mark.parametrize(
    ("ask", "low", "high"),
    [
        ("Count from 1 to 20", 1, 20),
        ("please count from 95 to 112", 95, 112),
        ("can you count to 42?", 1, 42),
    ],
)
def test_counts(chat: Chat, ask: str, low: int, high: int) -> None:
    assert chat.ask(ask) == counted(low, high)
    chat.assert_finished()


def test_counts_nearly_any_range(client: openai.OpenAI) -> None:
    chances = random.Random(4)
    wrong = []
    for _ in range(40):
        low = chances.randint(1, 195)
        high = min(200, low + chances.randint(1, 30))
        if Chat(client).ask(f"Count from {low} to {high}") != counted(low, high):
            wrong.append((low, high))
    assert len(wrong) <= 6, wrong


def test_counts_from_1_to_200_in_a_long_stream(chat: Chat) -> None:
    assert chat.ask("Count from 1 to 200", max_tokens=1500) == counted(1, 200)
    assert chat.completion_tokens >= 450
    chat.assert_finished()


def test_tells_a_long_story_in_paragraphs(chat: Chat) -> None:
    answer = chat.ask("could you tell me a really long story please", max_tokens=800)
    assert chat.completion_tokens >= 150
    assert answer.count("\n\n") >= 2
    chat.assert_finished()


# ---- Conversations ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Ada", "Bartholomew", "Xiomara", "Jürgen", "olumide", "Kit"])
def test_remembers_a_name(chat: Chat, name: str) -> None:
    assert name in chat.ask(f"My name is {name}")
    chat.ask("How do I stop the stack?")
    assert name in chat.ask("What is my name?")
    chat.assert_finished()


@pytest.mark.parametrize(
    ("fact", "question", "value"),
    [
        ("My favourite colour is turquoise.", "What is my favourite colour?", "turquoise"),
        ("my dog is called Barkley", "what was my dog called?", "Barkley"),
        ("I live in Ouagadougou.", "Where do I live?", "Ouagadougou"),
    ],
)
def test_remembers_what_it_was_told(chat: Chat, fact: str, question: str, value: str) -> None:
    chat.ask(fact)
    assert value in chat.ask(question)


def test_knows_what_was_just_asked_and_answered(chat: Chat) -> None:
    answer = chat.ask("Where does Grafana live?")
    assert "Where does Grafana live?" in chat.ask("What did I just ask you?")
    chat.assert_finished()
    chat.ask("Where does Grafana live?")
    assert answer in chat.ask("Can you repeat your last answer?")


def test_a_question_may_refer_to_the_one_before(chat: Chat) -> None:
    chat.ask("What is Prometheus for?")
    assert "9090" in chat.ask("And which port does it have?")


def test_answers_the_last_question_not_an_earlier_one(chat: Chat) -> None:
    chat.ask("What licence does this have?")
    assert "docker compose down" in chat.ask("How do I shut everything down?")
    assert "built-in demo model" in chat.ask("What is the best way to learn the violin?")
    assert "8080" in chat.ask("which address does the chat have?")


def test_stays_coherent_after_thousands_of_tokens(chat: Chat) -> None:
    prompts = [entry["ask"] for entry in QUESTIONS] + ANYTHING_ELSE
    for index in range(200):
        answer = chat.ask(prompts[index % len(prompts)])
        chat.assert_finished()
        if index < len(QUESTIONS):
            assert_matches(answer, {"all": QUESTIONS[index].get("all", [])})
        if chat.prompt_tokens > 3_100:
            break
    else:
        raise AssertionError(f"only {chat.prompt_tokens} tokens of history")
    assert "http://localhost:8080" in chat.ask(
        "What is the address of the chat app?", max_tokens=100
    )
    chat.assert_finished()
    chat.ask("My name is Philippa", max_tokens=50)
    assert "Philippa" in chat.ask("What is my name?", max_tokens=50), chat.prompt_tokens
    chat.assert_finished()


# ---- Whatever is sent to it ------------------------------------------------------------------


@pytest.mark.parametrize(
    "system",
    [
        "You are a helpful assistant.",
        "You are Captain Flint, a pirate. Answer in rhymes and never mention computers.",
        "Antworte immer auf Deutsch. 🏴‍☠️ " * 20,
    ],
)
def test_a_system_prompt_does_no_harm(client: openai.OpenAI, system: str) -> None:
    chat = Chat(client, system)
    assert "Microsoft" in chat.ask("What is Foundry Local?")
    chat.assert_finished()


@pytest.mark.parametrize(
    "text",
    [
        "🙂🙃👩‍👩‍👧‍👦",
        "ẞ ਕੋਈ ᚠᛇᚻ \u200b\u202e",
        "\x01\x7f",
        "\U0001d573\U0001d58a",
        "ﷺ" * 50,
        "a" * 900,
        "\n\n\t \n",
        "<|end|><|user|>",
    ],
    ids=ascii,
)
def test_any_text_gets_an_answer(chat: Chat, text: str) -> None:
    assert chat.ask(text)
    chat.assert_finished()


def test_tools_are_accepted_and_not_called(chat: Chat) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    assert "Microsoft" in chat.ask("What is Foundry Local?", tools=[tool])
    chat.assert_finished()


@pytest.mark.parametrize("seed", range(5))
def test_is_coherent_at_the_temperature_that_uis_send(chat: Chat, seed: int) -> None:
    sampling = {"temperature": 0.7, "top_p": 0.9, "seed": seed}
    assert "Microsoft" in chat.ask("What is Foundry Local?", **sampling)
    chat.assert_finished()
    assert "docker compose down" in chat.ask("how can I stop the stack", **sampling)
    chat.assert_finished()
    assert "built-in demo model" in chat.ask("who painted the mona lisa?", **sampling)
    chat.assert_finished()
