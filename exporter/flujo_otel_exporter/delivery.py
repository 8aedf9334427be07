"""From the intake into the store, a batch at a time; a batch is kept until it is committed."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from threading import Lock
from typing import Final, NamedTuple, Protocol

from opentelemetry.trace import format_span_id

from flujo_otel import guard
from flujo_otel.errors import FlujoOtelError, StoreUnavailable, StoreUnopenable
from flujo_otel.model import Batch
from flujo_otel.spanstore.api import SpanWriter, WriteResult
from flujo_otel.wire.sdk import to_batch
from flujo_otel.wire.span_snapshot import SpanSnapshot
from flujo_otel_exporter.intake import Intake
from flujo_otel_exporter.limits import BATCH_BYTES, Limits
from flujo_otel_exporter.losses import LossCounter, service_of, service_of_record
from flujo_otel_exporter.pace import Pace

_BEAT_SECONDS: Final = 1.0


class Source(Protocol):
    """Who knows of spans that are still open."""

    def collect(self) -> Iterator[SpanSnapshot]:
        """Open spans that were not written as running yet. Called by the writer, at a flush."""
        ...

    @property
    def has_open(self) -> bool:
        """Whether any span is open just now."""
        ...

    def start_over(self) -> None:
        """In a forked child: the open spans are the parent's."""
        ...


class _Held(NamedTuple):
    """A batch on its way, and what its spans count for in the intake."""

    batch: Batch
    intake_bytes: int


