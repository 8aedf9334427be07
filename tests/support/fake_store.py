"""A collector's store that remembers, and refuses when it is told to."""

from collections.abc import Sequence

from flujo_otel.errors import StoreUnavailable
from flujo_otel.model import Batch, Loss, SpanRecord
from flujo_otel.spanstore.api import BacklogSize, Rejected, WriteResult
from flujo_otel.spanstore.backlog import KeptRequest


class FakeStore:
    """`available` False: locked. `failing`: raised by the next writes. `refuse`: names rejected."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.losses: list[Loss] = []
        self.available = True
        self.failing: Exception | None = None
        self.refuse: set[str] = set()
        self.kept: list[KeptRequest] = []
        self.forgotten = 0
        self.closed = 0
        self.beats = 0

    @property
    def records(self) -> list[SpanRecord]:
        return [record for batch in self.batches for record in batch.records]

    @property
    def names(self) -> list[str]:
        return [record.name for record in self.records]

    def write(self, batch: Batch) -> WriteResult:
        self._check()
        if self.failing is not None:
            raise self.failing
        rejected = [Rejected(r, "does not fit") for r in batch.records if r.name in self.refuse]
        self.batches.append(batch)
        return WriteResult(rejected)

    def count_losses(self, losses: Sequence[Loss]) -> None:
        self._check()
        self.losses += losses

    def keep(self, requests: Sequence[KeptRequest]) -> Sequence[int]:
        self._check()
        first = len(self.kept) + self.forgotten + 1
        self.kept += [r._replace(request_id=first + n) for n, r in enumerate(requests)]
        return range(first, first + len(requests))

    def take_over(self) -> BacklogSize:
        self._check()
        return BacklogSize(len(self.kept), sum(request.span_count for request in self.kept))

    def oldest(self, most_spans: int, most_bytes: int) -> Sequence[KeptRequest]:
        self._check()
        return self.kept[:1]

    def forget(self, request_ids: Sequence[int]) -> None:
        self._check()
        left = [request for request in self.kept if request.request_id not in request_ids]
        self.forgotten += len(self.kept) - len(left)
        self.kept = left

    def beat(self) -> None:
        self._check()
        self.beats += 1

    def close(self) -> None:
        self.closed += 1

    def interrupt(self) -> None:
        pass

    def _check(self) -> None:
        if not self.available:
            raise StoreUnavailable("locked")
