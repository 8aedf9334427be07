"""TraceReader on SQLite."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

from flujo_otel import process
from flujo_otel.model import Process, Run, Span, Step
from flujo_otel.spanstore.api import (
    ALL,
    BacklogSize,
    InnerRun,
    NameStatistics,
    Root,
    RunFilter,
    SpanFilter,
    SpanHints,
)
from flujo_otel.spanstore.sqlite import faults, roots, rows
from flujo_otel.spanstore.sqlite.connection import connect_for_reading
from flujo_otel.spanstore.sqlite.living_processes import LivingProcesses
from flujo_otel.spanstore.sqlite.selection import HANDED_IN, NESTED_RUNS, Selection, selection_of

_PAGE_ROWS: Final = 2000
"""Of large rows: a page takes milliseconds, so that no read transaction holds the WAL back."""

_WINDOW_ROWS: Final = 1_000, 5_000
"""Runs of which it is found out at once whether another is around them: first so many, which most
lists are done with, then more, in some 20 ms."""

_WRITERS_OF_OPEN_RUNS: Final = """
    SELECT writer_id, host, pid, process_start, command FROM writers
    WHERE writer_id IN (SELECT writer_id FROM runs WHERE status = 'running')
"""
_BEFORE: Final = "(runs.start_time_ns, runs.rowid) < (?, ?)"
_FROM: Final = "(runs.start_time_ns, runs.rowid) >= (?, ?)"
_END_OF_TIME: Final = (1 << 63) - 1, (1 << 63) - 1
_NEWEST_FIRST: Final = "ORDER BY runs.start_time_ns DESC, runs.rowid DESC"
_IDS_AT_ONCE: Final = 500

_ROOT_SPANS: Final = (
    f"{rows.SELECT_SPANS} WHERE span_id IN (SELECT value FROM json_each(?)) ORDER BY rowid"
)
_SPANS_BY_ROW: Final = (
    f"{rows.SELECT_SPANS} WHERE rowid IN (SELECT value FROM json_each(?)) ORDER BY rowid"
)
_NEIGHBOURS: Final = """
    SELECT (SELECT MAX(run_id) FROM runs WHERE run_id < value),
        (SELECT MIN(run_id) FROM runs WHERE run_id > value)
    FROM json_each(?) ORDER BY key
