"""Taking runs out of one file of ours, beside whoever writes to it."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from flujo_otel.errors import StoreUnavailable
from flujo_otel.spanstore.sqlite.checkpoint import Checkpointer, Turns
from flujo_otel.spanstore.sqlite.connection import transaction

_SPANS_AT_ONCE: Final = 2000
"""Deleted in 40 ms: all writers wait meanwhile."""
_PAGES_AT_ONCE: Final = 1000
"""Given back in 10 ms."""
_ROW_BYTES: Final = 4096
"""A deleted row costs the WAL about a page: its neighbours are in other indexes' pages."""

# The latest first, so that what is left at any time has its parents.
_SPANS: Final = "SELECT rowid FROM spans WHERE run_id = ? ORDER BY start_time DESC, rowid DESC"
_CHOSEN: Final = """
    SELECT span_id FROM spans
    WHERE rowid IN (SELECT value FROM json_each(:rowids)) AND run_id = :run_id
"""
# Cost and tokens stay those of the whole run: that is what it did cost.
_DELETE_SPANS: Final = (
    # Children by a slow clock, and another run's spans, which stay.
    f"""
    UPDATE spans SET parent_span_id = NULL
    WHERE parent_span_id IN ({_CHOSEN}) AND span_id NOT IN ({_CHOSEN})
    """,
    f"""
    UPDATE runs SET (span_count, error_count, running_count) = (
        SELECT runs.span_count - COUNT(*), runs.error_count - TOTAL(status = 'failed'),
            runs.running_count - TOTAL(status = 'running')
        FROM spans WHERE span_id IN ({_CHOSEN})
    )
    WHERE run_id = :run_id
    """,
    f"DELETE FROM steps WHERE run_id = :run_id AND span_id IN ({_CHOSEN})",
    f"DELETE FROM spans WHERE span_id IN ({_CHOSEN})",
)
_DELETE_RUN: Final = (
    """
    UPDATE spans SET parent_span_id = NULL
    WHERE run_id <> :run_id
        AND parent_span_id IN (SELECT span_id FROM spans WHERE run_id = :run_id)
    """,
    *(
        f"DELETE FROM {table} WHERE run_id = :run_id"
        for table in (
            "run_traces",
            "trees",
            "workflow_state",
            "workflow_history",
            "evaluations",
            "steps",
            "spans",
            "runs",
        )
    ),
)


class Deletion:
    """Writes in turn with the others, and keeps the write-ahead log short. Every method raises
    StoreUnavailable."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, has_others: bool) -> None:
        """`has_others`: other processes write to the file."""
        self._path = path
        self._connection = connection
        self._turns = Turns(path)
        self._checkpointer = Checkpointer(path, self._turns)
        self._has_others = has_others

    def delete(self, run_id: str) -> bool:
        """Delete a run, a large one in portions and its row last: what is left of it where that is
        interrupted is a run with fewer spans. Whether there was one."""
        with self._errors():
            rowids = [rowid for (rowid,) in self._connection.execute(_SPANS, (run_id,))]
        for start in range(0, len(rowids) - _SPANS_AT_ONCE, _SPANS_AT_ONCE):
            chosen = json.dumps(rowids[start : start + _SPANS_AT_ONCE])
            self._execute(_DELETE_SPANS, {"run_id": run_id, "rowids": chosen})
        return self._execute(_DELETE_RUN, {"run_id": run_id}) > 0

    def give_back(self) -> None:
        """Make the file smaller by the pages that are free, and its write-ahead log empty."""
        with self._errors():
            [pages] = self._connection.execute("PRAGMA freelist_count").fetchone()
        # Not until there are none: others may free pages as fast.
        for _ in range(0, pages, _PAGES_AT_ONCE):
            with self._writing():
                # execute() takes one step of it, which is one page.
                self._connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
        self._checkpointer.empty(self._connection)

    def close(self) -> None:
        """Let go of the lock file."""
        self._turns.close()

    def _execute(self, statements: tuple[str, ...], values: Mapping[str, Any]) -> int:
        """One transaction; how many rows the last of `statements` changed."""
        with self._writing(), transaction(self._connection):
            for statement in statements:
                count = self._connection.execute(statement, values).rowcount
        return count

    @contextmanager
    def _writing(self) -> Iterator[None]:
        began, before = time.monotonic(), self._connection.total_changes
        with self._errors(), self._turns.writing():
            yield
        changed_bytes = (self._connection.total_changes - before) * _ROW_BYTES
        self._checkpointer.wrote(self._connection, changed_bytes)
        if self._has_others:
            # As long as they had to wait. Without, one transaction followed the other so closely
            # that a busy program's writer never got in between, and its queue filled.
            time.sleep(time.monotonic() - began)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"{self._path}: {error}.") from error
