"""The chat app in front of a scripted gateway, one of each for all tests here."""

from collections.abc import AsyncIterator

import pytest_asyncio

from support.chainlit_app import ChatApp, start_chat_app
from support.chat_client import ChatClient
from support.scripted_gateway import ScriptedGateway

SCRIPTED = "scripted · loaded"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scripted_gateway_process() -> AsyncIterator[ScriptedGateway]:
    async with ScriptedGateway().running() as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scripted_app(scripted_gateway_process: ScriptedGateway) -> AsyncIterator[ChatApp]:
    with start_chat_app(
        scripted_gateway_process.url, env={"CHAINLIT_MODELS_INTERVAL": "0.2"}
    ) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(scripted_gateway_process: ScriptedGateway) -> ScriptedGateway:
    scripted_gateway_process.reset()
    return scripted_gateway_process


@pytest_asyncio.fixture(loop_scope="session")
async def chat(scripted_app: ChatApp, gateway: ScriptedGateway) -> AsyncIterator[ChatClient]:
    async with ChatClient(scripted_app.url) as client:
        await client.until(lambda: client.ready)
        # The panel shows what the gateway said last, until it has said what it has now.
        await client.until(lambda: client.choices("model") == ["Automatic: scripted", SCRIPTED])
        yield client
