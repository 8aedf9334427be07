"""StateLog on SQLite."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from flujo_otel.spanstore.flujo.states import UNNAMED, FlujoStates
from flujo_otel.spanstore.flujo.times import of_local
from flujo_otel.spanstore.sqlite.connection import read_once, transaction
from flujo_otel.spanstore.sqlite.standing_connection import StandingConnection
from flujo_otel.spanstore.statelog import (
    HistoryEntry,
    NamedValue,
    ShadowEvaluation,
    StateTimes,
    WorkflowState,
)

_HISTORY: Final = """
    (
        SELECT '[' || group_concat(entry, ', ') || ']'
        FROM (
            SELECT entry FROM workflow_history h
            WHERE h.run_id = workflow_state.run_id ORDER BY n
        )
    )
"""
_FIELDS: Final = ", ".join(_HISTORY if f == "step_history" else f for f in WorkflowState._fields)
# saved_state, next_state and deleted_state are views of runlog.sql, whose triggers do the work.
_WIDTH: Final = len(WorkflowState._fields) + 4
"""Without its history; with its two times, the writer, and one entry with its number."""
_SAVE: Final = f"INSERT INTO saved_state VALUES ({', '.join('?' * _WIDTH)})"
_SAVE_NEXT: Final = f"INSERT INTO next_state VALUES ({', '.join('?' * _WIDTH)})"
_ADD_ENTRY: Final = "INSERT INTO workflow_history VALUES (?, ?, ?)"
_HISTORY_AT: Final = WorkflowState._fields.index("step_history")
_STATE: Final = f"SELECT {_FIELDS} FROM workflow_state WHERE run_id = ?"
# While a run goes on, its state says which step comes next. Once it has ended, how many there were,
# those from before it went on twice (0.4): then its history begins with the first.
_UNRECORDED: Final = """
    WITH state AS (
        SELECT w.updated_at_ns, w.status = 'running' AS goes_on, c.count,
            CASE WHEN w.status = 'running'
                THEN MAX(w.current_step_index - c.count, 0) ELSE 0 END AS first
        FROM workflow_state w
        CROSS JOIN (SELECT COUNT(*) AS count FROM workflow_history WHERE run_id = :run_id) c
        WHERE w.run_id = :run_id AND EXISTS (SELECT 1 FROM runs WHERE run_id = :run_id)
    ),
    history AS (
        SELECT h.n, s.first + h.n AS step_index, t.step_name,
            CASE WHEN s.goes_on AND h.n = s.count - 1 THEN s.updated_at_ns END AS ended_at_ns,
            t.step_run_id IS NULL OR t.span_id IS NOT NULL AND t.status = 'running' AS is_missing
        FROM state s
        CROSS JOIN workflow_history h ON h.run_id = :run_id
        LEFT JOIN steps t ON t.step_run_id = :run_id || ':' || (s.first + h.n)
    )
    SELECT o.step_index, e.entry, o.ended_at_ns, o.step_name, o.is_missing
    FROM history o JOIN workflow_history e ON e.run_id = :run_id AND e.n = o.n
    WHERE EXISTS (SELECT 1 FROM history WHERE is_missing)
    ORDER BY o.n
"""
_LONG: Final = {"pipeline_context": "''", "last_step_output": "NULL", "step_history": "NULL"}
_STATES: Final = f"""
    SELECT {", ".join(_LONG.get(name, name) for name in WorkflowState._fields)},
        created_at_ns, updated_at_ns
    FROM workflow_state
