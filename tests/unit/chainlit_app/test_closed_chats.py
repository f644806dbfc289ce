"""Chats whose browser has gone: not counted as open, kept for its return, and not too many."""

import asyncio
import re

import pytest

from support.chainlit_app import SOURCE, ChatApp
from support.chat_client import ChatClient

# Chainlit is not imported here: it would settle its root for the whole session.
UPKEEP = (SOURCE / "foundry_chat" / "upkeep.py").read_text(encoding="utf-8")
KEPT_CLOSED = int(re.findall(r"(?m)^KEPT_CLOSED = (\d+)$", UPKEEP)[0])

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def metric(app: ChatApp, name: str) -> float:
    return await asyncio.to_thread(app.metric, name)


async def test_a_chat_counts_as_open_while_its_browser_is_connected(scripted_app, gateway):
    await scripted_app.becomes("foundry_chat_open_chats", 0)
    async with ChatClient(scripted_app.url) as client:
        await client.until(lambda: client.ready)
        assert await metric(scripted_app, "foundry_chat_open_chats") == 1
        await client.disconnect()
        await scripted_app.becomes("foundry_chat_open_chats", 0)
        await client.connect()
        await scripted_app.becomes("foundry_chat_open_chats", 1)
    await scripted_app.becomes("foundry_chat_open_chats", 0)


async def test_of_many_closed_chats_the_last_are_kept_and_the_first_forgotten(
    scripted_app, gateway
):
    first = ChatClient(scripted_app.url)
    async with first:
        await first.until(lambda: first.ready)
        await first.ask("Remember me")
        await first.disconnect()
        remembered = await metric(scripted_app, "foundry_chat_remembered_chats")
        assert remembered >= 1
        for _ in range(KEPT_CLOSED):
            async with ChatClient(scripted_app.url) as another:
                await another.until(lambda another=another: another.ready)
                await another.ask("Hello")
        await scripted_app.becomes("foundry_chat_remembered_chats", KEPT_CLOSED)
        # The first is gone: its browser gets a chat that starts anew.
        before = await metric(scripted_app, "foundry_chat_chats_total")
        await first.connect()
        await scripted_app.becomes("foundry_chat_chats_total", before + 1)
