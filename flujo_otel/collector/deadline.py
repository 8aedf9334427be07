"""How long a client may take to send a request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flujo_otel.collector.answers import Code, Refusal


class Deadlines:
    """The bounds of all requests that are being read. For one event loop.

    What ends too late is answered with 503 / UNAVAILABLE, not 408: OTLP's clients drop their spans
    on the latter.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: set[asyncio.Timeout] = set()
        self._stopping = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncio.Timeout]:
        """Around reading one request; it may be given less time than it has. Raises Refusal where
        it takes too long, and at once where the server stops."""
        if self._stopping:
            raise self._refusal()
        try:
            async with asyncio.timeout(self._seconds) as timeout:
                self._open.add(timeout)
                try:
                    yield timeout
                finally:
                    self._open.discard(timeout)
        except TimeoutError:
            raise self._refusal() from None

    def _refusal(self) -> Refusal:
        why = "stops" if self._stopping else "has waited long enough for this request"
        return Refusal(503, Code.UNAVAILABLE, f"The server {why}; send it again.", 1)

    def end_all(self) -> None:
        """The server stops: requests that are not all there are waited for no longer."""
        self._stopping = True
        now = asyncio.get_running_loop().time()
        for timeout in self._open:
            if not timeout.expired():  # which refuses another time
                timeout.reschedule(now)
