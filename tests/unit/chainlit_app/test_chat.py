"""One chat, driven through its socket as a browser would, in front of a scripted gateway."""

import asyncio
import re

import pytest
import socketio

from support.chainlit_app import ChatApp, start_chat_app
from support.chat_client import ChatClient
from support.scripted_gateway import model

PATIENCE = 30
OPEN = "foundry_chat_open_chats"


def roles(request):
    return [message["role"] for message in request["body"]["messages"]]


async def test_question_gets_an_answer_with_its_facts_under_it(chat, gateway):
    answer = await chat.ask("count")
    assert answer.text.startswith("You said: count 0 1 2")
    assert re.fullmatch(
        r"scripted · first token \d\.\d\d s · [\d,]+ tokens/s", answer.note["facts"]
    )
    assert gateway.requests[0]["headers"]["X-Client"] == "chainlit"


async def test_second_question_carries_the_first_and_its_answer(chat, gateway):
    await chat.ask("hello")
    await chat.ask("again")
    assert [m["content"] for m in gateway.requests[1]["body"]["messages"][1:]] == [
        "hello",
        "You said: hello",
        "again",
    ]


async def test_tokens_that_come_together_are_sent_together(chat):
    events = []
    chat._socket.on("stream_token", events.append)
    answer = await chat.ask("count")
    assert answer.text.endswith(" 299")
    assert len(events) < 30


async def test_waiting_person_sees_that_the_model_is_loading(chat, gateway):
    answer = await chat.send("loading")
    await chat.until(lambda: answer.note.get("status", "").startswith("Loading scripted … "))
    gateway.loaded.set()
    await chat.finish(answer)
    assert "status" not in answer.note
    assert answer.text == "You said: loading"


async def test_stop_keeps_what_was_written_and_closes_the_request(chat, gateway):
    answer = await chat.send("endless")
    await chat.until(lambda: " 20" in answer.text)
    await chat.stop()
    await chat.finish(answer)
    await asyncio.wait_for(gateway.closed.wait(), PATIENCE)
    kept = answer.text
    await chat.ask("hello")
    assert answer.text == kept
    assert "1 2 3 4 5" in kept
    assert answer.note["notes"] == ["Stopped."]
    assert "Task manually stopped." not in chat.shown()


async def test_stop_works_on_an_edited_question(chat, gateway):
    first = await chat.ask("hello")
    answer = await chat.edit(first.question_id, "endless")
    await chat.until(lambda: " 20" in answer.text)
    await chat.stop()
    await chat.finish(answer)
    await asyncio.wait_for(gateway.closed.wait(), PATIENCE)
    assert "1 2 3 4 5" in answer.text
    assert "You said: hello" not in chat.shown()


async def test_stopped_answer_stays_part_of_the_conversation(chat, gateway):
    answer = await chat.send("endless")
    await chat.until(lambda: " 5" in answer.text)
    await chat.stop()
    await chat.finish(answer)
    await chat.ask("and now?")
    messages = gateway.requests[-1]["body"]["messages"]
    assert messages[-2] == {"role": "assistant", "content": answer.text}


async def test_failed_question_shows_what_to_do_and_is_not_sent_as_history(chat, gateway):
    answer = await chat.ask("refuse foundry_unreachable")
    assert answer.is_error
    assert answer.text == "**Foundry Local sleeps.**\n\nWake it at `http://host:51211`."
    assert [action["label"] for action in answer.actions] == ["Try again"]
    await chat.ask("hello")
    assert roles(gateway.requests[-1]) == ["system", "user"]


async def test_try_again_replaces_the_error_with_the_answer(chat, gateway):
    failed = await chat.ask("refuse foundry_unreachable")
    gateway.healed = True
    answer = await chat.press(failed.actions[0])
    await chat.finish(answer)
    assert chat.shown() == [
        "refuse foundry_unreachable",
        "You said: refuse foundry_unreachable",
    ]


async def test_stop_works_on_a_retried_question(chat, gateway):
    gateway.refusals = 1
    failed = await chat.ask("endless")
    answer = await chat.press(failed.actions[0])
    await chat.until(lambda: " 5" in answer.text)
    await chat.stop()
    await chat.finish(answer)
    await asyncio.wait_for(gateway.closed.wait(), PATIENCE)
    assert answer.note["notes"] == ["Stopped."]


