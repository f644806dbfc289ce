"""Bodies are bounded before anybody reads, parses or admits them: in a real server."""

import asyncio
import gc
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI, Request, UploadFile

from foundry_common.asgi_bodies import BoundedBodies, Limits

KIB = 1024
LIMITS = Limits(
    body=64 * KIB,
    objects=256 * KIB,
    budget=300 * KIB,
    upload=200 * KIB,
    uploads=300 * KIB,
    seconds=1.0,
    connections=2,
)


class Held:
    """The application, which keeps requests until told to let go."""

    def __init__(self) -> None:
        self.api = FastAPI()
        self.go = asyncio.Event()
        self.go.set()
        self.api.post("/json")(self.take)
        self.api.post("/file")(self.file)

    async def take(self, request: Request) -> dict[str, int]:
        body = await request.json()
        await self.go.wait()
        return {"length": len(body)}

    async def file(self, file: UploadFile) -> dict[str, int]:
        size = len(await file.read())
        await self.go.wait()
        return {"size": size}


@pytest.fixture
async def held() -> Held:
    return Held()


@pytest.fixture
async def client(held: Held) -> AsyncIterator[aiohttp.ClientSession]:
    config = uvicorn.Config(
        BoundedBodies(held.api, LIMITS), host="127.0.0.1", port=0, log_level="error"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    held.go.set()
    server.should_exit = True
    await serving


async def refused(reply: aiohttp.ClientResponse) -> str:
    error = (await reply.json())["error"]
    assert set(error) == {"message", "problem", "type", "param", "code", "cause", "remedy"}
    assert error["message"] == f"{error['problem']} {error['remedy']}"
    return str(error["code"])


def form(size: int) -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field("file", b"x" * size, filename="x")
    return data


async def pieces(*parts: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(pause)


async def test_what_keeps_within_the_limits_arrives(client: aiohttp.ClientSession):
    for data in (json.dumps(["x" * 60 * KIB]).encode(), pieces(b"[1,", b"2]")):
        async with client.post("/json", data=data) as reply:
            assert reply.status == 200
    async with client.post("/file", data=form(150 * KIB)) as reply:
        assert await reply.json() == {"size": 150 * KIB}
    async with client.get("/openapi.json") as reply:
        assert reply.status == 200


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "zstd", "gzip, gzip", "what"])
async def test_an_encoded_body_is_refused(client: aiohttp.ClientSession, encoding: str):
    async with client.post(
        "/json", data=gzip.compress(b"[]"), headers={"Content-Encoding": encoding}
    ) as reply:
        assert (reply.status, await refused(reply)) == (415, "encoding_not_accepted")


@pytest.mark.parametrize(
    "body",
    [b"[" + b"1" * 65 * KIB + b"]", b"[" + b"[]," * 20_000 + b"0]", b"[" + b"{}," * 10_000 + b"0]"],
    ids=["too long", "empty arrays", "empty objects"],
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "application/vnd.x+json"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_what_is_too_large_or_would_become_so_is_refused(
    client: aiohttp.ClientSession, body: bytes, kind: str, *, chunked: bool
):
    data = pieces(body) if chunked else body
    async with client.post("/json", data=data, headers={"Content-Type": kind}) as reply:
        assert (reply.status, await refused(reply)) == (413, "request_too_large")


async def test_a_form_of_many_fields_is_refused(client: aiohttp.ClientSession):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    async with client.post("/json", data=b"a&" * 10_000, headers=kind) as reply:
        assert (reply.status, await refused(reply)) == (413, "request_too_large")


async def test_the_budget_is_for_all_bodies_together_and_comes_back(
    client: aiohttp.ClientSession, held: Held
):
    held.go.clear()
    body = json.dumps(["x" * 50 * KIB]).encode()

    async def send() -> int:
        async with client.post("/json", data=body) as reply:
            if reply.status == 429:
                assert reply.headers["Retry-After"]
                assert await refused(reply) == "too_many_requests"
                if not held.go.is_set():
                    held.go.set()
            return reply.status

    statuses = await asyncio.gather(*(send() for _ in range(12)))
    assert set(statuses) == {200, 429}
    held.go.set()
    assert await send() == 200


async def test_a_body_that_does_not_come_is_given_up(client: aiohttp.ClientSession):
    async with client.post("/json", data=pieces(b"[", b"]", pause=3600)) as reply:
        assert (reply.status, await refused(reply)) == (408, "request_timeout")


@pytest.mark.parametrize("chunked", [False, True])
async def test_files_are_bounded_one_by_one_and_together(
    client: aiohttp.ClientSession, held: Held, *, chunked: bool
):
    def sent(size: int) -> object:
        payload = form(size)()
        if not chunked:
            return {"data": payload}
        return {"data": payload, "chunked": True}

    async with client.post("/file", **sent(250 * KIB)) as reply:
        assert (reply.status, await refused(reply)) == (413, "request_too_large")
    held.go.clear()

    async def send() -> int:
        async with client.post("/file", **sent(140 * KIB)) as reply:
            if reply.status != 200:
                assert await refused(reply) == "too_many_requests"
                held.go.set()
            return reply.status

    statuses = await asyncio.gather(*(send() for _ in range(4)))
    assert set(statuses) == {200, 429}
    assert await send() == 200


async def test_a_refused_body_is_gone_without_the_collector():
    """What the refusal keeps alive adds up until the collector happens to look."""
    guarded = BoundedBodies(FastAPI(), LIMITS)
    body = b"[" + b"[]," * (KIB * 8) + b"0]"
    scope = {
        "type": "http",
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": bytes(bytearray(body)), "more_body": False}

    statuses = []

    async def send(message: dict[str, object]) -> None:
        statuses.append(message.get("status"))

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(40):
            await guarded(dict(scope), receive, send)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert statuses.count(413) == 40
    assert kept < 5 * len(body)
