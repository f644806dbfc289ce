"""Thirty chats at once: our chat app behind the gateway, and a blocking reference app."""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import Figure
from support.chainlit_app import start_blocking_reference, start_chat_app
from support.chat_client import Answer, ChatClient
from support.foundry import DEMO_ALIAS, DEMO_VARIANT, start_foundry_v2
from support.gateway import run_gateway

CHATS = 30
PROMPT = "Count to 200"
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
            runs: dict[str, list[tuple[float, float]]] = {ours.url: [], reference.url: []}
            for url in (ours.url, reference.url, reference.url, ours.url):
                runs[url].append(asyncio.run(_all_at_once(url)))
    first, done = map(min, zip(*runs[ours.url], strict=True))
    first_reference, done_reference = map(min, zip(*runs[reference.url], strict=True))
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
            detail=f"{done_reference:.2f} s → {done:.2f} s per 1,000 characters of each answer",
            at_most=DONE_TARGET,
        ),
    ]


async def _all_at_once(url: str) -> tuple[float, float]:
    """Seconds to the median first token; seconds until all is done, per 1,000 characters.

    Answers are sampled, so their lengths differ a little; hence the time per character.
    """
    async with AsyncExitStack() as stack:
        chats = [await stack.enter_async_context(ChatClient(url)) for _ in range(CHATS)]
        started = time.perf_counter()
        answers = await asyncio.gather(*(chat.ask(PROMPT, TIMEOUT) for chat in chats))
        elapsed = time.perf_counter() - started
    first = [_first_token(answer) for answer in answers]
    characters = statistics.mean(len(answer.text) for answer in answers)
    return statistics.median(first), elapsed / characters * 1e3


def _first_token(answer: Answer) -> float:
    """Seconds to an answer's first token.

    Raises:
        RuntimeError: the answer is an error, or no count.
    """
    if answer.is_error or answer.first_token is None or not answer.text.startswith("1, 2, 3"):
        raise RuntimeError(f"a chat got no proper answer: {answer.text[-300:]!r}")
    return answer.first_token
