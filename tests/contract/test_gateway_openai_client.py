"""The official ``openai`` client works unchanged, on the real 2.x and the real 1.x runtime."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest

from support.fake_foundry import Exchange, FakeFoundry, event, hang

if TYPE_CHECKING:
    from support.foundry import Foundry
    from support.gateway import Gateway, StartGateway

HELLO = [{"role": "user", "content": "hello"}]


def client_of(gateway: Gateway, **options: Any) -> Any:
    """Return the client as Any: what it answers at run time is the matter here."""
    defaults = {"api_key": gateway.key, "max_retries": 0, "timeout": 30}
    return openai.AsyncOpenAI(base_url=gateway.base_url, **{**defaults, **options})


@pytest.fixture(params=["v2", "v1"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    """The gateway in front of each real runtime."""
    one: Gateway = request.getfixturevalue(f"gateway_{request.param}")
    return one


async def test_chat(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        answer = await client.chat.completions.create(model="foundry-demo", messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_stream_without_usage_when_not_asked_for(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        stream = await client.chat.completions.create(
            model="foundry-demo", messages=HELLO, stream=True
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip()
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.choices for chunk in chunks)


async def test_stream_with_usage_when_asked_for(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        stream = await client.chat.completions.create(
            model="foundry-demo",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


async def test_streamed_and_whole_answers_agree(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        whole = await client.chat.completions.create(
            model="foundry-demo", messages=HELLO, temperature=0
        )
        stream = await client.chat.completions.create(
            model="foundry-demo", messages=HELLO, temperature=0, stream=True
        )
        parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(parts) == whole.choices[0].message.content


async def test_responses(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        answer = await client.responses.create(model="foundry-demo", input="hello")
        assert answer.output_text
        stream = await client.responses.create(model="foundry-demo", input="hello", stream=True)
        kinds = [event.type async for event in stream]
    assert "response.output_text.delta" in kinds
    assert kinds[-1] in ("response.completed", "response.incomplete")


async def test_models(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        listed = [model.id async for model in client.models.list()]
        one = await client.models.retrieve("foundry-demo")
    assert listed[0] == "foundry-demo"
    assert one.id == "foundry-demo"


async def test_a_limit_of_either_name_is_kept(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        for limit in ({"max_tokens": 3}, {"max_completion_tokens": 3}):
            answer = await client.chat.completions.create(
                model="foundry-demo",
                messages=[{"role": "user", "content": "count from 1 to 50"}],
                **limit,
            )
            assert answer.usage.completion_tokens <= 3


async def test_a_model_that_does_not_exist_is_not_found(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        for name in ("no-such-model", "no-such-model:7"):
            with pytest.raises(openai.NotFoundError) as failure:
                await client.chat.completions.create(model=name, messages=HELLO)
            assert failure.value.code == "model_not_found"
            assert "foundry-demo" in failure.value.message
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("no-such-model")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_beyond_the_context_is_a_bad_request(
    gateway: Gateway, *, stream: bool
) -> None:
    async with client_of(gateway) as client:
        with pytest.raises(openai.BadRequestError) as failure:
            await client.chat.completions.create(
                model="foundry-demo",
                messages=[{"role": "user", "content": "hello there " * 20_000}],
                stream=stream,
            )
    assert failure.value.code == "context_length_exceeded"


async def test_a_prompt_far_beyond_the_context_is_not_counted_by_the_runtime_first(
    gateway: Gateway,
) -> None:
    async with client_of(gateway) as client:
        for words, told in ((20_000, r"has \d+ tokens"), (100_000, r"has about \d+ tokens")):
            with pytest.raises(openai.BadRequestError, match=told) as failure:
                await client.chat.completions.create(
                    model="foundry-demo",
                    messages=[{"role": "user", "content": "hello there " * words}],
                )
            assert failure.value.code == "context_length_exceeded"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("more", [{}, {"max_tokens": 1_000_000}])
async def test_an_answer_is_fitted_into_what_the_context_leaves(
    gateway: Gateway, more: dict[str, int], *, stream: bool
) -> None:
    # More than half of the context, so that the runtime's own budget of 2,048 does not fit either.
    words = "hello there, how are you today? " * 300
    async with client_of(gateway) as client:
        answer = await client.chat.completions.create(
            model="foundry-demo",
            messages=[{"role": "user", "content": words}],
            stream=stream,
            **more,
        )
        if stream:
            finish = [chunk.choices[0].finish_reason async for chunk in answer][-1]
        else:
            finish = answer.choices[0].finish_reason
            assert answer.usage.prompt_tokens > 2048
    assert finish in ("stop", "length")


async def test_bad_input_is_a_bad_request(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        with pytest.raises(openai.BadRequestError) as failure:
            await client.chat.completions.create(model="foundry-demo", messages=[])
    assert failure.value.code == "invalid_request"
    assert failure.value.param == "messages"


async def test_a_wrong_key_is_an_authentication_error(gateway: Gateway) -> None:
    async with client_of(gateway, api_key="wrong") as client:
        for attempt in (
            client.chat.completions.create(model="foundry-demo", messages=HELLO),
            client.models.retrieve("foundry-demo"),
        ):
            with pytest.raises(openai.AuthenticationError) as failure:
                await attempt
            assert failure.value.code == "invalid_api_key"


async def test_parameters_the_runtime_does_not_support_are_named(gateway_v2: Gateway) -> None:
    async with client_of(gateway_v2) as client:
        for stream in (True, False):
            with pytest.raises(openai.BadRequestError) as failure:
                await client.chat.completions.create(
                    model="foundry-demo", messages=HELLO, frequency_penalty=0.5, stream=stream
                )
            assert failure.value.code == "invalid_request"
            assert "frequency_penalty" in failure.value.message


async def test_a_full_queue_is_a_rate_limit_error(start_gateway: StartGateway) -> None:
    async with FakeFoundry(chat=hang) as fake:
        gateway = start_gateway(fake.url, GATEWAY_MAX_CONCURRENCY="1", GATEWAY_MAX_QUEUE="0")
        async with client_of(gateway) as client:
            first = asyncio.create_task(
                client.chat.completions.create(model="fake-model", messages=HELLO)
            )
            await gateway.eventually(lambda status: status["queue"]["active"] == 1, "one is served")
            with pytest.raises(openai.RateLimitError) as failure:
                await client.chat.completions.create(model="fake-model", messages=HELLO)
            first.cancel()
    assert failure.value.code == "overloaded"
    assert int(failure.value.response.headers["Retry-After"]) >= 1


async def test_a_stopped_foundry_is_a_server_error_with_its_cause(
    start_gateway: StartGateway,
) -> None:
    gateway = start_gateway("http://127.0.0.1:1")
    async with client_of(gateway) as client:
        with pytest.raises(openai.InternalServerError) as failure:
            await client.chat.completions.create(model="x", messages=HELLO, stream=True)
    assert failure.value.status_code == 503
    assert failure.value.code == "foundry_unreachable"
    assert failure.value.body["cause"] == "refused"


async def test_a_stream_that_breaks_raises_in_the_client(start_gateway: StartGateway) -> None:
    heard = asyncio.Event()

    async def cut(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(event("Hello"))
        await heard.wait()
        exchange.cut()

    async with FakeFoundry(chat=cut) as fake:
        gateway = start_gateway(fake.url)
        async with client_of(gateway) as client:
            stream = await client.chat.completions.create(
                model="fake-model", messages=HELLO, stream=True
            )
            assert (await anext(stream)).choices[0].delta.content == "Hello"
            heard.set()
            with pytest.raises(openai.APIError, match="broke off"):
                async for _ in stream:
                    pass


async def test_embeddings_are_forwarded(start_gateway: StartGateway) -> None:
    class Embedding(FakeFoundry):
        async def _route(self, exchange: Exchange) -> None:
            if exchange.path == "/v1/embeddings":
                vector = {"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}
                usage = {"prompt_tokens": 4, "total_tokens": 4}
                await exchange.answer({"object": "list", "data": [vector], "usage": usage})
            else:
                await super()._route(exchange)

    async with Embedding() as fake:
        gateway = start_gateway(fake.url)
        async with client_of(gateway) as client:
            answer = await client.embeddings.create(
                model="fake-model", input="hello", encoding_format="float"
            )
        assert answer.data[0].embedding == [0.5, 1.0]
        counted = await asyncio.to_thread(
            gateway.metric,
            "gen_ai_client_token_usage_sum",
            gen_ai_operation_name="embeddings",
            gen_ai_token_type="input",
        )
    assert counted == 4


async def test_first_tokens_do_not_stall_behind_the_delayed_acknowledgement(
    gateway_v2: Gateway, foundry_v2: Foundry
) -> None:
    async def median_first_token(client: Any, model: str) -> float:
        loop, times = asyncio.get_running_loop(), []
        for _ in range(9):
            started = loop.time()
            stream = await client.chat.completions.create(
                model=model, messages=HELLO, stream=True, max_tokens=4
            )
            async for _ in stream:
                times.append(loop.time() - started)
                break
            async for _ in stream:
                pass
        return sorted(times)[len(times) // 2]

    async with (
        client_of(gateway_v2) as through,
        openai.AsyncOpenAI(base_url=f"{foundry_v2.url}/v1", api_key="x") as direct,
    ):
        gateway_time = await median_first_token(through, "foundry-demo")
        direct_time = await median_first_token(direct, "foundry-demo-generic-cpu:1")
    assert gateway_time < 0.7 * direct_time