"""


class SQLiteTraceReader:
    """Reads one file of ours, by `connection` where there is one already. Raises NoDatabase,
    ForeignDatabase or StoreUnavailable when made."""

    def __init__(self, path: Path, connection: sqlite3.Connection | None = None) -> None:
        self._path = path
        self._connection = connection or connect_for_reading(path)
        self._alive: dict[Process, bool] = {}
        self._living = LivingProcesses(self._rows, self._is_alive)

    def list_runs(self, where: RunFilter, limit: int) -> list[Run]:
        """See `api.TraceReader.list_runs`."""
        found: list[Run] = []
        for selection in self._windows(self._known(where)):
            query = f"{rows.SELECT_RUNS} WHERE {selection.condition} {_NEWEST_FIRST} LIMIT ?"
            page = self._rows(query, (*selection.values, limit - len(found)))
            found += [self._run(row) for row in page]
            if len(found) >= limit:
                break
        return found

    def count_runs(self, where: RunFilter) -> int:
        """See `api.TraceReader.count_runs`."""
        where = self._settled(where)
        if not where.outermost:
            return self._count(where)
        # What was handed in is inside nothing, and told as nested at one look at all of it.
        plain = where._replace(outermost=False)
        nested = (
            0 if where.nested else self._count(plain._replace(nested=True)) - self._count(plain)
        )
        return (self._count_in_windows(where._replace(nested=True), ALL) or 0) - nested

    def count_quickly(self, where: RunFilter, most: int) -> int | None:
        """See `api.TraceReader.count_quickly`."""
        where = self._settled(where)
        if where.nested and not where.outermost:
            return self._count(where)
        return self._count_in_windows(where, most)

    def _settled(self, where: RunFilter) -> RunFilter:
        """The same, for counting: where no trace is shared, no run is inside another."""
        where = self._known(where)
        if where.outermost and not self._rows(roots.A_SHARED_TRACE):
            return where._replace(outermost=False)
        return where

    def _count(self, where: RunFilter) -> int:
        whole = selection_of(where, self._gone_writers)
        query = f"SELECT COUNT(*) FROM runs WHERE {whole.condition}"
        return int(self._rows(query, whole.values)[0][0])

    def _count_in_windows(self, where: RunFilter, most: int) -> int | None:
        count = 0
        for selection in self._windows(where):
            some = f"SELECT 1 FROM runs WHERE {selection.condition} {_NEWEST_FIRST} LIMIT ?"
            values = (*selection.values, most + 1 - count)
            count += self._rows(f"SELECT COUNT(*) FROM ({some})", values)[0][0]
            if count > most:
                return None
        return count

    def get_run(self, run_id: str) -> Run | None:
        """See `api.TraceReader.get_run`."""
        query = f"{rows.SELECT_RUNS} WHERE runs.run_id = ?"
        found = self._rows(query, (run_id,))
        return self._run(found[0]) if found else None

    def known_runs(self, run_ids: Sequence[str]) -> set[str]:
        """See `api.TraceReader.known_runs`."""
        query = "SELECT run_id FROM runs WHERE run_id IN (SELECT value FROM json_each(?))"
        found = self._rows(query, (json.dumps(list(run_ids)),))
        return {run_id for (run_id,) in found}

    def nested_runs(self, run_ids: Sequence[str]) -> set[str]:
        """See `api.TraceReader.nested_runs`."""
        if not run_ids:
            return set()
        found = self._rows(NESTED_RUNS, (json.dumps(list(run_ids)), len(set(run_ids))))
        return {run_id for (run_id,) in found}

    def runs_with_prefix(self, prefix: str, limit: int) -> list[Run]:
        """See `api.TraceReader.runs_with_prefix`."""
        query = (
            f"{rows.SELECT_RUNS} WHERE runs.run_id >= ? AND runs.run_id < ?"
            " ORDER BY start_time_ns DESC LIMIT ?"
        )
        values = (prefix, prefix + "\U0010ffff", limit)
        return [self._run(row) for row in self._rows(query, values)]

    def runs_of_trace(self, trace_id: str) -> list[Run]:
        """See `api.TraceReader.runs_of_trace`."""
        query = (
            f"{rows.SELECT_RUNS} WHERE runs.run_id = ? OR runs.run_id IN"
            " (SELECT run_id FROM run_traces WHERE trace_id = ?) ORDER BY start_time_ns DESC"
        )
        found = self._rows(query, (trace_id, trace_id))
        return [self._run(row) for row in found]

    def roots(self, run_ids: Sequence[str]) -> dict[str, Root]:
        """See `api.TraceReader.roots`."""
        found: dict[str, Root] = {}
        for run_id, name, span_id, trace_id, outer, resource in self._of_each(roots.ROOTS, run_ids):
            attributes = json.loads(resource) if resource else {}
            found[run_id] = Root(name, span_id, trace_id, outer, attributes)
        return found

    def inner_runs(self, trace_ids: Sequence[str]) -> list[InnerRun]:
        """See `api.TraceReader.inner_runs`."""
        run_ids = {run_id for (run_id,) in self._of_each(roots.RUNS_IN_TRACES, trace_ids)}
        return [InnerRun(*row) for row in self._of_each(roots.INNER_RUNS, list(run_ids))]

    def root_spans(self, of_runs: Iterable[Root]) -> dict[str, Span]:
        """See `api.TraceReader.root_spans`."""
        span_ids = [root.span_id for root in of_runs]
        found = (rows.span(row) for row in self._of_each(_ROOT_SPANS, span_ids))
        return {span.run_id: span for span in found}

    def unique_prefixes(self, run_ids: Sequence[str]) -> dict[str, int]:
        """See `api.TraceReader.unique_prefixes`."""
        found: dict[str, int] = {}
        for run_id, neighbours in zip(run_ids, self._of_each(_NEIGHBOURS, run_ids), strict=True):
            shared = max(_common_prefix(run_id, other or "") for other in neighbours)
            found[run_id] = min(shared + 1, len(run_id))
        return found

    def spans(self, run_id: str, where: SpanFilter = SpanFilter()) -> Iterator[Span]:  # noqa: B008
        """See `api.TraceReader.spans`."""
        if where.first is None and where.span_ids is None and where.plain_beneath is None:
            found = self._spans_in_pages(run_id, where)
        else:
            found = self._spans_by_row(run_id, where)
        return iter(sorted(found, key=lambda span: span.start_time_ns))

    def count_spans(self, run_id: str, where: SpanFilter = SpanFilter()) -> int:  # noqa: B008
        """See `api.TraceReader.count_spans`."""
        condition, values = _spans_where(run_id, where)
        query = f"SELECT COUNT(*) FROM (SELECT 1 FROM spans WHERE {condition} LIMIT ?)"
        return int(self._rows(query, (*values, _or_all(where.first)))[0][0])

    def _spans_in_pages(self, run_id: str, where: SpanFilter) -> list[Span]:
        condition, values = _spans_where(run_id, where)
        page_of = f"{rows.SELECT_SPANS} WHERE {condition} AND rowid > ? ORDER BY rowid LIMIT ?"
        found: list[Span] = []
        last = 0
        while page := self._rows(page_of, (*values, last, _PAGE_ROWS)):
            found += [rows.span(row) for row in page]
            if len(page) < _PAGE_ROWS:  # as of most runs: of a thousand, a thousand questions less
                break
            last = page[-1][0]
        return found

    def _spans_by_row(self, run_id: str, where: SpanFilter) -> list[Span]:
        """Which they are is asked once: the other indexes than the run's do not say what comes
        after a page, and each page would look through all of them again."""
        condition, values = _spans_where(run_id, where)
        # Of the column before the attributes, which none of these rows is read past for.
        first = "ORDER BY start_time, rowid LIMIT ?"
        found = self._rows(
            f"SELECT rowid FROM spans WHERE {condition} {first}", (*values, _or_all(where.first))
        )
        row_ids = sorted(row_id for (row_id,) in found)
        spans: list[Span] = []
        for start in range(0, len(row_ids), _PAGE_ROWS):
            page = json.dumps(row_ids[start : start + _PAGE_ROWS])
            spans += [rows.span(row) for row in self._rows(_SPANS_BY_ROW, (page,))]
        return spans

    def candidates(self, run_ids: Sequence[str], hints: SpanHints) -> Iterator[Span]:
        """See `api.TraceReader.candidates`."""
        # no other question needs it
        from flujo_otel.spanstore.sqlite.search import candidates_among

        return candidates_among(self._rows, run_ids, hints)

    def steps(self, run_id: str) -> list[Step]:
        """See `api.TraceReader.steps`."""
        query = f"{rows.SELECT_STEPS} WHERE run_id = ? ORDER BY step_index, start_time_ns"
        steps = [Step(*row) for row in self._rows(query, (run_id,))]
        if not steps or any(step.span_id for step in steps):
            return steps
        if not self._rows("SELECT 1 FROM trees WHERE run_id = ?", (run_id,)):
            return steps
        # In a tree that flujo handed in beside them.
        from flujo_otel.spanstore.flujo.rows import with_spans

        return with_spans(steps, list(self.spans(run_id)))

    def statistics(
        self, pipeline: str | None, since_ns: int | None, until_ns: int | None, buckets: int
    ) -> list[NameStatistics]:
        """See `api.TraceReader.statistics`."""
        # no other question needs it
        from flujo_otel.spanstore.sqlite.statistics import statistics_of

        return statistics_of(self._rows, pipeline, (since_ns, until_ns), buckets)

    def backlog(self, until_id: int | None = None) -> BacklogSize:
        """See `api.TraceReader.backlog`."""
        if not self._rows("SELECT 1 FROM backlog LIMIT 1"):
            return BacklogSize()
        from flujo_otel.spanstore.sqlite.backlog import size_of  # seldom there is any

        with faults.reading(self._path):
            return size_of(self._connection, self._path, until_id)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _known(self, where: RunFilter) -> RunFilter:
        """The same: where nothing was handed in, nothing of that is nested."""
        return where if self._rows(f"{HANDED_IN} LIMIT 1") else where._replace(nested=True)

    def _windows(self, where: RunFilter) -> Iterator[Selection]:
        """What `where` selects in parts, newest first, so that no transaction takes long, and that
        of what was handed in no more is looked for than it takes."""
        selection = selection_of(where._replace(nested=True), self._gone_writers)
        if where.nested and not where.outermost:
            yield selection
            return
        plain = selection_of(where._replace(nested=True, outermost=False), self._gone_writers)
        before = _END_OF_TIME
        for row_count in chain(_WINDOW_ROWS, repeat(_WINDOW_ROWS[-1])):
            rest = plain.within(_BEFORE, before)
            query = f"""
                SELECT start_time_ns, rowid FROM runs WHERE {rest.condition}
                {_NEWEST_FIRST} LIMIT 1 OFFSET ?
            """
            last = self._rows(query, (*rest.values, row_count - 1))
            bounds = (_BEFORE, before) if not last else (f"{_BEFORE} AND {_FROM}", before + last[0])
            nested = set() if where.nested else self._nested_among(plain.within(*bounds))
            yield selection.within(*bounds).without(nested)
            if not last:
                return
            before = last[0]

    def _nested_among(self, selection: Selection) -> set[str]:
        query = f"SELECT run_id FROM runs WHERE {selection.condition} AND +run_id IN ({HANDED_IN})"
        return self.nested_runs([run_id for (run_id,) in self._rows(query, selection.values)])

    def _gone_writers(self) -> list[int]:
        """Of those that left a run open, the ones whose process is gone."""
        found = self._rows(_WRITERS_OF_OPEN_RUNS)
        return [row[0] for row in found if not self._is_alive(Process(*row[1:]))]

    def _of_each(self, query: str, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """What `query` answers to `ids`, as JSON in pages: no transaction takes long."""
        for start in range(0, len(ids), _IDS_AT_ONCE):
            yield from self._rows(query, (json.dumps(list(ids[start : start + _IDS_AT_ONCE])),))

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with faults.reading(self._path):
            return self._connection.execute(query, values).fetchall()

    def _run(self, row: tuple[Any, ...]) -> Run:
        return self._living.settled(rows.run(row, self._is_alive))

    def _is_alive(self, writer: Process) -> bool:
        if writer not in self._alive:
            self._alive[writer] = process.is_alive(writer)
        return self._alive[writer]


def _spans_where(run_id: str, where: SpanFilter) -> tuple[str, list[Any]]:
    """The condition, but for `first`."""
    condition, values = "run_id = ?", [run_id]
    for column, ids in (
        ("span_id", where.span_ids),
        ("role = 0 AND parent_span_id", where.plain_beneath),
    ):
        if ids is not None:
            # By their index: without the run's own to walk along.
            condition = condition.replace("run_id = ?", "+run_id = ?", 1)
            condition += f" AND {column} IN (SELECT value FROM json_each(?))"
            values.append(json.dumps(ids))
    for column, value in (("status", where.status), ("name", where.name)):
        if value is not None:
            condition += f" AND +{column} = ?"
            values.append(value)
    return condition, values


def _or_all(first: int | None) -> int:
    return ALL if first is None else first


def _common_prefix(one: str, other: str) -> int:
    for position, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return position
    return min(len(one), len(other))
