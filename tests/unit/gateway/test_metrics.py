import math

import pytest
from prometheus_client import generate_latest

from foundry_gateway.metrics import ChunkTally, Metrics, client_label
from foundry_gateway.record import Record


@pytest.mark.parametrize(
    ("name", "agent", "label"),
    [
        ("chainlit", "python-httpx/1", "chainlit"),
        ("open-webui", None, "open-webui"),
        ("made-up-by-a-caller", "curl/8", "curl"),
        (None, "AsyncOpenAI/Python 3.54.0", "openai-sdk"),
        (None, "Mozilla/5.0 (X11)", "browser"),
        (None, "Python/3.11 aiohttp/3.14", "python"),
        (None, "something-else/" + "x" * 1000, "other"),
        (None, None, "other"),
    ],
)
def test_callers_have_labels_from_a_closed_set(
    name: str | None, agent: str | None, label: str
) -> None:
    assert client_label(name, agent) == label


def test_a_tally_of_many_chunks_is_an_ordinary_histogram() -> None:
    metrics = Metrics()
    tally = ChunkTally()
    tally.observe(0.003, 1)
    tally.observe(0.03, 3)
    tally.observe(5000.0, 1)
    labels = ("chat", "p", "m", "c")
    metrics.per_chunk.add(labels, tally)
    metrics.per_chunk.add(labels, tally)
    samples = {
        (sample.name.rpartition("_")[2], sample.labels.get("le")): sample.value
        for family in metrics.per_chunk.collect()
        for sample in family.samples
    }
    assert samples["bucket", "0.002"] == 0
    assert samples["bucket", "0.004"] == 2
    assert samples["bucket", "0.01"] == 8
    assert samples["bucket", "+Inf"] == samples["count", None] == 10
    assert math.isclose(samples["sum", None], 2 * 5000.033)


def test_a_request_that_never_resolved_has_no_model_of_its_own() -> None:
    metrics = Metrics()
    Record(metrics, "chat", {"User-Agent": "curl/8"}).close()
    text = generate_latest(metrics.registry).decode()
    assert 'gen_ai_request_model="unknown"' in text


def test_metrics_have_the_names_of_the_convention() -> None:
    names = {family.name for family in Metrics().registry.collect()}
    assert names >= {
        "gen_ai_client_operation_duration_seconds",
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "gen_ai_client_operation_time_per_output_chunk_seconds",
        "gen_ai_client_token_usage",
    }