"""
_FORGET: Final = "INSERT OR IGNORE INTO forgotten_states VALUES (?)"
_IS_FORGOTTEN: Final = "SELECT 1 FROM forgotten_states WHERE run_id = ?"
_ROW_BYTES: Final = 4096
"""A deleted row costs about as much as a page of text more in it."""
_BATCH_BYTES: Final = 2 << 20
"""Of states that are deleted in one transaction: all others wait for 0.5 ms where they are small, 3
where they are large; beside four busy threads 4, and 19 at most. One by one, beside one busy thread
each took 6 ms, 2,000 of them 12 s."""
# By batch. A state that begins in one batch and ends beyond it counts for the one it ends in: that
# may be larger by one state, however large.
_OLD_STATES: Final = """
    WITH sized AS (
        SELECT run_id,
            :row_bytes + length(CAST(pipeline_context AS BLOB))
            + COALESCE(length(CAST(last_step_output AS BLOB)), 0)
            + (
                SELECT COALESCE(SUM(:row_bytes + length(CAST(entry AS BLOB))), 0)
                FROM workflow_history h WHERE h.run_id = workflow_state.run_id
            ) AS size_bytes
        FROM workflow_state WHERE created_at_ns < :before_ns
    ),
    placed AS (
        SELECT run_id, size_bytes, SUM(size_bytes) OVER (ORDER BY run_id) AS until_bytes FROM sized
    )
    SELECT json_group_array(run_id), COUNT(*), SUM(size_bytes) FROM placed
    GROUP BY until_bytes / :batch_bytes
"""
_DELETE: Final = "INSERT INTO deleted_state SELECT value FROM json_each(?)"
_FAIL_STALE: Final = """
    UPDATE workflow_state
    SET status = 'failed', background_error = :error, updated_at = :now, updated_at_ns = :now_ns
    WHERE is_background_task AND status = 'running' AND updated_at_ns < :before_ns
"""
_EVALUATIONS: Final = """
    SELECT run_id, step_name, score, feedback, metadata, created_at FROM evaluations
    WHERE :run_id IS NULL OR run_id = :run_id
    ORDER BY created_at DESC, evaluation_id DESC LIMIT :limit
