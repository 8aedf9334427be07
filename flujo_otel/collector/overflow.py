"""What is committed as it came: to be made rows with others, or unpacked when less comes."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from flujo_otel.collector.batches import merged
from flujo_otel.collector.pressure import Pressure
from flujo_otel.collector.shared_pour import SharedPour
from flujo_otel.collector.unpacking import Unpacking
from flujo_otel.collector.waiting import Pending
from flujo_otel.errors import StoreError
from flujo_otel.model import Loss
from flujo_otel.spanstore.api import Rejected
from flujo_otel.spanstore.backlog import CollectorStore, KeptRequest

_MOST_BYTES: Final = 512 << 20
"""Some 2 million spans; then clients wait for rows again."""
_LONGEST_SECONDS: Final = 30.0
"""The same: what is kept is not seen yet."""
_PAUSE_SECONDS: Final = 0.25
"""Nothing comes for so long: there is time to unpack. To decode 500 spans of JSON takes up to 0.05
s, in which none comes either. Waited for once, and not before each 2,000 spans: that took twice as
long."""


class Overflow:
    """Between a collector and its store; for one thread.

    Raises what the store raises: StoreUnavailable (try again) and other StoreErrors.
    """

    def __init__(
        self, store: CollectorStore, count_losses: Callable[[Iterable[Loss]], None]
    ) -> None:
        """Takes over what processes that are gone have kept."""
        self._store = store
        self._unpacking = Unpacking(store, count_losses)
        self._pressure = Pressure(time.monotonic(), time.process_time())
        self.spans = self._inherited_spans = store.take_over().spans
        """Still to be unpacked, once there is time. For any thread."""
        self._shared = SharedPour()
        self._bytes = 0
        self._since_seconds = time.monotonic()
        self._is_unpacking = False
        """Something was unpacked since the last write."""

    @property
    def wait_seconds(self) -> float | None:
        """How long to wait for requests before rows are made of earlier ones; None: of none."""
        if self.is_sharing:
            return self._shared.wait_seconds
        if not self.spans:
            return None
        return _PAUSE_SECONDS if self.is_keeping and not self._is_unpacking else 0.0

    @property
    def is_sharing(self) -> bool:
        """Whether anything waits to be made rows together with what comes next."""
        return bool(self._shared.batches)

    @property
    def is_pour_due(self) -> bool:
        """Whether to wait no longer."""
        return self.is_sharing and (self.is_keeping or not self._shared.wait_seconds)

    @property
    def is_keeping(self) -> bool:
        """Whether what comes now is kept as it comes, until there is time."""
        if not self._pressure.is_high:
            return False
        lasts_seconds = time.monotonic() - self._since_seconds if self.spans else 0.0
        return self._bytes < _MOST_BYTES and lasts_seconds < _LONGEST_SECONDS

    def write(self, group: Sequence[Pending]) -> Sequence[Rejected]:
        """Commit them, as rows or, those that can be kept, as they came; which of their spans
        cannot be rows."""
        began_seconds = time.monotonic()
        rejected: Sequence[Rejected] = ()
        self._is_unpacking = False
        self._pressure.writes(began_seconds)
        is_kept = self.is_keeping or self._is_worth_sharing
        kept = [pending for pending in group if pending.received] if is_kept else []
        rows = [pending for pending in group if not pending.received] if kept else group
        if rows:  # first: where keeping fails they are tried again, and are there once
            rejected = self._store.write(merged([p.decoded.batch for p in rows])).rejected
        self._keep([pending for pending in kept if pending.decoded.batch.records])
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
            self.spans += shared.spans
            raise
        self._wrote(0, began_seconds)
        return rejected

    def count_losses(self, losses: Sequence[Loss]) -> None:
        """Add to the ledger."""
        self._store.count_losses(losses)

    def unpack(self) -> int:
        """Make rows of the oldest; how many spans that were kept here were rejected."""
        began_seconds, cpu_seconds = time.monotonic(), time.process_time()
        self._is_unpacking = True
        unpacked = self._unpacking.step()
        own_rejected = 0
        if not unpacked.requests:
            self.spans = self._inherited_spans = self._bytes = 0
        else:
            # Never 0 by counting: there are none where the store says so.
            self.spans = max(self.spans - unpacked.spans, 1)
            if self._inherited_spans:  # they are the oldest; what is behind the last goes with them
                self._inherited_spans = max(self._inherited_spans - unpacked.spans, 0)
            else:
                self._bytes = max(self._bytes - unpacked.body_bytes, 0)
                own_rejected = unpacked.rejected
        self._pressure.rested(time.monotonic() - began_seconds, time.process_time() - cpu_seconds)
        return own_rejected

    @property
    def _is_worth_sharing(self) -> bool:
        # What waits to be unpacked goes before what is cheaper when it waits.
        return self._pressure.is_enough_to_share and not self.spans

    def _keep(self, group: Sequence[Pending]) -> None:
        if not group:
            return
        if not self.spans:
            self._since_seconds = time.monotonic()
        requests = [_kept(pending) for pending in group]
        try:
            request_ids = self._store.keep(requests)
        except StoreError:
            self.spans = max(self.spans, 1)  # some may be kept all the same: look
            raise
        if not self.is_keeping:
            self._shared.add(group, request_ids)
            return
        self.spans += sum(request.span_count for request in requests)
        self._bytes += sum(len(request.body) for request in requests)

    def _wrote(self, spans: int, began_seconds: float) -> None:
        self._pressure.wrote(spans, began_seconds, time.monotonic(), time.process_time())


def _kept(pending: Pending) -> KeptRequest:
    assert pending.received is not None
    body, encoding = pending.received
    return KeptRequest(encoding, len(pending.decoded.batch.records), body)
