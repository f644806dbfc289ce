"""The stream of one answer on its way through: the hot path.

Bytes go from the upstream's socket to the client's in one step, in the callback in which they
arrive. Only where something is in the way (a slow client, a comment just being written, an error
to be translated) do they take the longer way over ``read_some``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundry_gateway.connection import Response
    from foundry_gateway.downstream import Downstream
    from foundry_gateway.record import Record
    from foundry_gateway.sse import EventScanner


class Passage:
    """Forwards one stream.

    Args:
        response: Where it comes from.
        scanner: Watches it, and holds back what must not pass.
        down: Where it goes.
        record: Times and counts it.
    """

    __slots__ = ("_down", "_record", "_response", "_scanner", "_seen")

    def __init__(
        self, response: Response, scanner: EventScanner, down: Downstream, record: Record
    ) -> None:
        self._response = response
        self._scanner = scanner
        self._down = down
        self._record = record
        self._seen = 0

    async def run(self, first: bytes) -> None:
        """Forward until the stream ends, or until the runtime reports an error in it.

        Args:
            first: What has been scanned, but not forwarded.

        Raises:
            TransportError: The upstream broke off.
            ConnectionError: The client has gone.
        """
        data = first
        while True:
            if data:
                self._count()
                await self._down.write(data)
            if self._scanner.error is not None:
                return
            self._response.sink = self._pass_on
            received = await self._response.read_some()
            if not received:
                return
            data = self._scanner.feed(received)

    def _pass_on(self, received: bytes) -> bool:
        if not self._down.idle:
            return False
        data = self._scanner.feed(received)
        if data:
            self._count()
            self._down.write_now(data)
        if self._scanner.error is not None:
            self._response.stop_reading()
        return True

    def _count(self) -> None:
        self._record.received(self._scanner.chunks - self._seen)
        self._seen = self._scanner.chunks
