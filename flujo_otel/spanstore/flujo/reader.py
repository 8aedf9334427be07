"""A TraceReader over flujo's own database."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from flujo_otel.errors import StoreUnavailable
from flujo_otel.model import Run, Span, Step
from flujo_otel.model.record import Role
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel.spanstore.api import (
    BacklogSize,
    InnerRun,
    NameStatistics,
    Root,
    RunFilter,
    SpanFilter,
    SpanHints,
)
from flujo_otel.spanstore.flujo import rows, times
from flujo_otel.spanstore.flujo.layout import SPANS, Layout, layout_of
from flujo_otel.spanstore.flujo.statistics import Ended, summarise
from flujo_otel.spanstore.peek import peek

T = TypeVar("T")

_AFTER_EVERY_CHARACTER = "\U0010ffff"
_EVERYTHING = SpanFilter()

# flujo's word, or whatever else `rows.status_of` takes for it.
_STATUS = {
    "running": "status = 'running'",
    "paused": "status = 'paused'",
    "completed": "status = 'completed'",
    "failed": "status NOT IN ('running', 'paused', 'completed')",
}


class FlujoReader:
    """Opens the file anew for each question: flujo owns it, and may rename it at any time.

    Every method raises StoreUnavailable where the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def list_runs(self, where: RunFilter, limit: int) -> list[Run]:
        return self._runs(lambda layout: _clauses(where, layout), limit)

    def count_runs(self, where: RunFilter) -> int:
        def read(connection: sqlite3.Connection, layout: Layout) -> int:
            text, values = _clauses(where, layout)
            query = f"SELECT COUNT(*) FROM runs WHERE {text}"
            return int(connection.execute(query, values).fetchone()[0])

        return self._peek(read)

    def count_quickly(self, where: RunFilter, most: int) -> int | None:
        """All of them, whatever `most` is: none is known to be inside another."""
        del most
        return self.count_runs(where)

    def run_ids(self, where: RunFilter) -> list[str]:
        """The ids of the runs that match, in no order."""

        def read(connection: sqlite3.Connection, layout: Layout) -> list[str]:
            text, values = _clauses(where, layout)
            found = connection.execute(f"SELECT run_id FROM runs WHERE {text}", values)
            return [str(run_id) for (run_id,) in found]

        return self._peek(read)

    def known_runs(self, run_ids: Sequence[str]) -> set[str]:
        return set(run_ids).intersection(self.run_ids(RunFilter()))

    def nested_runs(self, run_ids: Sequence[str]) -> set[str]:
        """None: flujo does not say what is a step of another run."""
        del run_ids
        return set()

    def get_run(self, run_id: str) -> Run | None:
        found = self._runs(lambda _: ("run_id = ?", [run_id]), 1)
        return found[0] if found else None

    def runs_with_prefix(self, prefix: str, limit: int) -> list[Run]:
        # A range and not LIKE: it uses the key's index, and % and _ mean themselves.
        bounds = [prefix, prefix + _AFTER_EVERY_CHARACTER]
        return self._runs(lambda _: ("run_id >= ? AND run_id < ?", bounds), limit)

    def runs_of_trace(self, trace_id: str) -> list[Run]:
        """None: flujo's own spans belong to no OpenTelemetry trace."""
        del trace_id
        return []

    def roots(self, run_ids: Sequence[str]) -> dict[str, Root]:
        """None: flujo's runs do not tell what they ran in, nor who sent them."""
        del run_ids
        return {}

    def inner_runs(self, trace_ids: Sequence[str]) -> list[InnerRun]:
        """None, as of `roots`."""
        del trace_ids
        return []

    def root_spans(self, of_runs: Iterable[Root]) -> dict[str, Span]:
        """None, as of `roots`."""
        del of_runs
        return {}

    def unique_prefixes(self, run_ids: Sequence[str]) -> dict[str, int]:
        def read(connection: sqlite3.Connection, layout: Layout) -> dict[str, int]:
            del layout
            return {run_id: _unique_length(connection, run_id) for run_id in run_ids}

        return self._peek(read)

    def spans(self, run_id: str, where: SpanFilter = _EVERYTHING) -> Iterator[Span]:
        return islice(self._spans(run_id, where), where.first)

    def _spans(self, run_id: str, where: SpanFilter) -> Iterator[Span]:
        run = self.get_run(run_id)
        if run is None:
            return
        found = self._peek(lambda connection, _: connection.execute(SPANS, [run_id]).fetchall())
        for span in rows.spans_of(found, run):
            if where.status not in (None, span.status) or where.name not in (None, span.name):
                continue
            if where.span_ids is not None and span.span_id not in where.span_ids:
                continue
            beneath = where.plain_beneath
            if beneath is None or (span.role == Role.PLAIN and span.otel_parent_id in beneath):
                yield span

    def count_spans(self, run_id: str, where: SpanFilter = _EVERYTHING) -> int:
        return sum(1 for _ in self.spans(run_id, where))

    def candidates(self, run_ids: Sequence[str], hints: SpanHints) -> Iterator[Span]:
        """By name and status alone, all from one look at the file."""
        these = "run_id IN (SELECT value FROM json_each(?))", [json.dumps(list(run_ids))]
        runs = self._runs(lambda _: these, len(run_ids)) if run_ids else []

        def read(connection: sqlite3.Connection, layout: Layout) -> list[list[Any]]:
            del layout
            return [connection.execute(SPANS, [run.run_id]).fetchall() for run in runs]

        for run, found in zip(runs, self._peek(read) if runs else (), strict=True):
            for span in rows.spans_of(found, run):
                if hints.status in (None, span.status) and hints.name in (None, span.name):
                    yield span

    def steps(self, run_id: str) -> list[Step]:
        def read(connection: sqlite3.Connection, layout: Layout) -> list[Step]:
            return [rows.step_of(row) for row in connection.execute(layout.steps, [run_id])]

        return rows.with_spans(self._peek(read), list(self.spans(run_id)))

    def statistics(
        self, pipeline: str | None, since_ns: int | None, until_ns: int | None, buckets: int
    ) -> list[NameStatistics]:
        def read(connection: sqlite3.Connection, layout: Layout) -> list[Sequence[Any]]:
            text, values = _clauses(RunFilter(pipeline=pipeline), layout)
            return connection.execute(layout.durations.format(where=text), values).fetchall()

        ended = (span for span in map(_ended, self._peek(read)) if span is not None)
        return summarise(ended, since_ns, until_ns, buckets)

    def backlog(self, until_id: int | None = None) -> BacklogSize:
        """flujo has none."""
        return BacklogSize()

    def close(self) -> None:
        """Nothing is held open between questions."""

    def _runs(
        self, clauses: Callable[[Layout], tuple[str, Sequence[Any]]], limit: int
    ) -> list[Run]:
        def read(connection: sqlite3.Connection, layout: Layout) -> list[Run]:
            text, values = clauses(layout)
            found = connection.execute(layout.runs.format(where=text), [*values, limit])
            return [rows.run_of(row, str(self.path)) for row in found]

        return self._peek(read)

    def _peek(self, read: Callable[[sqlite3.Connection, Layout], T]) -> T:
        try:
            return peek(self.path, lambda connection: read(connection, layout_of(connection)))
        except sqlite3.Error as error:
            raise StoreUnavailable(
                f"flujo's own database {self.path} cannot be read: {error}."
            ) from error


