"""TraceReader on SQLite."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from flujo_otel import process
from flujo_otel.model import Process, Run, RunStatus, Span, Step
from flujo_otel.semconv import flujo
from flujo_otel.spanstore.api import ALL, NameStatistics, Root, RunFilter, SpanFilter
from flujo_otel.spanstore.flujo.rows import with_spans
from flujo_otel.spanstore.sqlite import faults, rows
from flujo_otel.spanstore.sqlite.connection import connect_for_reading

_PAGE_ROWS: Final = 2000
"""Of large rows: a page takes milliseconds, so that no read transaction holds the WAL back."""

_WRITERS_OF_OPEN_RUNS: Final = """
    SELECT writer_id, host, pid, process_start, command FROM writers
    WHERE writer_id IN (SELECT writer_id FROM runs WHERE status = 'running')
"""
_OF_GONE: Final = "writer_id IN (SELECT value FROM json_each(?))"
_OF_OTHERS: Final = "(writer_id IS NULL OR writer_id NOT IN (SELECT value FROM json_each(?)))"
_IDS_AT_ONCE: Final = 500
# A run starts when its root does, and the index of start times finds that among a million spans. A
# run whose row was handed in has a start of its own: there the root has to be looked for.
_ROOTS: Final = """
    SELECT r.run_id, s.name, s.span_id, s.trace_id, NULLIF(p.run_id, r.run_id), x.attributes
    FROM json_each(?) j
    CROSS JOIN runs r ON r.run_id = j.value
    CROSS JOIN spans s ON s.rowid = COALESCE(
        (
            SELECT c.rowid FROM spans c
            WHERE c.start_time = r.start_time_ns / 1e9
                AND +c.run_id = r.run_id
                AND c.start_time_ns = r.start_time_ns
            ORDER BY c.role & 2 DESC, c.rowid LIMIT 1
        ),
        (SELECT c.rowid FROM spans c WHERE c.run_id = r.run_id AND c.role & 2 LIMIT 1)
    )
    LEFT JOIN spans p ON p.span_id = s.parent_span_id AND p.trace_id = s.trace_id
    LEFT JOIN resources x ON x.resource_id = s.resource_id
"""

# 100,000 such spans take 0.3 s: they are asked for only where flujo itself told of a run.
_NESTED_RUNS: Final = f"""
    SELECT json_extract(attributes, '$."{flujo.NESTED_RUN_ID}"') AS nested_run_id
    FROM spans
    WHERE name = '{flujo.PIPELINE_RUN}' AND parent_span_id IS NOT NULL AND json_valid(attributes)
        AND nested_run_id IN ({{of_these}})
"""
_HANDED_IN: Final = "SELECT run_id FROM trees"

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
    """Reads one file of ours. Raises NoDatabase, ForeignDatabase or StoreUnavailable when made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect_for_reading(path)
        self._alive: dict[Process, bool] = {}

    def list_runs(self, where: RunFilter, limit: int) -> list[Run]:
        """See `api.TraceReader.list_runs`."""
        condition, values = self._runs_where(where)
        newest_first = "ORDER BY start_time_ns DESC, runs.rowid DESC LIMIT ?"
        query = f"{rows.SELECT_RUNS} {condition} {newest_first}"
        return [self._run(row) for row in self._rows(query, (*values, limit))]

    def count_runs(self, where: RunFilter) -> int:
        """See `api.TraceReader.count_runs`."""
        condition, values = self._runs_where(where)
        query = f"SELECT COUNT(*) FROM runs {condition}"
        return int(self._rows(query, values)[0][0])

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
        query = _NESTED_RUNS.format(of_these="SELECT value FROM json_each(?)")
        found = self._rows(query, (json.dumps(list(run_ids)),))
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
        for run_id, name, span_id, trace_id, outer, resource in self._of_each(_ROOTS, run_ids):
            attributes = json.loads(resource) if resource else {}
            found[run_id] = Root(name, span_id, trace_id, outer, attributes)
        return found

    def root_spans(self, roots: Iterable[Root]) -> dict[str, Span]:
        """See `api.TraceReader.root_spans`."""
        span_ids = [root.span_id for root in roots]
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

    def steps(self, run_id: str) -> list[Step]:
        """See `api.TraceReader.steps`."""
        query = f"{rows.SELECT_STEPS} WHERE run_id = ? ORDER BY step_index, start_time_ns"
        steps = [Step(*row) for row in self._rows(query, (run_id,))]
        if not steps or any(step.span_id for step in steps):
            return steps
        query = "SELECT 1 FROM trees WHERE run_id = ?"
        # In a tree that flujo handed in beside them.
        return (
            with_spans(steps, list(self.spans(run_id))) if self._rows(query, (run_id,)) else steps
        )

    def statistics(
        self, pipeline: str | None, since_ns: int | None, until_ns: int | None, buckets: int
    ) -> list[NameStatistics]:
        """See `api.TraceReader.statistics`."""
        # no other question needs it
        from flujo_otel.spanstore.sqlite.statistics import statistics_of

        return statistics_of(self._rows, pipeline, (since_ns, until_ns), buckets)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _runs_where(self, where: RunFilter) -> tuple[str, list[Any]]:
        conditions: list[str] = []
        values: list[Any] = []
        for condition, value in (
            ("status = ?", "running" if where.status == RunStatus.DIED else where.status),
            ("pipeline_name = ?", where.pipeline),
            ("start_time_ns >= ?", where.since_ns),
            ("start_time_ns <= ?", where.until_ns),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if where.still:
            conditions.append("last_time_ns <= end_time_ns")
        nested = [] if where.nested else self._nested_handed_in()
        if nested:
            conditions.append("runs.run_id NOT IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(nested))
        if where.status in (RunStatus.RUNNING, RunStatus.DIED):
            # By their writers, of which there are few, and not row by row: died runs stay for ever.
            conditions.append(_OF_GONE if where.status == RunStatus.DIED else _OF_OTHERS)
            values.append(json.dumps(self._gone_writers()))
        return ("WHERE " + " AND ".join(conditions) if conditions else ""), values

    def _nested_handed_in(self) -> list[str]:
        if not self._rows(f"{_HANDED_IN} LIMIT 1"):
            return []
        found = self._rows(_NESTED_RUNS.format(of_these=_HANDED_IN))
        return [run_id for (run_id,) in found]

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
        return rows.run(row, self._is_alive)

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
