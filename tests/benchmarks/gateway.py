"""Streams straight at Foundry Local and through the gateway, as ratios; the gateway's memory."""

import asyncio
import statistics
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import load
from benchmarks.report import Figure
from support.foundry import DEMO_ALIAS, DEMO_VARIANT, start_foundry_v2
from support.gateway import run_gateway

PROMPT = "Count from 1 to 200."
TOKENS = 64
ROUNDS = 9
ANSWERS = {1: 64, 8: 128, 32: 256}
"""Answers per round, by number of streams."""

FIRST_TOKEN_TARGETS = {1: 0.2, 8: 0.8, 32: 1.0}
THROUGHPUT_TARGETS = {32: 0.9}
MEMORY_TARGET_MB = 120


@dataclass(frozen=True)
class Side:
    """One of the two ways to the model."""

    url: str
    request: bytes


def measure() -> list[Figure]:
    """Run both sides alternately; returns the figures in the order they are worth reading."""
    with TemporaryDirectory() as scratch, start_foundry_v2() as foundry:
        log = Path(scratch) / "gateway.log"
        env = {"MODEL": DEMO_ALIAS, "GATEWAY_MAX_CONCURRENCY": "64"}
        with run_gateway(log, FOUNDRY_URL=foundry.url, **env) as gateway:
            gateway.wait_until(lambda status: status["ready"], "ready")
            direct = Side(foundry.url, load.chat_request(foundry.url, DEMO_VARIANT, PROMPT, TOKENS))
            through = Side(
                gateway.url,
                load.chat_request(gateway.url, DEMO_ALIAS, PROMPT, TOKENS, key=gateway.key),
            )
            figures = asyncio.run(_compare(direct, through))
            memory = gateway.memory_bytes / 1e6
            figures.append(Figure("gateway memory", memory, "MB", at_most=MEMORY_TARGET_MB))
    return figures


async def _compare(direct: Side, through: Side) -> list[Figure]:
    loads: dict[tuple[Side, int], list[load.Load]] = {}
    for side in (direct, through):
        await load.run(side.url, side.request, 8, 32)
    for turn in range(ROUNDS):
        for streams, answers in ANSWERS.items():
            for side in (direct, through) if turn % 2 == 0 else (through, direct):
                done = await load.run(side.url, side.request, streams, answers)
                loads.setdefault((side, streams), []).append(done)

    figures = []
    for streams in ANSWERS:
        first_direct, first_through = (
            statistics.median(each.first_token_p50 for each in loads[side, streams])
            for side in (direct, through)
        )
        speed_direct, speed_through = (
            statistics.median(each.tokens_per_second for each in loads[side, streams])
            for side in (direct, through)
        )
        figures += [
            Figure(
                f"first token, {streams} streams",
                first_through / first_direct,
                "of direct",
                detail=f"{first_direct * 1e3:.1f} ms → {first_through * 1e3:.1f} ms",
                at_most=FIRST_TOKEN_TARGETS[streams],
            ),
            Figure(
                f"throughput, {streams} streams",
                speed_through / speed_direct,
                "of direct",
                detail=f"{speed_direct:,.0f} → {speed_through:,.0f} tokens/s",
                at_least=THROUGHPUT_TARGETS.get(streams),
            ),
        ]
    return figures