class Delivery:
    """Used by one thread at a time: the one that holds the writer's `_step_lock`."""

    def __init__(
        self,
        intake: Intake,
        losses: LossCounter,
        limits: Limits,
        open_store: Callable[[], SpanWriter],
    ) -> None:
        self._intake = intake
        self._losses = losses
        self._limits = limits
        self._open_store = open_store
        self._store: SpanWriter | None = None
        self.door = Lock()
        """Held while the store is used, so that a fork need not wait for more than that."""
        self._held: _Held | None = None
        """The batch that was taken from the intake and is not committed yet."""
        self._running: Iterator[SpanSnapshot] | None = None
        """Open spans that are still to be written as running, before anything else is taken."""
        self._sources: list[Source] = []
        self._beaten_seconds = 0.0
        self._gave_up = False
        """A whole batch was lost since the last flush, which is then not true."""
        self.unavailable: StoreUnavailable | None = None
        """Why the last batch could not be written."""
        self._is_interrupted = False
        """Whoever forks had the write under way given up."""
        self._was_open = False
        self.opens_for_losses = False
        """Somebody counted what never became a span: worth opening, and making, a database for."""
        self.pace = Pace(intake)

    def collect(self, sources: Iterable[Source]) -> None:
        """Have the open spans written as running, once those of the last time are through."""
        self._sources = list(sources)
        if self._running is None:
            self._running = chain.from_iterable(source.collect() for source in self._sources)

    def step(self) -> bool:
        """Commit one batch; False where nothing is left.

        Raises StoreUnavailable: nothing is lost, the same batch is next.
        """
        if self._held is None:
            self._load()
        if self._held is not None:
            self._commit(self._held)
            return True
        self._report_losses()
        # Cleared first: whoever waits may at once ask for more.
        gave_up, self._gave_up = self._gave_up, False
        self._intake.pass_markers(committed=not gave_up)
        self._beat()
        return bool(self._intake)

    def give_up_waiting(self) -> None:
        """The process ends before all that waits can be written: say in the ledger how much of it
        is lost, then let nobody wait for it any more. Raises StoreUnavailable."""
        if self._held is not None:
            self._commit(self._held)
        for span in self._intake.waiting():
            self._losses.count(service_of(span.resource), "terminated")
        try:
            self._report_losses()
        finally:
            self._intake.clear()

    def close(self) -> None:
        """Let go of the database; the next `step` opens it again. The caller holds `door`."""
        if self._store is not None:
            self._store.close()

    def interrupt(self) -> None:
        """From any thread: have a write under way give up; the same batch is next. Not where the
        store takes none at present: then there is nothing to be gained."""
        if self._store is not None and self.unavailable is None:
            self._is_interrupted = True
            self._store.interrupt()

    @property
    def store(self) -> SpanWriter | None:
        """What is open, or was."""
        return self._store

    @property
    def cannot_open(self) -> bool:
        """Whether the file was never open here, for a reason that is no lock and no full disk."""
        return not self._was_open and isinstance(self.unavailable, StoreUnopenable)

    def count_held(self) -> int:
        """Spans that are accepted, or were seen running, and are not committed."""
        records = self._held.batch.records if self._held is not None else ()
        held = {record.otel_span_id for record in records}
        return len(held.union(format_span_id(s.context.span_id) for s in self._intake.waiting()))

    def _load(self) -> None:
        """Hold the next batch, if there is anything: what runs first, then what has ended."""
        # The list lives until all is converted: to_batch knows a resource by its identity.
        running, taken = list(self._running_spans()), []
        size_bytes = sum(span.size_bytes for span in running)
        intake_bytes = 0
        if self._running is None:
            for span in self._intake.take():
                taken.append(span)
                intake_bytes += span.size_bytes
                if len(running) + len(taken) >= self._limits.batch_spans:
                    break
                if size_bytes + intake_bytes >= BATCH_BYTES:
                    break
        if running or taken:
            batch = to_batch(self.pace.paced(running + taken), self._refuse)
            self._held = _Held(batch, intake_bytes)

    def _running_spans(self) -> Iterator[SpanSnapshot]:
        """Of the open spans still to be written, as many as one batch takes."""
        count = size_bytes = 0
        for span in self._running or ():
            yield span
            count, size_bytes = count + 1, size_bytes + span.size_bytes
            if count >= self._limits.batch_spans or size_bytes >= BATCH_BYTES:
                return
        self._running = None

    def _commit(self, held: _Held) -> None:
        try:
            with self.door:
                result = self._opened().write(held.batch)
        except StoreUnavailable as error:
            if self._is_interrupted:
                self._is_interrupted = False
                return
            self.unavailable = error
            self._intake.stall()
            if self.cannot_open:
                self._intake.give_up_markers()
            raise
        except Exception as error:
            self._settle(held)
            self._give_up(held.batch, error)
        else:
            self._is_interrupted = False
            self.unavailable, self._was_open = None, True
            self._settle(held)
            self._count_rejected(held.batch, result)

    def _settle(self, held: _Held) -> None:
        self._held = None
        self._intake.release(held.intake_bytes)

    def _count_rejected(self, batch: Batch, result: WriteResult) -> None:
        for rejected in result.rejected:
            service = service_of_record(rejected.record, batch)
            self._losses.count(service, "rejected", rejected.reason)

    def _refuse(self, span: SpanSnapshot, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self._losses.count(service_of(span.resource), "rejected", reason)

    def _give_up(self, batch: Batch, error: Exception) -> None:
        """Count what will never be stored."""
        self._gave_up = True
        # Trying again is for StoreUnavailable alone; another program's file stays what it is.
        reason = "refused" if isinstance(error, FlujoOtelError) else "internal_error"
        for record in batch.records:
            self._losses.count(service_of_record(record, batch), reason, type(error).__name__)
        if not guard.report("writing spans", error):
            raise error

    def _beat(self) -> None:
        """While spans are open and nothing is written, say now and then that the process lives."""
        now = time.monotonic()
        if self._store is None or now - self._beaten_seconds < _BEAT_SECONDS:
            return
        if any(source.has_open for source in self._sources):
            self._beaten_seconds = now
            with suppress(StoreUnavailable), self.door:
                self._store.beat()

    def _report_losses(self) -> None:
        losses = self._losses.unreported()
        if not losses or (self._store is None and not self.opens_for_losses):
            return
        try:
            with self.door:
                self._opened().count_losses(losses)
        except StoreUnavailable:
            raise
        except Exception as error:
            if not guard.report("counting losses", error):
                raise
        else:
            self._losses.reported(losses)

    def _opened(self) -> SpanWriter:
        if self._store is None:
            try:
                self._store = self._open_store()
            except OSError as error:  # no file to be had for the modules that it takes: it passes
                raise StoreUnavailable(f"No database can be opened just now: {error}.") from error
        return self._store
