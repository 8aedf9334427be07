"""RunLog on SQLite."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from flujo_otel.model import Batch, RunStatus, SpanRecord
from flujo_otel.model.record import LAST_TIME_NS
from flujo_otel.settings import Durable
from flujo_otel.spanstore.runlog import (
    RunEnd,
    RunFacts,
    RunStart,
    SpanGroup,
    SpanRow,
    StepResult,
)
from flujo_otel.spanstore.sqlite import faults
from flujo_otel.spanstore.sqlite.connection import read_once, transaction
from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
from flujo_otel.spanstore.sqlite.opened import open_database
from flujo_otel.spanstore.sqlite.staging import pours, stage
from flujo_otel.spanstore.sqlite.standing_connection import StandingConnection
from flujo_otel.spanstore.sqlite.statelog import SQLiteStateLog
from flujo_otel.spanstore.sqlite.writer import describe, pour

STATED: Final = LAST_TIME_NS + 1
"""`runs.root_start_ns` of a run whose row was handed in: later than any root, so that none of its
spans, not even a root, changes its name, status and times."""

_SAVE_START: Final = "INSERT INTO started_run VALUES (?, ?, ?, ?, ?, ?, ?)"
_SAVE_STEP: Final = f"INSERT INTO stated_step VALUES ({', '.join('?' * 16)})"
_ADD_STEP: Final = f"""
    INSERT INTO stated_step SELECT {", ".join("?" * 16)}
    WHERE NOT EXISTS (
        SELECT 1 FROM steps
        WHERE step_run_id = ? AND (span_id IS NULL OR status <> 'running')
    )
"""
_SAVE_END: Final = f"INSERT INTO ended_run VALUES ({', '.join('?' * 10)})"

_TREE: Final = "SELECT span_id FROM spans WHERE run_id = :run_id AND scope_id = :scope_id"
_FORGET_TREE: Final = (
    f"""
    UPDATE runs
    SET span_count = span_count - t.spans, error_count = error_count - t.errors,
        running_count = running_count - t.running
    FROM (
        SELECT COUNT(*) AS spans, COALESCE(SUM(status = 'failed'), 0) AS errors,
            COALESCE(SUM(status = 'running'), 0) AS running
        FROM spans WHERE span_id IN ({_TREE})
    ) t
    WHERE runs.run_id = :run_id
    """,
    "DELETE FROM spans WHERE run_id = :run_id AND scope_id = :scope_id",
    "DELETE FROM trees WHERE run_id = :run_id",
)
_IS_TRACED: Final = f"""
    SELECT 1 FROM runs
    WHERE run_id = :run_id AND root_start_ns <> {STATED}
        AND run_id NOT IN (SELECT run_id FROM trees)
"""
_ENDED: Final = f"""
    SELECT status, end_time_ns FROM runs
    WHERE run_id = :run_id AND root_start_ns = {STATED} AND end_time_ns IS NOT NULL
        AND status <> 'running'
"""
_KEEP_STATED: Final = f"""
    UPDATE staged SET role = 0
    WHERE run_id IN (SELECT run_id FROM runs WHERE root_start_ns = {STATED})
"""
_NOTE_TREE: Final = "INSERT OR IGNORE INTO trees VALUES (:run_id)"

_RUNS: Final = """
    SELECT runs.run_id, runs.pipeline_name, runs.pipeline_version, runs.status, start_time,
        end_time, total_cost, {context}, runs.execution_time_ms, runs.memory_usage_mb,
        runs.total_steps, runs.error_message, workflow_state.metadata
    FROM runs LEFT JOIN workflow_state USING (run_id)
"""
_RUN: Final = _RUNS.format(context="final_context_blob") + "WHERE runs.run_id = ?"
_LIST: Final = (
    _RUNS.format(context="NULL")
    + """
    WHERE (:status IS NULL OR runs.status = :status)
        AND (:pipeline_name IS NULL OR runs.pipeline_name = :pipeline_name)
    ORDER BY start_time_ns DESC, runs.rowid DESC
    LIMIT COALESCE(:limit, -1) OFFSET :offset
"""
)
_STEPS: Final = """
    SELECT step_name, step_index, status, start_time, end_time, duration_ms, cost, tokens,
        input_blob, output_blob, error_blob, raw_response_blob
    FROM steps WHERE run_id = ? ORDER BY step_index, rowid
"""
_SPANS: Final = """
    SELECT trace_id, otel_span_id, otel_parent_id, name, start_time_ns, end_time_ns, status,
        attributes
    FROM spans
    WHERE run_id = :run_id
        AND (:status IS NULL OR +status = :status)
        AND (:name IS NULL OR +name = :name)
    ORDER BY start_time_ns, rowid
"""
# The REAL column has the index, and the integers are exact where the window ends.
_GROUPS: Final = """
    SELECT s.name, s.status, COUNT(*), SUM(s.end_time_ns - s.start_time_ns)
    FROM spans s JOIN runs r ON r.run_id = s.run_id
    WHERE s.end_time_ns IS NOT NULL
        {window}
        AND (:pipeline IS NULL OR r.pipeline_name = :pipeline)
    GROUP BY s.name, s.status
    ORDER BY MIN(s.rowid)
