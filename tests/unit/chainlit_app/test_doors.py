"""What a stranger can ask of the chat app over HTTP, and what its socket takes."""

import asyncio
import json

import aiohttp
import pytest
import socketio
import yarl

from support.chainlit_app import ChatApp
from support.chat_client import ChatClient

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ask(
    app: ChatApp, method: str, path: str, body: bytes | None = None, **fields: str
) -> tuple[int, dict]:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, app.url + path, data=body, headers=headers) as reply,
    ):
        text = await reply.text()
        is_json = reply.content_type == "application/json"
        return reply.status, json.loads(text) if is_json else {}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"])
async def test_the_interactive_documentation_is_not_served(scripted_app, gateway, path):
    status, answer = await ask(scripted_app, "GET", path)
    assert (status, answer["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/login"),
        ("POST", "/auth/jwt"),
        ("POST", "/auth/header"),
        ("GET", "/auth/oauth/github"),
        ("GET", "/auth/oauth/github/callback"),
        ("PUT", "/feedback"),
        ("POST", "/project/threads"),
        ("GET", "/project/thread/x"),
        ("GET", "/project/share/x"),
        ("PUT", "/project/element"),
        ("DELETE", "/project/thread"),
        ("POST", "/mcp"),
        ("DELETE", "/mcp"),
        ("GET", "/copilot/index.js"),
        ("GET", "/some/page"),
    ],
)
async def test_routes_that_the_page_does_not_use_are_not_there(scripted_app, gateway, method, path):
    status, answer = await ask(scripted_app, method, path, b"{}" if method != "GET" else None)
    assert status == 404
    assert answer["error"]["message"] == "There is nothing here. The chat is at /."


@pytest.mark.parametrize(
    ("host", "origin", "welcome"),
    [
        ("localhost:8081", "http://localhost:8081", True),
        ("[::1]:8081", "http://[::1]:8081", True),
        ("Chat.example.lan", "https://chat.example.lan", True),
        ("localhost:8081", "http://localhost:8080", False),
        ("localhost:8081", "http://localhost:8081.evil.example", False),
        ("localhost:8081", "http://localhost:8081@evil.example", False),
        ("localhost:8081", "http://localhost.:8081", False),
        ("127.0.0.1:8081", "http://127.0.0.1.nip.io:8081", False),
        ("localhost:8081", "chrome-extension://localhost:8081", False),
        ("localhost:8081", "null", False),
        ("localhost:8081", "http://[", False),
    ],
)
async def test_a_socket_is_for_the_pages_own_origin_by_whatever_port(
    scripted_app, host, origin, welcome
):
    address = f"{scripted_app.url}/ws/socket.io/?EIO=4&transport=polling"
    headers = {"Host": host, "Origin": origin}
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as reply:
        assert reply.status == (200 if welcome else 400)


async def test_no_file_is_taken(scripted_app, chat):
    form = aiohttp.FormData()
    form.add_field("file", b"x" * 1000, filename="x.txt")
    url = f"{scripted_app.url}/project/file?session_id={chat.session_id}"
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as reply:
        assert reply.status == 404
        assert (await reply.json())["error"]["problem"]


@pytest.mark.parametrize(
    "path",
    [
        "/public/%2e%2e/%2e%2e/etc/passwd",
        "/public//etc/passwd",
        "/assets/..%2f..%2f.chainlit/config.toml",
        "/public/%00",
        "/avatars/..%2f..%2fetc%2fpasswd",
        "/project/file/..%2f..%2fetc%2fpasswd?session_id=x",
        "/project/translations?language=../../../etc/passwd",
        "/logo?theme=../../etc",
    ],
)
async def test_a_path_leads_to_no_other_file(scripted_app, gateway, path):
    async with (
        aiohttp.ClientSession() as session,
        session.get(yarl.URL(scripted_app.url + path, encoded=True)) as reply,
    ):
        assert reply.status < 500
        assert "root:" not in await reply.text()
        assert "session_timeout" not in await reply.text()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"{}",
        b'{"sessionId": 1, "action": 2}',
        b'{"sessionId": "no", "action": {"name": "try_again"}}',
        b"[" * 100_000,
        b"1" * 10_000,
        b"\xff\xfe",
    ],
)
async def test_a_button_that_is_none_is_refused_in_json(scripted_app, gateway, body):
    for path in ("/project/action", "/set-session-cookie"):
        status, answer = await ask(
            scripted_app, "POST", path, body, Content_Type="application/json"
        )
        assert status in {200, 400, 404, 413}, answer
        assert status == 200 or answer["error"]["remedy"]


async def test_a_body_that_grows_is_refused_before_it_is_parsed(scripted_app, gateway):
    grows = b"[" + b"[]," * 300_000 + b"0]"
    status, answer = await ask(scripted_app, "POST", "/project/action", grows)
    assert (status, answer["error"]["code"]) == (413, "request_too_large")
    status, answer = await ask(
        scripted_app, "POST", "/project/action", b"[]", Content_Encoding="gzip"
    )
    assert (status, answer["error"]["code"]) == (415, "encoding_not_accepted")


@pytest.mark.parametrize(
    "session_id",
    ["../..", "/tmp", ".", "x", "", 5, None, ["a"], "95477C7A-6354-49EE-962A-E39FC3C4E340 "],
)
async def test_a_chats_id_is_one_that_the_page_makes(scripted_app, gateway, session_id):
    """Chainlit removes the folder of that name when the chat ends."""
    client = socketio.AsyncClient(reconnection=False)
    said: list[object] = []
    client.on("connect_error", said.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(
            scripted_app.url,
            auth={"sessionId": session_id, "clientType": "webapp"},
            socketio_path="ws/socket.io",
            transports=["websocket"],
        )
    assert said == [{"message": "sessionId must be a UUID"}]
    assert '<div id="root">' in await asyncio.to_thread(scripted_app.get, "/")


@pytest.mark.parametrize("message", ["grows", "binary", "attachments"])
async def test_a_socket_that_sends_what_the_page_does_not_is_closed(scripted_app, gateway, message):
    async with ChatClient(scripted_app.url) as client:
        await client.until(lambda: client.ready)
        socket = client._socket
        if message == "grows":
            nested = "[" + "[]," * 200_000 + "0]"
            await socket.eio.send(f'2["client_message",{nested}]')
        elif message == "binary":
            await socket.eio.send(b"x" * 1000)
        else:
            await socket.eio.send('51000000-["client_message",{"_placeholder":true,"num":0}]')
        async with asyncio.timeout(60):
            while socket.eio.state == "connected":  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.05)
    async with ChatClient(scripted_app.url) as other:
        await other.until(lambda: other.ready)
