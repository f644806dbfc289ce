"""The chat app on the real chain: Foundry Local with the demo model, the gateway, the app."""

import asyncio
import os
import signal

import openai
import pytest

from foundry_chat.history import Turn, build_prompt
from support.chainlit_app import start_chat_app
from support.chat_client import ChatClient
from support.chat_stack import ChatStack, start_chat_stack
from support.foundry import DEMO_ALIAS, start_foundry_v2
from support.gateway import run_gateway
from support.processes import free_port


@pytest.fixture
async def chat(chat_stack: ChatStack):
    async with ChatClient(chat_stack.app.url) as client:
        await client.until(lambda: client.ready)
        yield client


async def test_demo_answers_and_says_that_it_is_one(chat):
    answer = await chat.ask("What is this stack?")
    assert not answer.is_error
    assert len(answer.text) > 20
    assert answer.note["facts"].startswith("foundry-demo (built-in demo) · first token ")


async def test_chat_remembers_what_was_said(chat):
    await chat.ask("My name is Ada.")
    answer = await chat.ask("What is my name?")
    assert "Ada" in answer.text


async def test_unknown_model_is_named_with_a_remedy(chat):
    await chat.change_settings(model="no-such-model")
    answer = await chat.ask("hello")
    assert answer.is_error
    assert "no-such-model" in answer.text
    assert answer.text.count("\n\n") == 1, "what is wrong, then what to do"


async def test_estimate_covers_what_the_runtime_counts_of_a_conversation(chat_stack):
    """The demo has the worst vocabulary of all models in use, so it is the one to hold against."""
    questions = ["What is this stack?", "How do I use my own model?", "Count from 1 to 20"]
    answer = "It is a private chat stack. Set MODEL=phi-4-mini in `.env`, then start it again."
    prompt = build_prompt([Turn(q, answer) for q in questions], "And then?", context_length=4096)
    client = openai.AsyncOpenAI(
        base_url=chat_stack.gateway.base_url, api_key=chat_stack.gateway.key
    )
    async with client:
        completion = await client.chat.completions.create(
            model=DEMO_ALIAS, messages=prompt.messages, max_tokens=1
        )
    assert completion.usage.prompt_tokens <= prompt.estimate < 3 * completion.usage.prompt_tokens


@pytest.fixture(scope="module")
def own_stack():
    """A chain whose Foundry Local may be frozen and stopped, and that has room for one request."""
    tight = {"GATEWAY_MAX_CONCURRENCY": "1", "GATEWAY_MAX_QUEUE": "0"}
    with start_foundry_v2() as foundry, start_chat_stack(foundry, **tight) as stack:
        yield stack


async def test_full_queue_says_so_and_can_be_tried_again(own_stack):
    async with ChatClient(own_stack.app.url) as busy, ChatClient(own_stack.app.url) as chat:
        await busy.until(lambda: busy.ready)
        await chat.until(lambda: chat.ready)
        os.kill(own_stack.foundry.pid, signal.SIGSTOP)
        first = await busy.send("What is this stack?")
        await busy.until(lambda: first.note.get("status"))
        refused = await chat.ask("hello")
        os.kill(own_stack.foundry.pid, signal.SIGCONT)
        await busy.finish(first)
        assert refused.is_error
        assert refused.text.count("\n\n") == 1, "what is wrong, then what to do"
        assert own_stack.app.metric('foundry_chat_errors_total{error_type="overloaded"}') == 1
        assert not first.is_error
        answer = await chat.press(refused.actions[0])
        await chat.finish(answer)
        assert not answer.is_error


async def test_chat_survives_a_restart_of_foundry_local(own_stack):
    foundry = own_stack.foundry
    async with ChatClient(own_stack.app.url) as chat:
        await chat.until(lambda: chat.ready)
        await chat.ask("My name is Ada.")
        await asyncio.to_thread(foundry.stop)
        failed = await chat.ask("What is my name?")
        assert failed.is_error
        assert f"127.0.0.1:{foundry.port}" in failed.text
        assert failed.text.count("\n\n") == 1, "what is wrong, then what to do"
        with start_foundry_v2(port=foundry.port):
            answer = await chat.press(failed.actions[0])
            await chat.finish(answer)
            assert "Ada" in answer.text


async def test_gateway_that_is_away_is_named_and_the_chat_goes_on_when_it_is_back(
    foundry_v2, tmp_path
):
    port = free_port()
    with start_chat_app(
        f"http://127.0.0.1:{port}", env={"GATEWAY_API_KEY": "a-key-of-the-test"}
    ) as app:
        async with ChatClient(app.url) as chat:
            await chat.until(lambda: chat.ready)
            failed = await chat.ask("hello")
            assert failed.is_error
            assert "The gateway does not answer (connection refused)" in failed.text
            assert "docker compose up -d gateway" in failed.text
            settings = {
                "GATEWAY_PORT": str(port),
                "GATEWAY_API_KEY": "a-key-of-the-test",
                "FOUNDRY_URL": foundry_v2.url,
                "MODEL": DEMO_ALIAS,
            }
            with run_gateway(tmp_path / "log", **settings):
                answer = await chat.press(failed.actions[0])
                await chat.finish(answer)
                assert not answer.is_error
            assert '"reachable":false' in app.get("/health")
