"""Between a collector and its store: which requests become rows at once, and which later.

| what comes | how it is committed | when it is rows |
|---|---|---|
| little, or it cannot be kept as it came | as rows | at once |
| so much that rows made together are clearly cheaper | as it came | within a second, with others \
(`shared_pour.py`) |
| more than can be made rows | as it came | when less comes (`unpacking.py`) |
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from flujo_otel.collector.backlog_count import BacklogCount
from flujo_otel.collector.batches import merged
from flujo_otel.collector.pressure import Pressure
from flujo_otel.collector.shared_pour import SharedPour
from flujo_otel.collector.unpacking import Unpacking
from flujo_otel.collector.waiting import Pending
from flujo_otel.model import Loss
from flujo_otel.spanstore.api import Rejected
from flujo_otel.spanstore.backlog import CollectorStore, KeptRequest

_PAUSE_SECONDS: Final = 0.25
"""Nothing comes for so long: there is time to unpack. To decode 500 spans of JSON takes up to 0.05
s, in which none comes either. Waited for once, and not before each 2,000 spans: that took twice as
long."""

_LOOK_SECONDS: Final = 60.0
"""Between looks for what others have left since: a container before this one, or another machine,
passes for gone when it has been silent for a minute, and that is after our start."""


class Overflow:
    """For one thread.

    Raises what the store raises: StoreUnavailable (try again) and other StoreErrors.
    """

    def __init__(
        self, store: CollectorStore, count_losses: Callable[[Iterable[Loss]], None]
    ) -> None:
        """Takes over what processes that are gone have kept."""
        self._store = store
        self._unpacking = Unpacking(store, count_losses)
        self._pressure = Pressure(time.monotonic(), time.process_time())
        self._shared = SharedPour()
        self._take_over()
        self._is_unpacking = False
        """Something was unpacked since the last write."""

    @property
    def to_unpack(self) -> int:
        """Spans that are unpacked once there is time. For any thread."""
        return self._backlog.spans

    @property
    def wait_seconds(self) -> float | None:
        """How long to wait for requests before rows are made of earlier ones; None: of none."""
        if self.is_sharing:
            return self._shared.wait_seconds
        if not self.to_unpack:
            return None
        return _PAUSE_SECONDS if self.is_overflowing and not self._is_unpacking else 0.0

    @property
    def is_sharing(self) -> bool:
        """Whether anything waits to be made rows together with what comes next."""
        return bool(self._shared.batches)

    @property
    def is_pour_due(self) -> bool:
        """Whether that waits no longer. It goes before what is to be unpacked, since the backlog
        has it as well: it would be unpacked too, and what is rejected of it counted twice."""
        is_next = self.is_overflowing or self.to_unpack > 0
        return self.is_sharing and (is_next or not self._shared.wait_seconds)

    @property
    def is_overflowing(self) -> bool:
        """Whether more comes than can be made rows: it is kept until there is time."""
        return self._pressure.is_high and not self._backlog.is_full

    def write(self, group: Sequence[Pending]) -> Sequence[Rejected]:
        """Commit them, as rows or, those that can be kept, as they came; which of their spans
        cannot be rows."""
        began_seconds = time.monotonic()
        rejected: Sequence[Rejected] = ()
        self._is_unpacking = False
        self._pressure.writes(began_seconds)
        if began_seconds >= self._looks_at_seconds and not self.to_unpack and not self.is_sharing:
            self._take_over()
        is_overflowing = self.is_overflowing  # once: it ends by the clock as well
        is_kept = is_overflowing or self._is_worth_sharing
        kept = [pending for pending in group if pending.received] if is_kept else []
        rows = [pending for pending in group if not pending.received] if kept else group
        if rows:  # first: where keeping fails they are tried again, and are there once
            rejected = self._store.write(merged([p.decoded.batch for p in rows])).rejected
        with_spans = [pending for pending in kept if pending.decoded.batch.records]
        self._keep(with_spans, shares=not is_overflowing)
        self._wrote(sum(len(pending.decoded.batch.records) for pending in group), began_seconds)
        return rejected

    def pour(self) -> int:
        """Make rows of all that came to share a pour; how many of its spans were rejected. Where
        that fails it is unpacked later."""
        began_seconds = time.monotonic()
        shared, self._shared = self._shared, SharedPour()
        try:
            rejected = self._unpacking.pour(shared.batches, shared.request_ids)
        except BaseException:
            self._backlog.add_spans(shared.spans)
            raise
        self._wrote(0, began_seconds)
        return rejected

    def unpack(self) -> int:
        """Make rows of the oldest; how many spans that were kept here were rejected."""
        began_seconds, cpu_seconds = time.monotonic(), time.process_time()
        self._is_unpacking = True
        own_rejected = self._backlog.subtract(self._unpacking.step())
        self._pressure.rested(time.monotonic() - began_seconds, time.process_time() - cpu_seconds)
        return own_rejected

    def count_losses(self, losses: Sequence[Loss]) -> None:
        """Add to the ledger."""
        self._store.count_losses(losses)

    def _take_over(self) -> None:
        """Nothing of this process's own is on the backlog: the store counts that too."""
        self._backlog = BacklogCount(self._store.take_over().spans)
        self._looks_at_seconds = time.monotonic() + _LOOK_SECONDS

    @property
    def _is_worth_sharing(self) -> bool:
        # What waits to be unpacked goes before what is cheaper when it waits.
        return self._pressure.is_enough_to_share and not self.to_unpack

    def _keep(self, group: Sequence[Pending], *, shares: bool) -> None:
        if not group:
            return
        requests = [_kept(pending) for pending in group]
        try:
            request_ids = self._store.keep(requests)
        except BaseException:  # some may be kept all the same
            self._backlog.look()
            raise
        if shares:
            self._shared.add(group, request_ids)
        else:
            self._backlog.add(requests)

    def _wrote(self, spans: int, began_seconds: float) -> None:
        self._pressure.wrote(spans, began_seconds, time.monotonic(), time.process_time())


def _kept(pending: Pending) -> KeptRequest:
    assert pending.received is not None
    body, encoding = pending.received
    return KeptRequest(encoding, len(pending.decoded.batch.records), body)
