"""The schedule and what may be probed from outside, in front of a fake Foundry Local."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from foundry_healthcheck.prober import Prober
from foundry_healthcheck.settings import Settings
from support.fake_foundry import FakeFoundry, hang
from support.processes import dead_port


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the prober has no event for a test
            await asyncio.sleep(0.02)


def nowhere() -> str:
    return f"http://127.0.0.1:{dead_port()}"


async def test_a_disabled_chat_says_so_and_asks_nothing() -> None:
    prober = Prober(Settings((nowhere(),), gateway_url=nowhere(), chat_interval=0))
    await prober.start()
    try:
        chat = prober.states["chat"]
        await until(lambda: chat.last)
        assert chat.state == "skipped"
        assert chat.last is not None
        assert (chat.last.reason, len(chat.history)) == ("disabled", 1)
        assert "HEALTHCHECK_CHAT_INTERVAL" in (chat.last.remedy or "")
    finally:
        await prober.close()


async def test_the_chat_is_asked_at_once_when_foundry_changes() -> None:
    async with FakeFoundry() as fake:
        settings = Settings((fake.url,), gateway_url=nowhere(), interval=0.1, chat_interval=3600)
        prober = Prober(settings)
        await prober.start()
        try:
            chat, foundry = prober.states["chat"], prober.states["foundry"]
            await until(lambda: foundry.state == "up" and len(chat.history) == 1)
            fake.loaded.clear()
            await until(lambda: foundry.state == "down" and len(chat.history) == 2)
            # Nothing changes any more, and its own turn is an hour away.
            runs = len(foundry.history)
            await until(lambda: len(foundry.history) >= runs + 3)
            assert len(chat.history) == 2
        finally:
            await prober.close()


async def test_a_target_is_allowed_only_where_it_is_configured_and_for_its_module() -> None:
    prober = Prober(Settings(("http://a:1", "http://b:2"), gateway_url="http://gateway:8000"))
    assert prober.allowed("foundry", "http://b:2")
    assert prober.allowed("foundry", "http://a:1,http://b:2")
    assert prober.allowed("chat", "http://gateway:8000")
    assert prober.allowed("http", "http://gateway:8000/status")
    assert not prober.allowed("http", "http://gateway:8000/metrics")
    assert not prober.allowed("http", "http://a:1")
    assert not prober.allowed("foundry", "http://c:3")
    assert not prober.allowed("foundry", "")


async def test_probes_on_demand_of_one_kind_take_turns_and_not_forever() -> None:
    async with FakeFoundry() as fake:
        fake.everything = hang
        prober = Prober(Settings((fake.url,), gateway_url=nowhere(), interval=3600))
        await prober.start()
        try:
            part = prober.states["foundry"].part
            first = asyncio.create_task(prober.demand(part, fake.url, 10))
            asked = len(fake.exchanges)
            await until(lambda: len(fake.exchanges) > asked)
            run, outcome = await prober.demand(part, fake.url, 0.2)
            assert outcome.reason == "timed_out"
            assert "another probe" in " ".join(run.log)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        finally:
            await prober.close()


async def test_a_run_that_fails_in_a_way_nobody_thought_of_is_not_the_last(
    probe, monkeypatch
) -> None:
    async def broken(run) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(__import__("foundry_healthcheck.modules").modules.MODULES, "http", broken)
    _, outcome = await probe("http", "http://a:1/")
    assert (outcome.state, outcome.reason) == ("down", "other")
    assert "ZeroDivisionError" in (outcome.message or "")
    assert outcome.remedy
