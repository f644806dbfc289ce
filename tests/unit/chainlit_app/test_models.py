import asyncio

import pytest

from foundry_chat.errors import ChatError
from foundry_chat.models import AUTOMATIC, Model, ModelFeed, Snapshot

DEMO = Model.from_api(
    "foundry-demo", {"foundry": {"demo": True, "display_name": "Foundry demo (built-in demo)"}}
)
PHI = Model.from_api("phi-4-mini", {"foundry": {"state": "available"}})


@pytest.mark.parametrize(
    ("extra", "label"),
    [
        ({"state": "loaded"}, "phi · loaded"),
        ({"state": "available"}, "phi · loads on first use"),
        ({"state": "missing"}, "phi · not downloaded"),
        ({"state": "missing", "download": {"percent": 41.8}}, "phi · downloading, 42 %"),
        ({"state": "missing", "download": {"bytes": 1}}, "phi · downloading"),
        ({"state": "loaded", "demo": True}, "phi (built-in demo) · loaded"),
        ({"display_name": "Phi", "state": "loaded"}, "Phi · loaded"),
    ],
)
def test_label_says_what_to_expect(extra, label):
    assert Model.from_api("phi", {"foundry": extra}).label == label


def test_any_openai_server_will_do():
    assert Model.from_api("gpt", {}).label == "gpt · loaded"


def test_demo_is_named_one_under_its_answers():
    assert DEMO.short_name == "foundry-demo (built-in demo)"
    assert PHI.short_name == "phi-4-mini"


def test_automatic_is_the_first_model():
    assert Snapshot((PHI, DEMO)).resolve(AUTOMATIC) is PHI


def test_choice_that_is_gone_is_asked_for_by_name():
    assert Snapshot((PHI,)).resolve("qwen").alias == "qwen"


def test_without_any_model_the_reason_is_told():
    with pytest.raises(ChatError, match="no model"):
        Snapshot().resolve(AUTOMATIC)
    with pytest.raises(ChatError, match="asleep"):
        Snapshot(error=ChatError("x", "asleep")).resolve(AUTOMATIC)


def test_progress_of_a_download_does_not_rebuild_the_list():
    def at(percent):
        extra = {"foundry": {"state": "missing", "download": {"percent": percent}}}
        return Snapshot((Model.from_api("phi", extra),))

    assert at(10).same_choices(at(20))
    assert not at(10).same_choices(Snapshot((PHI,)))


async def test_callers_that_come_together_share_one_request():
    calls = []

    async def fetch():
        calls.append(1)
        await asyncio.sleep(0.01)
        return [PHI]

    feed = ModelFeed(fetch, 1)
    await asyncio.gather(*(feed.refresh() for _ in range(10)))
    assert len(calls) == 1


async def test_last_list_stays_while_the_gateway_is_away():
    answers = [[PHI], ChatError("x", "away")]

    async def fetch():
        answer = answers.pop(0)
        if isinstance(answer, ChatError):
            raise answer
        return answer

    feed = ModelFeed(fetch, 1)
    await feed.refresh()
    snapshot = await feed.refresh()
    assert snapshot.models == (PHI,)
    assert snapshot.error.message == "away"


async def test_feed_stops_when_nobody_is_there():
    wanted = [True, True, False]
    changes = []

    async def fetch():
        return [PHI] if len(wanted) > 1 else [DEMO]

    async def on_change(before, after):
        changes.append((before.default, after.default))

    feed = ModelFeed(fetch, 0)
    feed.watch(on_change, lambda: wanted.pop(0))
    await asyncio.wait_for(feed._task, 60)
    assert changes == [(None, PHI), (PHI, DEMO)]
