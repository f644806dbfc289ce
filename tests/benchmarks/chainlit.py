"""Thirty chats at once: our chat app behind the gateway, and a blocking reference app."""

import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import Figure
from support.chainlit_app import start_blocking_reference, start_chat_app
from support.chat_client import Answer, ChatClient
from support.foundry import DEMO_ALIAS, DEMO_VARIANT, start_foundry_v2
from support.gateway import run_gateway

CHATS = 30
PROMPT = "Count from 1 to 200."
TIMEOUT = 120.0
FIRST_TOKEN_TARGET = 0.25
DONE_TARGET = 0.5


def measure() -> list[Figure]:
    """Ask both apps the same, one after the other, twice; the better run of each counts."""
    with TemporaryDirectory() as scratch, start_foundry_v2() as foundry:
        gateway_log = Path(scratch) / "gateway.log"
        env = {"MODEL": DEMO_ALIAS, "GATEWAY_MAX_CONCURRENCY": str(CHATS)}
        with (
            run_gateway(gateway_log, FOUNDRY_URL=foundry.url, **env) as gateway,
            start_chat_app(gateway.url, env={"GATEWAY_API_KEY": gateway.key}) as ours,
            start_blocking_reference(foundry.url, DEMO_VARIANT) as reference,
        ):
            runs: dict[str, list[tuple[float, float, float]]] = {ours.url: [], reference.url: []}
            for url in (ours.url, reference.url, reference.url, ours.url):
                runs[url].append(asyncio.run(_all_at_once(url)))
    first, done, tokens = map(min, zip(*runs[ours.url], strict=True))
    first_reference, done_reference, _ = map(min, zip(*runs[reference.url], strict=True))
    return [
        Figure(
            f"first token, {CHATS} chats",
            first / first_reference,
            "of blocking",
            detail=f"{first_reference * 1e3:,.0f} ms → {first * 1e3:,.0f} ms (median)",
            at_most=FIRST_TOKEN_TARGET,
        ),
        Figure(
            f"all {CHATS} done",
            done / done_reference,
            "of blocking",
            detail=f"{done_reference:.1f} s → {done:.1f} s, {tokens:,.0f} characters each",
            at_most=DONE_TARGET,
        ),
    ]


async def _all_at_once(url: str) -> tuple[float, float, float]:
    """Seconds to the median first token and to the last answer's end; characters an answer."""
    async with AsyncExitStack() as stack:
        chats = [await stack.enter_async_context(ChatClient(url)) for _ in range(CHATS)]
        await asyncio.gather(*(chat.ask("Hello", TIMEOUT) for chat in chats[:2]))
        started = time.perf_counter()
        answers = await asyncio.gather(*(chat.ask(PROMPT, TIMEOUT) for chat in chats))
        elapsed = time.perf_counter() - started
    first = [_checked(answer, lambda each: each.first_token) for answer in answers]
    return statistics.median(first), elapsed, statistics.mean(len(each.text) for each in answers)


def _checked(answer: Answer, read: Callable[[Answer], float | None]) -> float:
    """A time of an answer that is whole: it counts up to the last number.

    Raises:
        RuntimeError: the answer is an error or breaks off.
    """
    value = read(answer)
    if answer.is_error or value is None or "200" not in answer.text:
        raise RuntimeError(f"a chat did not get its whole answer: {answer.text[-300:]!r}")
    return value
