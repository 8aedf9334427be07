"""RunLog on SQLite."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from flujo_otel import process
from flujo_otel.errors import NoDatabase, StoreUnavailable
from flujo_otel.model import Batch
from flujo_otel.settings import Durable
from flujo_otel.spanstore.runlog import RunEnd, RunStart, SpanGroup, SpanRow, StepResult
from flujo_otel.spanstore.sqlite.checkpoint import Checkpointer, Turns
from flujo_otel.spanstore.sqlite.connection import connect_for_reading, connect_for_writing
from flujo_otel.spanstore.sqlite.faults import damaged
from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
from flujo_otel.spanstore.sqlite.staging import pours, stage
from flujo_otel.spanstore.sqlite.writer import describe, open_database, pour
from flujo_otel.spanstore.sqlite.writers import register

STATED: Final = (1 << 63) - 1
"""`runs.root_start_ns` of a run whose row was handed in: later than any root, so that none of its
spans, not even a root, changes its name, status and times."""

_NEXT_CHANGE: Final = "UPDATE sequence SET value = value + 1"
_CHANGE: Final = "(SELECT value FROM sequence)"

_SAVE_START: Final = f"""
    INSERT INTO runs (
        run_id, pipeline_name, pipeline_version, status, start_time, start_time_ns, last_time_ns,
        root_start_ns, writer_id, change_seq
    )
    VALUES (
        :run_id, :pipeline_name, :pipeline_version, :status, :start_time, :start_time_ns,
        :start_time_ns, {STATED}, :writer_id, {_CHANGE}
    )
    ON CONFLICT (run_id) DO UPDATE SET
        pipeline_name = excluded.pipeline_name,
        pipeline_version = excluded.pipeline_version,
        status = excluded.status,
        start_time = excluded.start_time,
        start_time_ns = excluded.start_time_ns,
        end_time = NULL,
        end_time_ns = NULL,
        total_cost = NULL,
        final_context_blob = NULL,
        root_start_ns = excluded.root_start_ns,
        writer_id = excluded.writer_id,
        change_seq = excluded.change_seq
"""

_SAVE_END: Final = f"""
    UPDATE runs
    SET status = :status, end_time = :end_time, end_time_ns = :end_time_ns,
        last_time_ns = MAX(last_time_ns, :end_time_ns), total_cost = :total_cost,
        final_context_blob = :final_context, root_start_ns = {STATED}, change_seq = {_CHANGE}
    WHERE run_id = :run_id
"""

_SAVE_STEP: Final = """
    INSERT INTO steps (
        step_run_id, run_id, step_name, step_index, status, start_time, end_time, duration_ms, cost,
        tokens, input_blob, output_blob, error_blob, start_time_ns, end_time_ns
    )
    VALUES (
        :step_run_id, :run_id, :step_name, :step_index, :status, :start_time, :end_time,
        :duration_ms, :cost, :tokens, :input, :output, :error, :start_time_ns, :end_time_ns
    )
    ON CONFLICT (step_run_id) DO UPDATE SET
        run_id = excluded.run_id,
        step_name = excluded.step_name,
        step_index = excluded.step_index,
        status = excluded.status,
        start_time = excluded.start_time,
        end_time = excluded.end_time,
        duration_ms = excluded.duration_ms,
        cost = excluded.cost,
        tokens = excluded.tokens,
        input_blob = excluded.input_blob,
        output_blob = excluded.output_blob,
        error_blob = excluded.error_blob,
        start_time_ns = excluded.start_time_ns,
        end_time_ns = excluded.end_time_ns
"""
_TOUCH_RUN: Final = f"UPDATE runs SET change_seq = {_CHANGE} WHERE run_id = :run_id"

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
)

_RUN: Final = """
    SELECT run_id, pipeline_name, pipeline_version, status, start_time, end_time, total_cost,
        final_context_blob
    FROM runs WHERE run_id = ?
"""
_STEPS: Final = """
    SELECT step_name, step_index, status, start_time, end_time, duration_ms, cost, tokens,
        input_blob, output_blob, error_blob
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
    """Opens the file for each call: nothing of it is open when the process forks meanwhile."""

    def __init__(self, path: Path, *, durable: Durable = "normal") -> None:
        self._path = path
        self._durable = durable

    def save_run_start(self, start: RunStart) -> None:
        """See `runlog.RunLog.save_run_start`."""
        with self._writing() as connection:
            # So that the run is shown as died, should this process end before it.
            writer_id = register(connection, process.current())
            connection.execute(_NEXT_CHANGE)
            connection.execute(_SAVE_START, {**start._asdict(), "writer_id": writer_id})

    def save_run_end(self, run_id: str, end: RunEnd) -> None:
        """See `runlog.RunLog.save_run_end`."""
        self._write((_NEXT_CHANGE, _SAVE_END), {"run_id": run_id, **end._asdict()})

    def save_step_result(self, step: StepResult) -> None:
        """See `runlog.RunLog.save_step_result`."""
        self._write((_NEXT_CHANGE, _SAVE_STEP, _TOUCH_RUN), step._asdict())

    def replace_tree(self, run_id: str, tree: Batch) -> None:
        """See `runlog.RunLog.replace_tree`."""
        values = {"run_id": run_id, "scope_id": tree.scopes[0].scope_id}
        with self._available(), closing(open_database(self._path, self._durable)) as opened:
            describe(opened, tree.resources, tree.scopes)
            connection = opened.connection
            with opened.turns.writing(), _transaction(connection):
                for statement in _FORGET_TREE:
                    connection.execute(statement, values)
                for records in pours(tree.records):
                    stage(connection, records)
                    pour(opened, records)
            opened.checkpointer.wrote_once(connection)

    def run(self, run_id: str) -> Sequence[Any] | None:
        """See `runlog.RunLog.run`."""
        rows = self._read(_RUN, (run_id,))
        return rows[0] if rows else None

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
        return self._path.exists() and SQLiteMaintenance(self._path).delete_run(run_id)

    def _write(self, statements: Sequence[str], values: dict[str, Any]) -> None:
        with self._writing() as connection:
            for statement in statements:
                connection.execute(statement, values)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction, which ends with the block."""
        turns = Turns(self._path)
        with (
            self._available(),
            closing(connect_for_writing(self._path, durable=self._durable)) as connection,
            closing(turns),
        ):
            with turns.writing(), _transaction(connection):
                yield connection
            Checkpointer(self._path, turns).wrote_once(connection)

    def _read(self, query: str, values: Any) -> list[Any]:
        try:
            with self._available(), closing(connect_for_reading(self._path)) as connection:
                return connection.execute(query, values).fetchall()
        except NoDatabase:
            return []

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"{self._path} cannot be used just now: {error}.") from error
        except sqlite3.DatabaseError as error:
            if type(error) is sqlite3.DatabaseError:
                raise damaged(self._path, error) from error
            raise


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