"""


class SQLiteStateLog:
    """Writes over `connection`, the run log's. `flujo_path`: flujo's own file, if there is one."""

    def __init__(self, path: Path, connection: StandingConnection, flujo_path: Path | None) -> None:
        self._path = path
        self._connection = connection
        self._flujo = FlujoStates(flujo_path) if flujo_path is not None else None
        self._names: dict[str, str] = {}
        """Of runs that flujo's own backend began, until our file has their first state."""

    def save_state(
        self,
        state: WorkflowState,
        times: StateTimes,
        history: Sequence[str],
        first: int = 0,
        *,
        wait: bool = True,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> bool:
        """See `statelog.StateLog.save_state`."""
        if state.pipeline_name in UNNAMED and state.run_id in self._names:
            state = state._replace(pipeline_name=self._names[state.run_id])
        row = (*state[:_HISTORY_AT], *state[_HISTORY_AT + 1 :], *times)

        def save(connection: sqlite3.Connection, writer_id: int) -> bool:
            if wait and not is_wanted():
                return False
            values = (*row, writer_id)
            try:
                if first > 0:
                    _save(connection, _SAVE_NEXT, values, history, min(first, len(history) - 1))
                    return True
            except sqlite3.IntegrityError:  # what it adds to is there no more
                pass
            _save(connection, _SAVE, values, history, 0)
            return True

        size_bytes = len(state.pipeline_context) + len(state.last_step_output or "")
        for n in range(first, len(history)):
            size_bytes += len(history[n])
        is_saved = self._connection.write(save, size_bytes, wait=wait)
        if is_saved:
            self._names.pop(state.run_id, None)
        return is_saved

    def state(self, run_id: str) -> WorkflowState | None:
        """See `statelog.StateLog.state`."""
        rows = self._query(_STATE, (run_id,))
        if rows:
            return _state(rows[0])
        if self._flujo is None or self._query(_IS_FORGOTTEN, (run_id,)):
            return None
        state = self._flujo.state(run_id)
        if state is not None and state.pipeline_name not in UNNAMED:
            self._names[run_id] = state.pipeline_name
        return state

    def states(self) -> list[tuple[WorkflowState, StateTimes]]:
        """See `statelog.StateLog.states`."""
        found = [(_state(row[:-2]), StateTimes(*row[-2:])) for row in self._query(_STATES, ())]
        if self._flujo is not None:
            known = {state.run_id for state, _ in found}
            known.update(run_id for (run_id,) in self._query("SELECT * FROM forgotten_states", ()))
            theirs = (state for state in self._flujo.states() if state.run_id not in known)
            found += [(state, _times(state)) for state in theirs]
        return sorted(found, key=lambda each: each[1].created_at_ns, reverse=True)

    def unrecorded(self, run_id: str) -> list[HistoryEntry]:
        """See `statelog.StateLog.unrecorded`."""
        return [HistoryEntry(*row) for row in self._query(_UNRECORDED, {"run_id": run_id})]

    def delete_state(self, run_id: str, *, wait: bool = True) -> None:
        """See `statelog.StateLog.delete_state`."""
        if self._flujo is not None and self._flujo.state(run_id) is not None:
            self._execute(_FORGET, (run_id,), wait=wait)
        if self._path.exists():
            self._execute("INSERT INTO deleted_state VALUES (?)", (run_id,), wait=wait)

    def delete_states(self, created_before_ns: int) -> int:
        """See `statelog.StateLog.delete_states`."""
        values = {
            "before_ns": created_before_ns,
            "row_bytes": _ROW_BYTES,
            "batch_bytes": _BATCH_BYTES,
        }
        deleted = 0
        for run_ids, count, size_bytes in self._query(_OLD_STATES, values):
            self._execute(_DELETE, (run_ids,), size_bytes)
            deleted += count
        return deleted

    def fail_stale_tasks(self, updated_before_ns: int, error: str, now: str, now_ns: int) -> int:
        """See `statelog.StateLog.fail_stale_tasks`."""
        values = {"before_ns": updated_before_ns, "error": error, "now": now, "now_ns": now_ns}
        return self._execute(_FAIL_STALE, values)

    def add_evaluation(self, evaluation: ShadowEvaluation) -> None:
        """See `statelog.StateLog.add_evaluation`."""
        columns = ", ".join(ShadowEvaluation._fields)
        self._execute(f"INSERT INTO evaluations ({columns}) VALUES (?, ?, ?, ?, ?, ?)", evaluation)

    def evaluations(self, run_id: str | None, limit: int) -> Sequence[ShadowEvaluation]:
        """See `statelog.StateLog.evaluations`."""
        rows = self._query(_EVALUATIONS, {"run_id": run_id, "limit": limit})
        return [ShadowEvaluation(*row) for row in rows]

    def set_value(self, value: NamedValue) -> None:
        """See `statelog.StateLog.set_value`."""
        self._execute("INSERT OR REPLACE INTO system_state VALUES (?, ?, ?)", value)

    def value(self, key: str) -> NamedValue | None:
        """See `statelog.StateLog.value`."""
        rows = self._query("SELECT key, value, updated_at FROM system_state WHERE key = ?", (key,))
        return NamedValue(*rows[0]) if rows else None

    def _execute(
        self, statement: str, values: Any, size_bytes: int = 0, *, wait: bool = True
    ) -> int:
        """How many rows were changed."""

        def work(connection: sqlite3.Connection, _: int) -> int:
            return connection.execute(statement, values).rowcount

        return self._connection.write(work, size_bytes, wait=wait)

    def _query(self, query: str, values: Any) -> list[Any]:
        rows = self._connection.query(query, values)
        return read_once(self._path, query, values) if rows is None else rows


def _save(
    connection: sqlite3.Connection,
    statement: str,
    row: tuple[Any, ...],
    history: Sequence[str],
    first: int,
) -> None:
    """`row` by `statement`, with the entries of its history from `first` on."""
    values = (*row, first, history[first] if first < len(history) else None)
    if len(history) <= first + 1:
        connection.execute(statement, values)
        return
    with transaction(connection):
        connection.execute(statement, values)
        for n in range(first + 1, len(history)):
            connection.execute(_ADD_ENTRY, (row[0], n, history[n]))


def _state(row: Sequence[Any]) -> WorkflowState:
    state = WorkflowState(*row)
    return state._replace(is_background_task=bool(state.is_background_task))


def _times(state: WorkflowState) -> StateTimes:
    return StateTimes(_time_ns(state.created_at), _time_ns(state.updated_at))


def _time_ns(text: str) -> int:
    """An ISO time of a state; 0 where it is no time."""
    try:
        return of_local(datetime.fromisoformat(text))
    except (TypeError, ValueError, OverflowError, OSError):
        return 0
