"""A chat from the browser's side, through the edge, in containers."""

import http.client
import json

from support.chat_client import ChatClient
from support.stack import RunningStack, eventually


async def test_the_chat_app_answers_question_after_question(stack: RunningStack):
    async with ChatClient(stack.chat, origin=stack.chat) as chat:
        answers = [await chat.ask(text) for text in ("Hello!", "What is this stack?")]
    for answer in answers:
        assert not answer.is_error
        assert len(answer.text.split()) > 3
        assert "first token" in answer.note["facts"]
    assert answers[0].text != answers[1].text


def test_a_client_that_leaves_frees_its_place_at_once(stack: RunningStack):
    connection = http.client.HTTPConnection(stack.gateway.removeprefix("http://"), timeout=60)
    question = {"role": "user", "content": "Count from 1 to 200."}
    body = json.dumps({"model": "foundry-demo", "stream": True, "messages": [question] * 3})
    headers = {"Authorization": f"Bearer {stack.api_key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    connection.getresponse().read1(64)
    connection.close()
    eventually(lambda: stack.status()["queue"]["active"] == 0, 2)
