"""What probing costs: processor time and memory of the prober, and its load on Foundry Local."""

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.report import Figure
from support.chainlit_app import start_chat_app
from support.foundry import DEMO_ALIAS, start_foundry_v2
from support.gateway import run_gateway
from support.healthcheck import Healthcheck, start_healthcheck, start_prometheus

WARM_UP = 10.0
"""Seconds before measuring: the start costs once."""
MEASURED = 70.0
"""Seconds: a little more than the default interval between two questions to the model."""
SCRAPE_INTERVAL = 15.0

CPU_TARGET = 1.0
MEMORY_TARGET_MB = 80


def measure() -> list[Figure]:
    """Probe a real stack at the default intervals, scraped as Prometheus scrapes it."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        foundry = stack.enter_context(start_foundry_v2())
        gateway = stack.enter_context(
            run_gateway(scratch / "gateway.log", FOUNDRY_URL=foundry.url, MODEL=DEMO_ALIAS)
        )
        app = stack.enter_context(start_chat_app(gateway.url, env={"GATEWAY_API_KEY": gateway.key}))
        prometheus = stack.enter_context(
            start_prometheus(scratch / "prometheus", scrape_interval="15s")
        )
        prober = stack.enter_context(
            start_healthcheck(
                FOUNDRY_URL=foundry.url,
                GATEWAY_URL=gateway.url,
                GATEWAY_API_KEY=gateway.key,
                CHAINLIT_URL=app.url,
                # Stand-ins for pages that are as cheap to ask as these.
                OPEN_WEBUI_URL=app.url,
                WEBGPU_URL=app.url,
                PROMETHEUS_URL=prometheus,
            )
        )
        time.sleep(WARM_UP)
        runs, questions = _count(prober, "runs"), _count(prober, "runs", probe="chat")
        runtime = psutil.Process(foundry.pid)
        before, runtime_before = prober.cpu_seconds, sum(runtime.cpu_times()[:2])
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < MEASURED:
            prober.get("/metrics")
            time.sleep(min(SCRAPE_INTERVAL, MEASURED - elapsed))
        elapsed = time.monotonic() - began
        spent = prober.cpu_seconds - before
        runtime_spent = sum(runtime.cpu_times()[:2]) - runtime_before
        memory = prober.memory_bytes / 1e6
        made = _count(prober, "runs") - runs
        asked = _count(prober, "runs", probe="chat") - questions
        failed = _count(prober, "failures")
    if not made or not asked or failed:
        raise RuntimeError(f"{made} runs, {asked} questions to the model, {failed} failures")
    return [
        Figure(
            "prober CPU",
            spent / elapsed * 100,
            "% of a core",
            detail=f"{spent:.2f} s in {elapsed:.0f} s, {made:g} runs, {asked:g} of them chats",
            at_most=CPU_TARGET,
        ),
        Figure("prober memory", memory, "MB", at_most=MEMORY_TARGET_MB),
        Figure(
            "prober CPU",
            spent / runtime_spent,
            "of Foundry Local's",
            detail=f"which spends {runtime_spent:.2f} s on being probed and on idling",
        ),
    ]


def _count(prober: Healthcheck, name: str, **labels: str) -> float:
    return prober.metric(f"foundry_healthcheck_{name}_total", **labels) or 0.0