"""
_SINCE: Final = "AND s.start_time >= :since_ns / 1e9 - 1e-6 AND s.start_time_ns >= :since_ns"
_UNTIL: Final = "AND s.start_time <= :until_ns / 1e9 + 1e-6 AND s.start_time_ns <= :until_ns"


class SQLiteRunLog:
    """Small writes go over one connection that stays open, but not across a fork; what is large or
    only read opens the file for the call. `flujo_path`: flujo's own file, read for its states."""

    def __init__(
        self, path: Path, *, durable: Durable = "normal", flujo_path: Path | None = None
    ) -> None:
        self._path = path
        self._durable = durable
        self._connection = StandingConnection(path, durable)
        self.states = SQLiteStateLog(path, self._connection, flujo_path)

    def save_run_start(self, start: RunStart, *, wait: bool = True) -> None:
        """See `runlog.RunLog.save_run_start`."""

        def save(connection: sqlite3.Connection, writer_id: int) -> None:
            # With who writes, so that the run is shown as died should this process end before it.
            connection.execute(_SAVE_START, (*start, writer_id))

        self._connection.write(save, 0, wait=wait)

    def save_run_end(self, run_id: str, end: RunEnd, *, wait: bool = True) -> None:
        """See `runlog.RunLog.save_run_end`."""
        self._insert(_SAVE_END, (run_id, *end), len(end.final_context), wait=wait)

    def save_step_result(self, step: StepResult, *, wait: bool = True) -> None:
        """See `runlog.RunLog.save_step_result`."""
        self._insert(_SAVE_STEP, _values(step), len(step.input) + len(step.output), wait=wait)

    def save_step_results(self, steps: Sequence[StepResult]) -> None:
        """See `runlog.RunLog.save_step_results`."""
        self._insert_all(_SAVE_STEP, [_values(step) for step in steps])

    def add_missing_steps(self, steps: Sequence[StepResult]) -> None:
        """See `runlog.RunLog.add_missing_steps`."""
        self._insert_all(_ADD_STEP, [(*_values(step), step.step_run_id) for step in steps])

    def replace_tree(self, run_id: str, tree: Batch, *, keep: bool = False) -> None:
        """See `runlog.RunLog.replace_tree`."""
        values = {"run_id": run_id, "scope_id": tree.scopes[0].scope_id}
        with faults.using(self._path), closing(open_database(self._path, self._durable)) as opened:
            describe(opened, tree.resources, tree.scopes)
            connection = opened.connection
            with opened.turns.writing(), transaction(connection):
                if connection.execute(_IS_TRACED, values).fetchone():
                    return
                for statement in () if keep else _FORGET_TREE:
                    connection.execute(statement, values)
                ended = connection.execute(_ENDED, values).fetchone()
                for records in pours([_closed(record, ended) for record in tree.records]):
                    stage(connection, records)
                    connection.execute(_KEEP_STATED)
                    pour(opened, records)
                connection.execute(_NOTE_TREE, values)
            opened.checkpointer.wrote_once(connection)

    def run(self, run_id: str) -> RunFacts | None:
        """See `runlog.RunLog.run`."""
        rows = self._read(_RUN, (run_id,))
        return RunFacts(*rows[0]) if rows else None

    def runs(
        self,
        status: str | None,
        pipeline_name: str | None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[RunFacts]:
        """See `runlog.RunLog.runs`."""
        which = {"status": status, "pipeline_name": pipeline_name}
        part = {"limit": limit, "offset": offset}
        return [RunFacts(*row) for row in self._read(_LIST, which | part)]

    def steps(self, run_id: str) -> list[Sequence[Any]]:
        """See `runlog.RunLog.steps`."""
        return self._read(_STEPS, (run_id,))

    def spans(self, run_id: str, status: str | None, name: str | None) -> list[SpanRow]:
        """See `runlog.RunLog.spans`."""
        rows = self._read(_SPANS, {"run_id": run_id, "status": status, "name": name})
        return [SpanRow(*row) for row in rows]

    def span_groups(
        self, pipeline: str | None, since_ns: int | None, until_ns: int | None
    ) -> list[SpanGroup]:
        """See `runlog.RunLog.span_groups`."""
        values = {"pipeline": pipeline, "since_ns": since_ns, "until_ns": until_ns}
        window = " ".join(
            bound
            for bound, time_ns in ((_SINCE, since_ns), (_UNTIL, until_ns))
            if time_ns is not None
        )
        return [SpanGroup(*row) for row in self._read(_GROUPS.format(window=window), values)]

    def delete_run(self, run_id: str) -> bool:
        """See `runlog.RunLog.delete_run`."""
        if not self._path.exists():
            return False
        [deleted] = SQLiteMaintenance(self._path).delete_runs([run_id])
        return deleted.was_there

    def close(self) -> None:
        """See `runlog.RunLog.close`."""
        self._connection.close()

    def _insert(
        self, statement: str, values: Sequence[Any], size_bytes: int, *, wait: bool
    ) -> None:
        self._connection.write(lambda c, _: c.execute(statement, values), size_bytes, wait=wait)

    def _insert_all(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        def insert(connection: sqlite3.Connection, _: int) -> None:
            with transaction(connection):
                for values in rows:
                    connection.execute(statement, values)

        size_bytes = sum(len(value) for row in rows for value in row if isinstance(value, str))
        self._connection.write(insert, size_bytes, wait=True)

    def _read(self, query: str, values: Any) -> list[Any]:
        return read_once(self._path, query, values)


def _closed(record: SpanRecord, ended: tuple[str, int] | None) -> SpanRecord:
    """What is open in the tree of a run that has ended, ended with it. See runlog.sql."""
    if ended is None or record.status != RunStatus.RUNNING:
        return record
    status, end_time_ns = ended
    known = (RunStatus.COMPLETED, RunStatus.PAUSED)
    return record._replace(
        status=status if status in known else RunStatus.FAILED.value,
        end_time_ns=max(record.start_time_ns, end_time_ns),
    )


def _values(step: StepResult) -> tuple[Any, ...]:
    *facts, start_time_ns, end_time_ns, raw_response = step
    return (*facts, raw_response, start_time_ns, end_time_ns)
