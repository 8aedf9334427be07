"""How many messages are read at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

READERS: Final = 16
HURRIED_SECONDS: Final = 5.0
"""For a message whose place others wait for: calls that send nothing would else keep everybody out
for the minute that a message may take. SDKs wait for 10 s."""


class Readers:
    """Of gRPC's messages, each of which is in memory whole before anybody sees it: further ones
    wait in their clients. For one event loop."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(READERS)
        self._reading: set[asyncio.Timeout] = set()
        self._waiting = 0

    @asynccontextmanager
    async def place(self, timeout: asyncio.Timeout) -> AsyncIterator[None]:
        """Around reading one message, which `timeout` bounds already."""
        await self._taken()
        self._reading.add(timeout)
        if self._waiting:
            _hurry(timeout)
        try:
            yield
        finally:
            self._reading.discard(timeout)
            self._free.release()

    async def _taken(self) -> None:
        if self._free.locked():
            for other in self._reading:
                _hurry(other)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1


def _hurry(timeout: asyncio.Timeout) -> None:
    soon, due = asyncio.get_running_loop().time() + HURRIED_SECONDS, timeout.when()
    if not timeout.expired() and (due is None or due > soon):
        timeout.reschedule(soon)
