"""Parse bodies so that nobody else waits for it, and never two large ones at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from foundry_gateway import limits
from foundry_gateway.document import NUL_ESCAPE
from foundry_gateway.intake import take
from foundry_gateway.prompt import Prompt

if TYPE_CHECKING:
    from foundry_common.bodies import Hold
    from foundry_gateway.operations import Operation

_COPIES_WITHOUT_NUL = 2


class Parsing:
    """Turns bodies into prompts.

    Args:
        max_body: Bytes that a body may have.
    """

    def __init__(self, max_body: int) -> None:
        self._allowance = limits.parse_allowance(max_body)
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parsing")

    async def read(self, operation: Operation, body: bytes | bytearray, hold: Hold) -> Prompt:
        """Parse a body.

        Args:
            operation: Which route it came in on.
            body: JSON.
            hold: Its share of the budget.

        Raises:
            InvalidRequestError: It is not what the operation takes.
            OverloadedError: The budget is used up.
        """
        if len(body) <= limits.LARGE_PARSE:
            return Prompt.read(operation, body, self._allowance)
        async with self._turn:
            if NUL_ESCAPE in body:
                take(hold, _COPIES_WITHOUT_NUL * len(body))
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._thread, Prompt.read, operation, body, self._allowance)
            try:
                prompt = await asyncio.shield(work)
            except asyncio.CancelledError:
                # The thread cannot be stopped: the body is in memory, and counts, until it is done.
                await asyncio.wait((work,))
                work.exception()
                raise
            hold.shrink(len(body))
            return prompt

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