async def test_only_the_latest_failure_can_be_tried_again(chat):
    failed = await chat.ask("refuse foundry_unreachable")
    await chat.ask("hello")
    assert failed.actions == []


async def test_answer_that_breaks_off_keeps_its_words_and_says_why(chat):
    answer = await chat.ask("break")
    assert answer.text == "You said: break"
    assert not answer.is_error
    assert answer.note["problem"] == "Foundry Local stopped midway."
    assert answer.note["remedy"] == "Start it again."
    assert [action["label"] for action in answer.actions] == ["Try again"]


async def test_stream_that_just_ends_is_not_taken_for_an_answer(chat):
    answer = await chat.ask("cut")
    assert answer.text == "You said: cut"
    assert answer.note["problem"] == "The answer broke off before it was finished."


async def test_history_that_is_too_long_after_all_is_shortened_and_the_person_told_once(
    chat, gateway
):
    for number in range(4):
        await chat.ask(f"question {number}")
    answer = await chat.ask("long story")
    assert answer.text == "You said: long story"
    assert answer.note["notes"] == [
        "Earlier messages no longer fit the model's context and are left out."
    ]
    sent = gateway.requests[-1]["body"]["messages"]
    assert sent[0]["role"] == "system"
    assert sent[-3]["content"] == "question 3"
    again = await chat.ask("long again")
    assert "notes" not in again.note


async def test_settings_reach_the_model(chat, gateway):
    await chat.change_settings(
        system_prompt="", temperature="0,2", top_p="0.9", max_tokens="50", model="scripted"
    )
    await chat.ask("hello")
    body = gateway.requests[-1]["body"]
    assert body["messages"] == [{"role": "user", "content": "hello"}]
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.2, 0.9, 50)


async def test_defaults_leave_sampling_to_the_model(chat, gateway):
    await chat.ask("hello")
    assert not {"temperature", "top_p", "max_tokens"} & gateway.requests[-1]["body"].keys()


async def test_setting_that_cannot_be_used_is_named(chat, gateway):
    await chat.change_settings(temperature="hot")
    await chat.until(lambda: chat.toasts)
    assert chat.toasts[0]["message"] == "Temperature must be a number from 0 to 2, not “hot”."
    await chat.until(lambda: chat.widget("temperature")["initial"] == "")


async def test_list_of_models_follows_the_gateway(chat, gateway):
    gateway.models = [
        model("phi-4-mini", default=True, state="available"),
        model("foundry-demo", demo=True, display_name="Foundry demo (built-in demo)"),
        model("qwen2.5-7b", state="missing"),
    ]
    await chat.until(lambda: len(chat.choices("model")) == 4)
    assert chat.choices("model") == [
        "Automatic: phi-4-mini",
        "phi-4-mini · loads on first use",
        "Foundry demo (built-in demo) · loaded",
        "qwen2.5-7b · not downloaded",
    ]
    await chat.ask("hello")
    assert gateway.requests[-1]["body"]["model"] == "phi-4-mini"


async def test_chosen_model_stays_when_the_list_changes(chat, gateway):
    await chat.change_settings(model="scripted")
    await chat.ask("hello")
    gateway.models = [model("phi-4-mini", default=True), model("scripted")]
    await chat.until(lambda: len(chat.choices("model")) == 3)
    assert chat.widget("model")["initial"] == "scripted"
    await chat.ask("hello")
    assert gateway.requests[-1]["body"]["model"] == "scripted"


async def test_download_of_the_real_model_is_shown_under_the_demos_answer(chat, gateway):
    demo = model("foundry-demo", demo=True, default=True)

    def downloading(percent):
        progress = {"bytes": 1, "total_bytes": 2, "percent": percent, "seconds_left": 120.0}
        return model("qwen2.5-0.5b", state="missing", download=progress)

    gateway.models = [demo, downloading(43.2)]
    await chat.until(lambda: len(chat.choices("model")) == 3)
    answer = await chat.ask("hello")
    await chat.until(lambda: "download" in answer.note)
    assert answer.note["facts"].startswith("foundry-demo (built-in demo) · ")
    assert answer.note["download"]["text"] == (
        "qwen2.5-0.5b is downloading: 43 %, 2 min left. The built-in demo answers meanwhile."
    )
    gateway.models = [demo, downloading(80)]
    await chat.until(lambda: answer.note["download"]["percent"] == 80)
    gateway.models = [model("qwen2.5-0.5b", default=True), demo]
    await chat.until(lambda: "ready" in answer.note["download"]["text"])
    assert "first token" in answer.note["facts"]


