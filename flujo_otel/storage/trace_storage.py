"""SQLiteStorage: X-Ray's storage over our store."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from flujo_otel.errors import MalformedTrace
from flujo_otel.model import Loss, SpanRecord
from flujo_otel.settings import load
from flujo_otel.spanstore.factory import open_trace_log
from flujo_otel.storage.event_loop import checked
from flujo_otel.storage.keepable import check
from flujo_otel.storage.storage_backend import StorageBackend
from flujo_otel.storage.trace_spans import (
    batch_of,
    statuses_of,
    step_record,
    trace_of,
    trace_record,
)
from flujo_otel.storage.traces import Step, Trace
from flujo_otel.wire.values import clean_text

MEMORY: Final = ":memory:"
_ALL: Final = 1 << 62


class SQLiteStorage(StorageBackend):
    """Traces in our own file, as spans like everybody's; any run of the file is read as a Trace.

    `path`: a path or a `sqlite:///` URI; ":memory:": a database of this object's own, gone with it;
    None: as the settings say (docs/database.md). What a method wrote is committed when it returns.
    May be used from any thread. Methods raise MalformedTrace for what cannot be stored and for an
    id that is no text, StoreUnavailable (retryable) and ForeignDatabase.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        in_memory = path == MEMORY
        settings = load(db=None if in_memory else path)
        self._log = open_trace_log(settings=settings, in_memory=in_memory)

    @property
    def conn(self) -> sqlite3.Connection:
        """A connection on which `traces` and `steps` are X-Ray's tables. `DELETE FROM traces` takes
        a trace's steps and spans along; inserts and updates are refused. Each statement is
        committed at once."""
        return self._log.connection

    def save_trace(self, trace: Trace) -> None:
        """Add or replace the trace, and those of its steps that no `with` of the SDK saves."""
        steps = [each for each in trace.steps if each._span is None or not each._span.is_managed]
        records = [checked(lambda: _trace_record(trace))]
        records += [checked(partial(_step_record, step)) for step in steps]
        self._log.write(batch_of(records))

    def save_step(self, step: Step) -> None:
        """Add or replace the step; its trace may come later."""
        self._log.write(batch_of([checked(lambda: _step_record(step))]))

    def get_trace(self, trace_id: str) -> Trace | None:
        """The trace, with its steps in order of step_order; None where there is none."""
        if not isinstance(trace_id, str):
            raise MalformedTrace(f"trace_id is {trace_id!r}; it must be text.")
        found = self._log.read(clean_text(trace_id))
        return None if found is None else trace_of(*found)

    def get_all_traces(self, limit: int = 100, status: str | None = None) -> list[Trace]:
        """The newest `limit` traces, newest first; a negative limit is none. `status`: "running"
        (a paused run's too), "completed" or "failed" (also of a run whose process died)."""
        statuses = None if status is None else statuses_of(status)
        found = self._log.newest(limit if 0 <= limit < _ALL else _ALL, statuses)
        return [trace_of(*each) for each in found]

    def count_losses(self, losses: Sequence[Loss]) -> None:
        """Add to the ledger that `lens doctor` shows."""
        self._log.count_losses(losses)

    def close(self) -> None:
        """Let go of the database. A file is opened again by the next call; what is in memory is
        gone."""
        self._log.close()


def _trace_record(trace: Trace) -> SpanRecord:
    check(trace)
    return trace_record(trace)


def _step_record(step: Step) -> SpanRecord:
    check(step)
    return step_record(step)
