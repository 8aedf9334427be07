"""ChangeFeed on SQLite."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from flujo_otel import process
from flujo_otel.model import Run, Span
from flujo_otel.spanstore.changes import ChangeFilter, ChangePage, SpanChange
from flujo_otel.spanstore.sqlite import faults, rows
from flujo_otel.spanstore.sqlite.connection import connect_for_reading
from flujo_otel.spanstore.sqlite.living_processes import LivingProcesses

_PAGE_ROWS: Final = 500
_LOOKED_AT: Final = 5000
"""Changes that a page looks through, matching or not: what bounds its read transaction."""

_SEQUENCE: Final = "SELECT value FROM sequence"
_CHANGED_SPANS: Final = f"""
    SELECT change_seq, {rows.SPAN_COLUMNS}, COALESCE(content_seq, change_seq)
    FROM spans
    WHERE change_seq > :after AND change_seq <= :last {{matching}}
    ORDER BY change_seq
    LIMIT {_PAGE_ROWS}
"""
_CHANGED_RUNS: Final = f"""
    {rows.SELECT_RUNS} WHERE change_seq > :after AND change_seq <= :last ORDER BY change_seq
"""
# The REAL columns: those after `attributes` would cost a walk through its overflow pages.
_OLDEST_SPAN_SINCE: Final = f"""
    SELECT MIN(change_seq), MIN(CASE WHEN MAX(start_time, COALESCE(end_time, 0)) >= :since
        THEN change_seq END)
    FROM (
        SELECT change_seq, start_time, end_time FROM spans WHERE change_seq < :before
        ORDER BY change_seq DESC LIMIT {_LOOKED_AT}
    )
"""
_OLDEST_RUN_SINCE: Final = "SELECT MIN(change_seq) FROM runs WHERE start_time_ns >= ?"
_OPEN_SPANS: Final = f"""
    {rows.SELECT_SPANS}
    WHERE status = 'running' AND rowid < :rowid AND (:until IS NULL OR start_time_ns <= :until)
    ORDER BY rowid DESC LIMIT {_PAGE_ROWS}
"""
_COUNT_OPEN: Final = """
    SELECT COUNT(*) FROM spans
    WHERE status = 'running' AND (:until IS NULL OR start_time_ns <= :until)
"""


class _File(NamedTuple):
    identity: tuple[int, int] | None
    has_wal: bool


class SQLiteChangeFeed:
    """Reads one file of ours. Raises NoDatabase, ForeignDatabase or StoreUnavailable when made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _file(path)
        self._connection = connect_for_reading(path)

    def position(self) -> int:
        """See `changes.ChangeFeed.position`."""
        with self._reading() as connection:
            return _number(connection, _SEQUENCE)

    def position_at(self, since_ns: int) -> int:
        """See `changes.ChangeFeed.position_at`."""
        oldest = self.position() + 1
        before = oldest
        while True:
            values = {"since": since_ns / 1e9 - 1e-6, "before": before}
            with self._reading() as connection:
                first, found = connection.execute(_OLDEST_SPAN_SINCE, values).fetchone()
            if found is None:
                break
            oldest, before = found, first
        with self._reading() as connection:
            run = connection.execute(_OLDEST_RUN_SINCE, (since_ns,)).fetchone()[0]
        return min(oldest, oldest if run is None else int(run)) - 1

    def spans(
        self,
        after: int,
        where: ChangeFilter = ChangeFilter(),  # noqa: B008
    ) -> ChangePage[SpanChange]:
        """See `changes.ChangeFeed.spans`."""
        matching, values = _matching(where)
        query = _CHANGED_SPANS.format(matching=matching)
        found, position, is_last = self._page(query, after, values)
        changes = [SpanChange(row[0], row[-1], rows.span(row[:-1])) for row in found]
        if len(found) == _PAGE_ROWS:
            return ChangePage(changes, found[-1][0], is_last=False)
        return ChangePage(changes, position, is_last)

    def runs(self, after: int) -> ChangePage[Run]:
        """See `changes.ChangeFeed.runs`."""
        found, position, is_last = self._page(_CHANGED_RUNS, after, {})
        living = LivingProcesses(self._rows, process.is_alive)
        runs = [living.settled(rows.run(row, process.is_alive)) for row in found]
        return ChangePage(runs, position, is_last)

    def open_spans(self, until_ns: int | None = None) -> Iterator[Span]:
        """See `changes.ChangeFeed.open_spans`."""
        rowid = (1 << 63) - 1
        while True:
            values = {"rowid": rowid, "until": until_ns}
            with self._reading() as connection:
                page = connection.execute(_OPEN_SPANS, values).fetchall()
            yield from map(rows.span, page)
            if len(page) < _PAGE_ROWS:
                return
            rowid = page[-1][0]

    def count_open_spans(self, until_ns: int | None = None) -> int:
        """See `changes.ChangeFeed.count_open_spans`."""
        with self._reading() as connection:
            return int(connection.execute(_COUNT_OPEN, {"until": until_ns}).fetchone()[0])

    def is_current(self) -> bool:
        """See `changes.ChangeFeed.is_current`."""
        return self._file.identity is not None and _file(self._path).identity == self._file.identity

    def close(self) -> None:
        """See `changes.ChangeFeed.close`."""
        self._connection.close()

    def _rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            return connection.execute(query, values).fetchall()

    def _page(
        self, query: str, after: int, values: dict[str, Any]
    ) -> tuple[Sequence[Any], int, bool]:
        """Rows, the last change that was looked at, whether that was the newest."""
        with self._reading() as connection:
            connection.execute("BEGIN")  # so that no change comes between the two
            try:
                newest = _number(connection, _SEQUENCE)
                last = min(newest, after + _LOOKED_AT)
                if last <= after:
                    return [], newest, True
                bounds = {"after": after, "last": last}
                return connection.execute(query, bounds | values).fetchall(), last, last == newest
            finally:
                connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        file = _file(self._path)
        if file.has_wal != self._file.has_wal and file.identity == self._file.identity:
            # A file at rest in a folder that is not ours to write to is opened as one that never
            # changes; now somebody writes to it.
            self._connection.close()
            self._connection, self._file = connect_for_reading(self._path), file
        with faults.reading(self._path):
            yield self._connection


def _matching(where: ChangeFilter) -> tuple[str, dict[str, Any]]:
    """`+`: the order of changes is what has to be followed, whatever other index there is."""
    conditions: list[str] = []
    values: dict[str, Any] = {}
    if where.run is not None:
        conditions.append("AND +run_id >= :run AND +run_id < :run_end")
        values |= {"run": where.run, "run_end": where.run + "\U0010ffff"}
    for column, value in (("status", where.status), ("name", where.name)):
        if value is not None:
            conditions.append(f"AND +{column} = :{column}")
            values[column] = value
    return " ".join(conditions), values


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _file(path: Path) -> _File:
    try:
        status = path.stat()
    except OSError:
        return _File(None, has_wal=False)
    has_wal = path.with_name(path.name + "-wal").exists()
    return _File((status.st_dev, status.st_ino), has_wal)