async def lose(chat, app, *, noticed):
    """Cut the line, so that the app notices or, as for a while after most cuts, does not."""
    if not noticed:
        chat.lose_line()
        return
    await chat.disconnect()
    await app.becomes(OPEN, 0)


@pytest.mark.parametrize("noticed", [True, False])
async def test_answer_goes_on_through_a_lost_connection(chat, scripted_app, gateway, noticed):
    await scripted_app.becomes(OPEN, 1)
    answer = await chat.send("loading and then some")
    await chat.until(lambda: "status" in answer.note)
    await lose(chat, scripted_app, noticed=noticed)
    await chat.connect()
    gateway.loaded.set()
    await chat.until(lambda: answer.text == "You said: loading and then some")


@pytest.mark.parametrize("noticed", [True, False])
async def test_answer_that_ended_while_nobody_listened_is_there_on_return(
    chat, scripted_app, gateway, noticed
):
    await scripted_app.becomes(OPEN, 1)
    count = 'foundry_chat_messages_total{outcome="failed"}'
    failed = scripted_app.metric(count)
    gateway.may_go_on.clear()
    answer = await chat.send("break")
    await chat.until(lambda: answer.text == "You ")
    await lose(chat, scripted_app, noticed=noticed)
    gateway.may_go_on.set()
    await scripted_app.becomes(count, failed + 1)
    await chat.connect()
    assert answer.text == "You said: break"
    assert answer.note["problem"] == "Foundry Local stopped midway."
    assert [action["label"] for action in answer.actions] == ["Try again"]


async def test_browser_that_has_everything_gets_nothing_twice(chat):
    answer = await chat.ask("break")
    shown = chat.shown()
    await chat.disconnect()
    await chat.connect()
    assert chat.shown() == shown
    assert [action["label"] for action in answer.actions] == ["Try again"]


async def test_answer_under_way_is_shown_as_running_on_return(chat, gateway):
    gateway.may_go_on.clear()
    answer = await chat.send("hello")
    await chat.until(lambda: answer.text == "You ")
    chat.lose_line()
    running = []
    chat._socket.on("task_start", running.append)
    await chat.connect()
    assert running == [{}]
    gateway.may_go_on.set()
    await chat.until(lambda: answer.text == "You said: hello")


async def test_closed_tab_ends_the_request_after_a_while(gateway):
    with start_chat_app(gateway.url, env={"CHAINLIT_ABANDON_AFTER": "0.1"}) as impatient_app:
        async with ChatClient(impatient_app.url) as chat:
            answer = await chat.send("endless")
            await chat.until(lambda: answer.text)
            assert not gateway.closed.is_set()
        await asyncio.wait_for(gateway.closed.wait(), PATIENCE)


async def test_page_of_another_site_cannot_connect(scripted_app: ChatApp):
    foreign = ChatClient(scripted_app.url, origin="https://example.com")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await foreign.connect()
    own = ChatClient(scripted_app.url, origin=scripted_app.url)
    await own.connect()
    await own.disconnect()


async def test_chat_that_is_given_up_is_forgotten(scripted_app, gateway):
    async def one_chat():
        chat = ChatClient(scripted_app.url)
        await chat.connect()
        await chat.until(lambda: chat.ready)
        await chat.ask("hello")
        await chat.leave()
        await scripted_app.becomes(OPEN, 0)

    await one_chat()
    before = scripted_app.metric("foundry_chat_remembered_chats")
    for _ in range(5):
        await one_chat()
    await scripted_app.becomes("foundry_chat_remembered_chats", before)


async def test_metrics_count_what_a_person_sees(chat, scripted_app):
    before = scripted_app.metric('foundry_chat_errors_total{error_type="model_not_found"}')
    answered = scripted_app.metric('foundry_chat_messages_total{outcome="answered"}')
    await chat.ask("refuse model_not_found")
    await chat.ask("hello")
    count = 'foundry_chat_time_to_first_token_seconds_count{gen_ai_request_model="scripted"}'
    assert scripted_app.metric(count) >= 1
    assert scripted_app.metric('foundry_chat_messages_total{outcome="answered"}') == answered + 1
    errors = scripted_app.metric('foundry_chat_errors_total{error_type="model_not_found"}')
    assert errors == before + 1
