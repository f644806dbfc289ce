"""What a Chainlit app looks like that was written quickly, for the benchmark to compare with.

A blocking client inside an async handler, one emission per token, no history, straight at Foundry
Local. Every token of one chat holds up all others.
"""

from __future__ import annotations

import os

import chainlit as cl
from openai import OpenAI

client = OpenAI(base_url=f"{os.environ['FOUNDRY_URL']}/v1", api_key="none")


@cl.on_message
async def on_message(message: cl.Message) -> None:
    """Answer one question."""
    answer = cl.Message(content="")
    stream = client.chat.completions.create(
        model=os.environ["FOUNDRY_MODEL"],
        messages=[{"role": "user", "content": message.content}],
        stream=True,
        max_tokens=1500,
    )
    for chunk in stream:
        if chunk.choices and (token := chunk.choices[0].delta.content):
            await answer.stream_token(token)
    await answer.send()
