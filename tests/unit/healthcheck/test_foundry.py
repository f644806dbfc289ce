from __future__ import annotations

import pytest

from foundry_healthcheck.settings import Settings
from support.fake_foundry import VARIANT, FakeFoundry, hang
from support.processes import dead_port

NOWHERE = "http://no-such-service.invalid:51211"


@pytest.mark.parametrize("dialect", ["v2", "v1", "legacy"])
async def test_every_generation_is_recognised_and_its_catalog_left_alone(probe, dialect) -> None:
    async with FakeFoundry(dialect=dialect) as fake:
        run, outcome = await probe("foundry", fake.url)
        assert outcome.state == "up"
        assert outcome.facts["dialect"] == dialect
        assert outcome.facts["url"] == fake.url
        assert outcome.facts["models_loaded"] == 1
        assert run.registry.get_sample_value("probe_foundry_models_loaded") == 1
        assert not fake.asked("/v1/models")
        assert not fake.asked("/foundry/list")
        assert len(fake.exchanges) <= 3


async def test_no_loaded_model_is_a_failure_that_still_knows_where_and_what(probe) -> None:
    async with FakeFoundry(loaded=[]) as fake:
        _, outcome = await probe("foundry", fake.url)
    assert (outcome.state, outcome.reason) == ("down", "no_model_loaded")
    assert outcome.facts["dialect"] == "v2"
    assert outcome.remedy == "Ask anything in the chat, which loads the model."


async def test_one_that_answers_only_its_status_is_loading_and_not_hung(probe) -> None:
    async def only_status(exchange) -> None:
        if exchange.path != "/status":
            await hang(exchange)
        await exchange.answer({"endpoints": [], "modelCachePath": "/m", "pid": 1})

    async with FakeFoundry() as fake:
        fake.everything = only_status
        _, outcome = await probe("foundry", fake.url, timeout=1)
    assert outcome.state == "up"
    assert "loading" in str(outcome.facts["busy"])
    assert "models_loaded" not in outcome.facts


async def test_one_that_answers_nothing_at_all_timed_out(probe) -> None:
    async with FakeFoundry() as fake:
        fake.everything = hang
        _, outcome = await probe("foundry", fake.url, timeout=1)
    assert outcome.reason == "timed_out"
    assert fake.url in (outcome.message or "")


async def test_another_programs_page_is_not_foundry(probe) -> None:
    async def page(exchange) -> None:
        await exchange.answer({"hello": "there"})

    async with FakeFoundry() as fake:
        fake.everything = page
        _, outcome = await probe("foundry", fake.url)
    assert outcome.reason == "not_foundry"


async def test_the_first_that_answers_is_judged_and_the_others_are_named(probe) -> None:
    refused = f"http://127.0.0.1:{dead_port()}"
    async with FakeFoundry() as first, FakeFoundry(loaded=[]) as second:
        _, outcome = await probe("foundry", f"{refused},{first.url},{second.url}")
    assert outcome.state == "up"
    assert outcome.facts["url"] == first.url
    assert outcome.facts["models"] == VARIANT
    assert outcome.facts["not_answering"] == f"{refused} (refused)"


async def test_one_that_answers_is_not_kept_waiting_by_those_after_it(probe) -> None:
    async with FakeFoundry() as first, FakeFoundry() as second:
        second.everything = hang
        _, outcome = await probe("foundry", f"{first.url},{second.url}", timeout=3600)
    assert outcome.state == "up"
    assert outcome.duration < 60


async def test_the_most_preferred_ones_trouble_is_told(probe) -> None:
    refused = f"http://127.0.0.1:{dead_port()}"
    async with FakeFoundry() as fake:
        fake.everything = hang
        _, outcome = await probe("foundry", f"{refused},{fake.url}", timeout=1)
    assert outcome.reason == "refused"
    assert outcome.facts["not_answering"] == f"{fake.url} (timed_out)"


async def test_the_stacks_own_runtime_is_not_missed_unless_it_is_the_only_one(probe) -> None:
    refused = f"http://127.0.0.1:{dead_port()}"
    settings = Settings(embedded_url=NOWHERE)
    _, outcome = await probe("foundry", f"{refused},{NOWHERE}", settings=settings)
    assert outcome.reason == "refused"
    assert "not_answering" not in outcome.facts
    _, outcome = await probe("foundry", NOWHERE, settings=settings)
    assert outcome.reason == "name_not_resolved"


async def test_the_stacks_own_runtime_is_the_one_missed_where_it_was_chosen(probe) -> None:
    refused = f"http://127.0.0.1:{dead_port()}"
    settings = Settings(embedded_url=NOWHERE, embedded_chosen=True)
    _, outcome = await probe("foundry", f"{refused},{NOWHERE}", settings=settings)
    assert outcome.message == "Foundry Local in its container does not run."
    assert outcome.remedy == "Start it: `docker compose up -d foundry-local`."
    assert outcome.facts["not_answering"] == f"{refused} (refused)"


async def test_where_only_the_preferred_name_is_wrong_that_is_told(probe) -> None:
    settings = Settings(embedded_url="http://also-missing.invalid:1")
    target = f"{NOWHERE},http://also-missing.invalid:1"
    _, outcome = await probe("foundry", target, settings=settings)
    assert outcome.reason == "name_not_resolved"
    assert NOWHERE in (outcome.message or "")
