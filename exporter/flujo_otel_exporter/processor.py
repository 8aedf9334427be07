"""The live SpanProcessor: sees starts as well as ends, so that what runs can be shown."""

import time
from collections.abc import Iterator
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext

from flujo_otel import guard
from flujo_otel.semconv.flujo import RUN_ID
from flujo_otel.wire.span_snapshot import SpanSnapshot, span_snapshot
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.losses import service_of
from flujo_otel_exporter.writer import StoreWriter

MAX_OPEN: Final = 10_000
"""Beyond so many open spans, one more is not shown while it runs; its end is written as ever."""

_Key = tuple[int, int]
_Open = tuple[Span, str | None]
_SAMPLED: Final = 1


class LiveSpanProcessor(SpanProcessor):
    """Feeds `exporter`'s database with spans as they start and end.

    A span that is still open at a flush is written once as running; its end updates the same row. A
    span that starts and ends between two flushes is written once. That of one without a parent is
    not left to the next flush: a run is over, and somebody looks at it. None: the exporter that the
    settings name. Cost on the traced program's thread: that of the stock batch processor.

    No lock is taken and none is needed: each step on the map of open spans is one operation of a
    dict, whose keys are tuples of integers.
    """

    def __init__(self, exporter: SQLiteSpanExporter | None = None) -> None:
        self._writer = (exporter or SQLiteSpanExporter()).writer
        self._open: dict[_Key, _Open] = {}
        self._shown: set[_Key] = set()
        self._runs_before_fork: dict[_Key, str | None] = {}
        self._forked_time_ns = 0
        self._is_shut_down = False
        self._is_asleep = False
        """Shut down, or in a forked child where no span has begun yet."""
        self._put = self._writer.put
        self._writer.watch(self)

    @property
    def writer(self) -> StoreWriter:
        """The process's writer that this feeds."""
        return self._writer

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember `span` as open, with the run id that its living parent has."""
        try:
            context = span.context
            if self._is_asleep and not self._wake():
                return
            if context.trace_flags & _SAMPLED and len(self._open) < MAX_OPEN:
                parent = span.parent
                run_id = None if parent is None else self._run_of(parent)
                self._open[context[:2]] = span, run_id
        except Exception as error:
            if not guard.report("on_start", error):
                raise

    def on_end(self, span: ReadableSpan) -> None:
        """Queue `span`; see `StoreWriter.put` for a full queue."""
        try:
            context: SpanContext = span.context
            if not context.trace_flags & _SAMPLED:
                return
            if self._is_shut_down:
                self._writer.count_loss(service_of(span.resource), "shut_down", "", 1)
                return
            entry = self._open.pop(context[:2], None)
            if entry is not None:
                self._put(span, entry[1])
                if span.parent is None:
                    self._writer.hurry()
            elif (span.start_time or 0) >= self._forked_time_ns:
                self._put(span, None)
        except Exception as error:
            if not guard.report("on_end", error):
                raise

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True only if all ended spans, and the open ones as running, are committed in time."""
        with guard.guarded("force_flush"):
            return self._is_shut_down or self._writer.flush(timeout_millis / 1000)
        return False

    def shutdown(self) -> None:
        """Flush, and only count what comes after. The database's writer lives on for others."""
        if not self._is_shut_down:
            with guard.guarded("shutdown"):
                self._writer.settle()
            self._is_shut_down = self._is_asleep = True
            self._writer.forget(self)

    def collect(self) -> Iterator[SpanSnapshot]:
        """Open spans that were not written as running yet: for the writer, at a flush."""
        now = self._open.copy()
        fresh = [key for key in now if key not in self._shown]
        self._shown = set(now)
        del now
        for key in fresh:
            entry = self._open.get(key)
            if entry is not None:
                yield span_snapshot(*entry)

    @property
    def has_open(self) -> bool:
        """Whether any span is open just now: see `delivery.Source`."""
        return bool(self._open)

    def start_over(self) -> None:
        """In a forked child: what was open is the parent's and ends there; its run is ours too."""
        runs = {key: self._own_run(entry) for key, entry in self._open.items()}
        self._runs_before_fork = {**self._runs_before_fork, **runs}
        self._forked_time_ns = time.time_ns()
        self._open = {}
        self._shown = set()
        self._is_asleep = True

    def _wake(self) -> bool:
        """False where it was shut down. A forked child has no writer's thread, and what runs in it
        is to be shown as well."""
        if not self._is_shut_down:
            self._writer.wake()
            self._is_asleep = False
        return not self._is_asleep

    def _run_of(self, parent: SpanContext) -> str | None:
        entry = self._open.get(parent[:2])
        if entry is not None:
            return self._own_run(entry)
        return self._runs_before_fork.get(parent[:2]) if self._runs_before_fork else None

    @staticmethod
    def _own_run(entry: _Open) -> str | None:
        span, inherited = entry
        try:
            # The SDK's own mapping raises and catches KeyError on a miss: 1 us of the 3 there are.
            own = span._attributes._dict.get(RUN_ID)  # type: ignore[union-attr]
        except AttributeError:
            own = (span.attributes or {}).get(RUN_ID)
        return str(own) if own is not None else inherited
