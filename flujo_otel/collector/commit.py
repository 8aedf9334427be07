"""Group commit: one thread writes, and whatever waits is written together.

A request is answered when its spans are committed, so many clients wait at once, and what waits
costs the database one set of transactions instead of one each; where much comes, requests are
committed as they came, and become rows together later (`overflow.py`). Memory is bounded: above the
bound requests are refused and told when to try again. Where the database takes no writes, what is
accepted is tried again until each request's time is up; then its client hears that it is not
stored, and sends it again. Nothing is acknowledged that is not committed, nothing accepted is
dropped in silence.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Final, NamedTuple

from flujo_otel import guard, process
from flujo_otel.collector.answers import stopping
from flujo_otel.collector.batches import faults_of, losses_of, reasons_of
from flujo_otel.collector.loss_tally import LossTally
from flujo_otel.collector.overflow import Overflow
from flujo_otel.collector.received import Received
from flujo_otel.collector.waiting import Pending, Waiting
from flujo_otel.errors import FlujoOtelError, Overloaded, StoreUnavailable
from flujo_otel.model import Loss
from flujo_otel.quiet import suppress_in_this_thread
from flujo_otel.spanstore.api import Rejected
from flujo_otel.spanstore.backlog import CollectorStore
from flujo_otel.wire.otlp import Decoded
from flujo_otel.wire.partial_success import PartialSuccess

PATIENCE_SECONDS: Final = 6.0
"""How long a request waits for a database that takes no writes. With the attempt and the rest that
are under way then it is answered within 8 s: OTLP clients give up after 10."""
SPANS_PER_GROUP: Final = 8000
"""Written in one go; more waits its turn, so that the first clients need not wait for the last."""
RECORD_BYTES: Final = 700
WIRE_FACTOR: Final = 7
"""What a decoded span takes: so much, and so many times its bytes on the wire. Measured: 640 bytes
and twice the wire for usual text; at worst, for text of control characters, seven times."""
_RETRY_SECONDS: Final = 0.05
_LONGEST_RETRY_SECONDS: Final = 1.0
_LEDGER_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 0.5
"""Of a stop, for the ledger."""
_BUSY_RETRY_AFTER_SECONDS: Final = 1.0
_DOWN_RETRY_AFTER_SECONDS: Final = 5.0


class SpanCounts(NamedTuple):
    """Spans since the start."""

    received: int = 0
    stored: int = 0
    rejected: int = 0
    to_unpack: int = 0
    """Not rows yet, of those that are stored and of those that a collector before had stored;
    without those that share a pour, within a second."""


class GroupCommit:
    """Starts its thread at once; `close` ends it.

    `open_store`: called on that thread. Its writer should wait for a lock a second or so at a time.
    `queue_bytes`: bound on what waits, as it is in memory.
    """

    def __init__(
        self,
        open_store: Callable[[], CollectorStore],
        queue_bytes: int,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.unavailable: Exception | None = None
        """Why the last attempt to write failed; None: it did not."""
        self._open_store = open_store
        self._patience_seconds = patience_seconds
        self._store: CollectorStore | None = None
        self._overflow: Overflow | None = None
        self._waiting = Waiting(queue_bytes, SPANS_PER_GROUP)
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

    def submit(
        self, decoded: Decoded, size_bytes: int, received: Received | None = None
    ) -> "Future[PartialSuccess]":
        """Have `decoded`, from a body of `size_bytes`, committed; the future says when it is.
        `received`, if it is given, says the same and may be committed instead.

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
            received,
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
        to_unpack = 0 if self._overflow is None else self._overflow.to_unpack
        with self._counting:
            return SpanCounts(**self._counts, to_unpack=to_unpack)

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
        with suppress(FlujoOtelError):  # whoever sends first hears of it
            self._opened()
        while not self._waiting.is_over:
            if self._step():
                retry_seconds = _RETRY_SECONDS
                continue
            # Once it is closing there is nobody to wait for, but a loop needs its rest.
            if self._closing.wait(retry_seconds):
                time.sleep(_RETRY_SECONDS)
            retry_seconds = min(2 * retry_seconds, _LONGEST_RETRY_SECONDS)
        overflow = self._overflow
        if overflow is not None and overflow.is_sharing:
            self._make_rows(overflow.pour)
        while self.counts.to_unpack and time.monotonic() < self._ends_at_seconds - _LAST_SECONDS:
            if not self._unpack():
                break  # what is left is for the next collector
        self._write_ledger(every_seconds=0)
        if self._store is not None:
            self._store.close()

    def _step(self) -> bool:
        """Write what waits; False where the database takes no writes."""
        self._group = self._taken()
        try:
            if self._group:
                self._write(self._group)
        except StoreUnavailable as error:
            self.unavailable = error
            self._put_back([pending for pending in self._group if not pending.future.done()], error)
            return False
        except Exception as error:
            # Not of the write, which has its own: it may be committed, so to send it again, which
            # doubles nothing, is the thing to do.
            guard.report("answering requests", error)
            self._fail(self._group, StoreUnavailable("The answer failed; send it again."))
        written = sum(len(pending.decoded.batch.records) for pending in self._group)
        was_quiet, self._group = not self._group, []
        if self._overflow is None:
            # Nobody may send for hours, and what another collector left waits to be unpacked.
            with suppress(FlujoOtelError):
                self._opened()
        self._write_ledger(every_seconds=_LEDGER_SECONDS)
        overflow = self._overflow
        if overflow is None:
            return True
        if overflow.is_pour_due and not self._make_rows(overflow.pour):
            return False
        if overflow.to_unpack and (was_quiet or not overflow.is_overflowing):
            # What came last waits no less than what came first.
            return self._unpack(max(1, min(written, SPANS_PER_GROUP)))
        return True

    def _taken(self) -> list[Pending]:
        """What to write next; nothing where there is something else to do."""
        overflow = self._overflow
        wait_seconds = None if overflow is None else overflow.wait_seconds
        return self._waiting.take(_LEDGER_SECONDS if wait_seconds is None else wait_seconds)

    def _unpack(self, least_spans: int = 1) -> bool:
        """So much or a little more of what was kept; False where the database takes no writes."""
        assert self._overflow is not None
        enough = max(self._overflow.to_unpack - least_spans, 0)
        while self._overflow.to_unpack > enough:
            if not self._make_rows(self._overflow.unpack):
                return False
        return True

    def _make_rows(self, of_what_is_kept: Callable[[], int]) -> bool:
        """False where the database takes no writes."""
        try:
            rejected = of_what_is_kept()
        except Exception as error:
            self.unavailable = error
            if not isinstance(error, FlujoOtelError):
                guard.report("unpacking", error)
            return False
        self.unavailable = None
        self._count(stored=-rejected, rejected=rejected)
        return True

    def _write(self, group: Sequence[Pending]) -> None:
        try:
            rejected = self._opened().write(group)
        except StoreUnavailable:
            raise
        except FlujoOtelError as error:  # another program's file: that will not pass
            self._refuse(group, error)
        except Exception as error:
            if len(group) == 1:
                guard.report("writing spans", error)
                self._tally.add(faults_of(group[0].decoded.batch, error))
                self._refuse(group, error)
                return
            # A fault of ours, met with nobody knows whose spans: each request by itself.
            for pending in group:
                self._write([pending])
        else:
            self.unavailable = None
            self._settle(group, rejected)

    def _opened(self) -> Overflow:
        if self._store is None:
            self._store = self._open_store()
        if self._overflow is None:
            self._overflow = Overflow(self._store, self._tally.add)
        return self._overflow

    def _settle(self, group: Sequence[Pending], rejected: Sequence[Rejected]) -> None:
        reasons = reasons_of(rejected)
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
        self._tally.add(losses_of(decoded.batch, reasons))
        by_reason = Counter(
            reasons[id(record)] for record in decoded.batch.records if id(record) in reasons
        )
        return decoded.partial_success.and_of(PartialSuccess(by_reason))

    def _refuse(self, group: Sequence[Pending], error: Exception) -> None:
        self.unavailable = error
        self._fail(group, error)

    def _put_back(self, group: Sequence[Pending], error: StoreUnavailable) -> None:
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
