"""Group commit: one thread writes, and whatever waits is written together.

A request is answered when its spans are committed, so many clients wait at once, and what waits
costs the database one set of transactions instead of one each. Memory is bounded: above the bound
requests are refused and told when to try again. Where the database takes no writes, what is
accepted is tried again until each request's time is up; then its client hears that it is not
stored, and sends it again. Nothing is acknowledged that is not committed, nothing accepted is
dropped in silence.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import chain
from threading import Event, Lock, Thread
from typing import Final, NamedTuple

from flujo_otel import guard, process
from flujo_otel.collector.answers import stopping
from flujo_otel.collector.loss_tally import LossTally
from flujo_otel.collector.waiting import Pending, Waiting
from flujo_otel.errors import FlujoOtelError, Overloaded, StoreUnavailable
from flujo_otel.model import Batch, Loss
from flujo_otel.quiet import suppress_in_this_thread
from flujo_otel.spanstore.api import Rejected, SpanWriter
from flujo_otel.wire.otlp import Decoded
from flujo_otel.wire.partial_success import PartialSuccess

PATIENCE_SECONDS: Final = 6.0
"""How long a request waits for a database that takes no writes. With the attempt and the rest that
are under way then it is answered within 8 s: OTLP clients give up after 10."""
SPANS_PER_GROUP: Final = 8000
"""Written in one go; more waits its turn, so that the first clients need not wait for the last."""
_SPACING_SECONDS: Final = 0.125
"""Between the beginnings of two groups that are not full, at the most: alone a request is written
at once, among many it waits for others. At 10,000 spans a second in requests of 500 two of them
share a commit, in requests of 100 a dozen: 20 us a span, where 100 spans alone take 27."""
RECORD_BYTES: Final = 700
WIRE_FACTOR: Final = 7
"""What a decoded span takes: so much, and so many times its bytes on the wire. Measured: 640 bytes
and twice the wire for usual text; at worst, for text of control characters, seven times."""
_RETRY_SECONDS: Final = 0.05
_LONGEST_RETRY_SECONDS: Final = 1.0
_LEDGER_SECONDS: Final = 1.0
_BUSY_RETRY_AFTER_SECONDS: Final = 1.0
_DOWN_RETRY_AFTER_SECONDS: Final = 5.0


class SpanCounts(NamedTuple):
    """Spans since the start."""

    received: int = 0
    stored: int = 0
    rejected: int = 0


class GroupCommit:
    """Starts its thread at once; `close` ends it.

    `open_store`: called on that thread. Its writer should wait for a lock a second or so at a time.
    `queue_bytes`: bound on what waits, as it is in memory.
    """

    def __init__(
        self,
        open_store: Callable[[], SpanWriter],
        queue_bytes: int,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.unavailable: Exception | None = None
        """Why the last attempt to write failed; None: it did not."""
        self._open_store = open_store
        self._patience_seconds = patience_seconds
        self._store: SpanWriter | None = None
        self._waiting = Waiting(queue_bytes, SPANS_PER_GROUP)
        self._began_seconds = 0.0
        self._counts: Counter[str] = Counter()
        self._counting = Lock()
        self._tally = LossTally()
        self._faults = Counter(guard.faults())
        """Those in the tally already, or from before the start."""
        self._ledger_at_seconds = 0.0
        self._closing = Event()
        self._group: list[Pending] = []
        """What is being written."""
        self._all_written = True
        """Nothing that was accepted failed since `close`."""
        self._ends_at_seconds = float("inf")
        self._thread = Thread(target=self._run, name="flujo-otel-commit", daemon=True)
        self._thread.start()

    def submit(self, decoded: Decoded, size_bytes: int) -> "Future[PartialSuccess]":
        """Have `decoded`, from a body of `size_bytes`, committed; the future says when it is.

        Never blocks. Raises Overloaded, and Refusal once it has ended. The future fails with
        StoreUnavailable where the database took no writes for `patience_seconds` (retryable; some
        of it may be written), with another error where it never will. It cannot be cancelled: what
        is accepted is written.
        """
        spans = len(decoded.batch.records)
        future: Future[PartialSuccess] = Future()
        future.set_running_or_notify_cancel()
        pending = Pending(
            decoded,
            spans * RECORD_BYTES + size_bytes * WIRE_FACTOR,
            time.monotonic() + self._patience_seconds,
            future,
        )
        if not self._waiting.put(pending):
            if self._closing.is_set():
                # Not Overloaded: a large request's next part would wait here for room in vain.
                raise stopping()
            is_down = self.unavailable is not None
            raise Overloaded(_DOWN_RETRY_AFTER_SECONDS if is_down else _BUSY_RETRY_AFTER_SECONDS)
        self._count(received=spans + decoded.partial_success.rejected_spans)
        return future

    def count_losses(self, losses: Iterable[Loss]) -> None:
        """Add to the ledger, within a second or so."""
        self._tally.add(losses)

    @property
    def counts(self) -> SpanCounts:
        """As of now."""
        with self._counting:
            return SpanCounts(**self._counts)

    def close(self, timeout_seconds: float) -> bool:
        """Take no more, write what waits and end; True if all of it was written in time.

        What was not fails with StoreUnavailable.
        """
        self._ends_at_seconds = time.monotonic() + timeout_seconds
        self._waiting.close()
        self._closing.set()
        self._thread.join(timeout_seconds + _LONGEST_RETRY_SECONDS)
        return not self._thread.is_alive() and self._all_written

    def _count(self, **more: int) -> None:
        with self._counting:
            self._counts.update(more)

    # --- the writer's thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            suppress_in_this_thread()
            self._work()
        except Exception as error:
            if not guard.report("the collector's writer", error):
                raise
        finally:
            # However it ends: whoever waits for a thread that is no more waits for ever.
            self._closing.set()
            self._waiting.close()
            left = [*self._group, *self._waiting.put_back((), float("inf"))]
            self._fail(left, StoreUnavailable("The collector's writer has ended."))

    def _work(self) -> None:
        retry_seconds = _RETRY_SECONDS
        while not self._waiting.is_over:
            if self._step():
                retry_seconds = _RETRY_SECONDS
                continue
            # Once it is closing there is nobody to wait for, but a loop needs its rest.
            if self._closing.wait(retry_seconds):
                time.sleep(_RETRY_SECONDS)
            retry_seconds = min(2 * retry_seconds, _LONGEST_RETRY_SECONDS)
        self._write_ledger(every_seconds=0)
        if self._store is not None:
            self._store.close()

    def _step(self) -> bool:
        """Write what waits; False where the database takes no writes."""
        self._group = self._waiting.take(_LEDGER_SECONDS, self._began_seconds + _SPACING_SECONDS)
        self._began_seconds = time.monotonic()
        try:
            if self._group:
                self._write(self._group)
        except StoreUnavailable as error:
            self.unavailable = error
            self._keep([pending for pending in self._group if not pending.future.done()], error)
            return False
        except Exception as error:
            # Not of the write, which has its own: it may be committed, so to send it again, which
            # doubles nothing, is the thing to do.
            guard.report("answering requests", error)
            self._fail(self._group, StoreUnavailable("The answer failed; send it again."))
        self._group = []
        self._write_ledger(every_seconds=_LEDGER_SECONDS)
        return True

    def _write(self, group: Sequence[Pending]) -> None:
        try:
            result = self._opened().write(_merged([pending.decoded.batch for pending in group]))
        except StoreUnavailable:
            raise
        except FlujoOtelError as error:  # another program's file: that will not pass
            self._refuse(group, error)
        except Exception as error:
            if len(group) == 1:
                guard.report("writing spans", error)
                self._tally.add(_faults(group[0].decoded.batch, error))
                self._refuse(group, error)
                return
            # A fault of ours, met with nobody knows whose spans: each request by itself.
            for pending in group:
                self._write([pending])
        else:
            self.unavailable = None
            self._settle(group, result.rejected)

    def _opened(self) -> SpanWriter:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _settle(self, group: Sequence[Pending], rejected: Sequence[Rejected]) -> None:
        reasons = {id(refused.record): refused.reason for refused in rejected}
        answers = [self._answer(pending.decoded, reasons) for pending in group]
        stored = sum(len(pending.decoded.batch.records) for pending in group) - len(rejected)
        self._count(stored=stored, rejected=sum(answer.rejected_spans for answer in answers))
        self._waiting.release(group)
        for pending, answer in zip(group, answers, strict=True):
            pending.future.set_result(answer)

    def _answer(self, decoded: Decoded, reasons: dict[int, str]) -> PartialSuccess:
        """What to answer, which is noted for the ledger as well."""
        self._tally.add(decoded.losses)
        if not reasons:
            return decoded.partial_success
        refused = Counter[tuple[int, str]]()
        for record in decoded.batch.records:
            if id(record) in reasons:
                refused[record.resource_id, reasons[id(record)]] += 1
        now_ns = time.time_ns()
        services = _services(decoded.batch)
        self._tally.add(
            Loss(services[resource_id], "rejected", reason, count, now_ns, now_ns)
            for (resource_id, reason), count in refused.items()
        )
        by_reason = Counter(reason for _, reason in refused.elements())
        return decoded.partial_success.and_of(PartialSuccess(by_reason))

    def _refuse(self, group: Sequence[Pending], error: Exception) -> None:
        self.unavailable = error
        self._fail(group, error)

    def _keep(self, group: Sequence[Pending], error: StoreUnavailable) -> None:
        """For the next try; all whose time is up hear that they are not stored."""
        now_seconds = time.monotonic()
        is_end = now_seconds >= self._ends_at_seconds
        late = self._waiting.put_back(group, float("inf") if is_end else now_seconds)
        self._group = []
        self._fail(late, error)

    def _fail(self, group: Sequence[Pending], error: Exception) -> None:
        """Answer with `error` all that are not answered yet."""
        left = [pending for pending in group if not pending.future.done()]
        if left and self._closing.is_set():
            self._all_written = False
        self._waiting.release(left)
        for pending in left:
            pending.future.set_exception(error)

    def _write_ledger(self, every_seconds: float) -> None:
        now_seconds = time.monotonic()
        if now_seconds - self._ledger_at_seconds < every_seconds:
            return
        self._ledger_at_seconds = now_seconds
        self._note_faults()
        losses = self._tally.take()
        if not losses:
            return
        try:
            self._opened().count_losses(losses)
        except Exception as error:
            self._tally.add(losses)
            if not isinstance(error, FlujoOtelError):
                guard.report("counting losses", error)

    def _note_faults(self) -> None:
        """Those of this whole process: of receiving, passing on and forwarding too."""
        faults = Counter(guard.faults())
        more, self._faults = faults - self._faults, faults
        command, now_ns = process.current().command, time.time_ns()
        self._tally.add(
            Loss(command, "fault", what, count, now_ns, now_ns) for what, count in more.items()
        )


def _merged(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    resources = {r.resource_id: r for batch in batches for r in batch.resources}
    scopes = {s.scope_id: s for batch in batches for s in batch.scopes}
    records = list(chain.from_iterable(batch.records for batch in batches))
    return Batch(records, tuple(resources.values()), tuple(scopes.values()))


def _faults(batch: Batch, error: Exception) -> Iterator[Loss]:
    services, now_ns = _services(batch), time.time_ns()
    for resource_id, count in Counter(record.resource_id for record in batch.records).items():
        detail = type(error).__name__
        yield Loss(services[resource_id], "internal_error", detail, count, now_ns, now_ns)


def _services(batch: Batch) -> dict[int, str]:
    return {
        resource.resource_id: str(json.loads(resource.attributes).get("service.name") or "")
        for resource in batch.resources
    }
