"""A request's body, put together with every byte accounted for.

The size is limited after decompression and while it goes on: what a bomb would unpack to is never
held. What all requests hold together is limited too.
"""

import asyncio
import zlib
from collections.abc import Iterator
from typing import Final

from flujo_otel.collector.answers import too_large
from flujo_otel.errors import MalformedRequest, Overloaded

_SLICE_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 1024 * 1024
"""At most this much is unpacked before others have their turn (about 4 ms)."""
_GZIP: Final = 31
_RETRY_SECONDS: Final = 1.0


class BodyBudget:
    """Bytes that the bodies of all requests may hold at once. For one event loop."""

    def __init__(self, total_bytes: int) -> None:
        self._left_bytes = total_bytes

    def take(self, size_bytes: int) -> None:
        """Raises Overloaded where there is no room."""
        if size_bytes > self._left_bytes:
            raise Overloaded(_RETRY_SECONDS)
        self._left_bytes -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """What was taken."""
        self._left_bytes += size_bytes


class Body:
    """Collects one body: `add` what comes, then `complete`; `release` in any case, once done."""

    def __init__(self, limit_bytes: int, budget: BodyBudget, *, gzipped: bool) -> None:
        self.size_bytes = 0
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._pieces: list[bytes] = []
        self._gunzip = Gunzip() if gzipped else None

    async def add(self, data: bytes) -> None:
        """Raises Refusal (too large), Overloaded, and MalformedRequest for broken gzip."""
        if self._gunzip is None:
            self._keep(data)
            return
        for start in range(0, len(data), _SLICE_BYTES):
            if start:
                # Whatever it unpacks to: 60 MB of empty members took 5 s and came to nothing.
                await asyncio.sleep(0)
            for piece in self._gunzip.feed(data[start : start + _SLICE_BYTES]):
                self._keep(piece)
                if len(piece) == _PIECE_BYTES:
                    await asyncio.sleep(0)

    def complete(self) -> bytes:
        """All of it. Raises MalformedRequest where the gzip stream broke off."""
        if self._gunzip is not None:
            self._gunzip.end()
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def release(self) -> None:
        """Let go of the memory."""
        self._pieces.clear()
        self._budget.give_back(self.size_bytes)
        self.size_bytes = 0

    def _keep(self, data: bytes) -> None:
        if self.size_bytes + len(data) > self._limit_bytes:
            raise too_large(self._limit_bytes)
        self._budget.take(len(data))
        self.size_bytes += len(data)
        if data:
            self._pieces.append(data)


class Gunzip:
    """Unpacks a gzip stream of any number of members (RFC 1952, 2.2), piece by piece."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to, in bounded pieces. Raises MalformedRequest."""
        for start in range(0, len(data), _SLICE_BYTES):
            yield from self._unpack(data[start : start + _SLICE_BYTES])

    def end(self) -> None:
        """Raises MalformedRequest where the stream is not complete."""
        if not self._member.eof:
            raise MalformedRequest("The gzip stream of the body breaks off.")

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        # A full piece: more may wait inside zlib even where all input has gone in.
        while data or len(piece) == _PIECE_BYTES:
            if self._member.eof:
                if not data:
                    return
                self._member = zlib.decompressobj(_GZIP)
            try:
                piece = self._member.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise MalformedRequest(f"The body is no gzip stream: {error}.") from error
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece
