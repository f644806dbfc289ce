"""Why no connection was made. A system's refusals cannot be ordered, so they are handed in."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from foundry_gateway.pool import ConnectionPool
from foundry_gateway.transport_errors import UnreachableError


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ECONNREFUSED, "refused"),
        (errno.ECONNRESET, "refused"),
        (errno.EHOSTUNREACH, "other"),
        (errno.ENETUNREACH, "other"),
    ],
)
async def test_a_listener_that_is_going_away_refuses_as_one_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, number: int, cause: str
) -> None:
    async def connect(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
    with pytest.raises(UnreachableError) as caught:
        await ConnectionPool("http://127.0.0.1:1", 1.0).request("GET", "/", patience=1.0)
    assert caught.value.cause == cause
