"""What both transports do with a request once its body is there.

| a body of | where it is decoded | and how |
|---|---|---|
| up to 512 KiB | on the event loop | as a whole |
| the same, until prices are loaded, if it tells of tokens | in a thread | as a whole |
| more | in a thread, one at a time | as a whole |
| more than 1 MiB, traces in protobuf | in that thread | part by part of 1 MiB, each committed \
before the next; one such request at a time |
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Final, Protocol, TypeVar

from flujo_otel.collector.answers import Encoding, Status, status_of
from flujo_otel.collector.body import Body, BodyBudget
from flujo_otel.collector.decoding import DecodingThread
from flujo_otel.collector.parts import PART_BYTES, check_json, parts
from flujo_otel.collector.received import Received
from flujo_otel.collector.unstored import Unstored
from flujo_otel.errors import Overloaded
from flujo_otel.model import Loss
from flujo_otel.redaction import Redactor
from flujo_otel.usage.library import may_load
from flujo_otel.wire.otlp import Decoded
from flujo_otel.wire.partial_success import ALL_WELL, PartialSuccess
from flujo_otel.wire.transport import Signal

_T = TypeVar("_T")
_PART_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.05
_INLINE_BYTES: Final = 512 * 1024
"""On the event loop 64 MiB would keep everybody waiting for seconds."""
_KEEPABLE_BYTES: Final = 2 * PART_BYTES
"""What is unpacked later is unpacked in one piece. A part is PART_BYTES of spans at most, and their
resource and scope once more."""
_ENDS_TRIES: Final = {
    400: "not OTLP",
    401: "without the token",
    403: "another Host or Origin",
    413: "too large",
    415: "another content type or compression",
    500: "a fault of flujo-otel",
    501: "another transfer coding",
}
"""What clients do not send again, and why, in words of a bounded number: errors' own name places
in the request. gRPC's codes are counted as the HTTP status they stand for."""


class Commit(Protocol):
    """The part of `commit.GroupCommit` that receiving needs."""

    def submit(
        self, decoded: Decoded, size_bytes: int, received: Received | None
    ) -> Future[PartialSuccess]: ...

    def count_losses(self, losses: Iterable[Loss]) -> None: ...


class Reception:
    """From bytes to a commit. For one event loop."""

    def __init__(
        self,
        commit: Commit,
        unstored: Unstored,
        limit_bytes: int,
        redactor: Redactor | None = None,
    ) -> None:
        """`redactor`: takes the secrets out of spans before they are stored; None: none are."""
        self._redactor = redactor
        self.limit_bytes = limit_bytes
        self.requests = 0
        """Of traces, all of whose parts were taken."""
        self.overloaded = 0
        """Requests of any signal that were told to come again, for there was no room."""
        self._commit = commit
        self._unstored = unstored
        self._budget = BodyBudget(2 * limit_bytes)
        self._one_large = asyncio.Lock()
        self._decoding = DecodingThread()

    def body(self, *, gzipped: bool) -> Body:
        """To collect a request's body in."""
        return Body(self.limit_bytes, self._budget, gzipped=gzipped)

    async def take(self, signal: Signal, body: bytes, encoding: Encoding) -> PartialSuccess:
        """Store a request's spans: on return they are committed. Other signals go to `Unstored`.

        Raises MalformedRequest, Refusal (too many spans or values), Overloaded and the StoreErrors;
        of a large request some parts may be committed then.
        """
        if signal is Signal.TRACES:
            answer = await self._traces(body, encoding)
            self.requests += 1
            return answer
        await self._run(len(body), lambda: self._unstored.take(signal, body, encoding))
        return ALL_WELL

    def refuse(self, error: Exception, signal: Signal | None) -> Status:
        """Count a request that is not taken, and say what its client is told. It is in the ledger
        too where the client will not send its spans again. `signal` None: it was no export."""
        status = status_of(error)
        if isinstance(error, Overloaded):
            self.overloaded += 1
        elif signal is Signal.TRACES and status.http in _ENDS_TRIES:
            now_ns = time.time_ns()
            detail = f"{status.http}, {_ENDS_TRIES[status.http]}"
            loss = Loss("unknown", "refused_request", detail, 1, now_ns, now_ns)
            self._commit.count_losses([loss])
        return status

    def close(self) -> None:
        """Nothing is stored any more: what is not decoded yet is refused at once. To be called on
        the event loop."""
        self._decoding.end()

    async def _traces(self, body: bytes, encoding: Encoding) -> PartialSuccess:
        if len(body) > PART_BYTES:
            if encoding is Encoding.PROTOBUF:
                return await self._in_parts(body)
            check_json(body)
        return await self._whole(Received(body, encoding))

    async def _whole(self, received: Received, *, wait_seconds: float = 0.0) -> PartialSuccess:
        size_bytes = len(received.body)
        decoded = await self._run(
            size_bytes, lambda: received.decoded(self._redactor), aside=may_load(received.body)
        )
        return await self._committed(decoded, received, wait_seconds=wait_seconds)

    async def _in_parts(self, body: bytes) -> PartialSuccess:
        """One large request after the other, so that all of them together cost no more than one."""
        total = ALL_WELL
        async with self._one_large:
            remaining = parts(body)
            while part := await self._run(len(body), lambda: next(remaining, None)):
                answer = await self._whole(Received(part), wait_seconds=_PART_SECONDS)
                total = total.and_of(answer)
        return total

    async def _committed(
        self, decoded: Decoded, received: Received, *, wait_seconds: float
    ) -> PartialSuccess:
        if not decoded.batch.records and not decoded.losses:
            return ALL_WELL
        size_bytes = len(received.body)
        # Secrets never reach the disk.
        is_keepable = self._redactor is None and size_bytes <= _KEEPABLE_BYTES
        to_keep = received if is_keepable else None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        while True:
            try:
                submitted = self._commit.submit(decoded, size_bytes, to_keep)
                answer = await asyncio.wrap_future(submitted)
            except Overloaded:
                # A request that is half stored goes before those that have not begun.
                if loop.time() >= deadline:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return answer

    async def _run(self, size_bytes: int, work: Callable[[], _T], *, aside: bool = False) -> _T:
        if size_bytes <= _INLINE_BYTES and not aside:
            return work()
        return await self._decoding.run(work)