def _clauses(where: RunFilter, layout: Layout) -> tuple[str, list[Any]]:
    clauses, values = ["1"], list[Any]()
    if where.status is not None:
        # `died` is found out by a writer's process, and flujo says nothing of its own.
        clauses.append(_STATUS.get(where.status, "0"))
    if where.pipeline is not None:
        clauses.append("pipeline_name = ?")
        values.append(where.pipeline)
    if where.since_ns is not None:
        clauses.append(f"{layout.run_start} >= ?")
        values.append(times.to_iso(where.since_ns))
    if where.until_ns is not None:
        clauses.append(f"{layout.run_start} <= ?")
        values.append(times.to_iso(where.until_ns))
    return " AND ".join(clauses), values


def _ended(row: Sequence[Any]) -> Ended | None:
    name, status, start, end, run_start, first, pipeline = row
    start_ns, end_ns = times.of_seconds(start), times.of_seconds(end)
    if start_ns is None or end_ns is None or end_ns < start_ns:  # by two clocks
        return None
    shift = times.anchor_ns(first, times.of_iso(run_start) or 0)
    failed, of_pipeline = rows.status_of(status) == "failed", name == PIPELINE_RUN
    times_ns = start_ns + shift, end_ns - start_ns
    return Ended(name, failed, *times_ns, pipeline if of_pipeline else None)


def _unique_length(connection: sqlite3.Connection, run_id: str) -> int:
    before = connection.execute("SELECT MAX(run_id) FROM runs WHERE run_id < ?", [run_id])
    after = connection.execute("SELECT MIN(run_id) FROM runs WHERE run_id > ?", [run_id])
    shared = (_shared_length(run_id, name) for (name,) in (*before, *after) if name is not None)
    return min(1 + max(shared, default=0), len(run_id))


def _shared_length(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
