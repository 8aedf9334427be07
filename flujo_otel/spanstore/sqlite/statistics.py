"""Durations per span name, gathered page by page."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flujo_otel.semconv import flujo
from flujo_otel.spanstore.api import RESUMED_PART, NameStatistics

Ask = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Puts a query with its values to the file."""

_PAGE_ROWS: Final = 20_000

_LONGEST_NS: Final = (1 << 63) - 1
"""A sender whose clock says 1970 at one end and the last time there is at the other exceeds it, by
what seconds in a float are rounded to."""

# A pipeline inside a step has the outer one's run. Only what has a parent is looked at for that: a
# root's attributes hold its input and its context.
_PIPELINE: Final = f"""
    CASE WHEN name = '{flujo.PIPELINE_RUN}' THEN COALESCE(
        CASE WHEN parent_span_id IS NOT NULL AND json_valid(attributes)
        THEN CAST(json_extract(attributes, '$."{flujo.NESTED_PIPELINE_NAME}"') AS TEXT) END,
        (SELECT pipeline_name FROM runs WHERE runs.run_id = spans.run_id)
    ) END
"""

_NAME: Final = f"""
    CASE WHEN name = '{flujo.PIPELINE_RUN}' AND json_valid(attributes)
        AND json_extract(attributes, '$."{flujo.RESUMED}"') IS TRUE
    THEN '{RESUMED_PART}' ELSE name END
"""

# The first part of a run tells for all of it: where it paused, how the run ended says whether it
# failed. Attributes are looked at of those alone.
_FAILED: Final = f"""
    status = 'failed' OR (
        status = 'paused'
        AND name = '{flujo.PIPELINE_RUN}'
        AND (SELECT r.status FROM runs r WHERE r.run_id = spans.run_id) = 'failed'
        AND {_NAME} = name
        AND json_valid(attributes)
        AND json_extract(attributes, '$."{flujo.NESTED_PIPELINE_NAME}"') IS NULL
    )
"""

_PAGE: Final = f"""
    SELECT start_time, rowid, {_NAME}, {_PIPELINE}, end_time - start_time, {_FAILED}
    FROM spans
    WHERE (start_time, rowid) > (?, ?)
        AND start_time <= ?
        AND end_time IS NOT NULL
        {{of_pipeline}}
    ORDER BY start_time, rowid
    LIMIT ?
"""
"""Of the seeds' REAL columns, exact to 0.24 us: those after `attributes` would cost a walk through
its overflow pages, row by row."""

_SPENDING: Final = f"""
    SELECT {_NAME}, {_PIPELINE}, CAST(TOTAL(tokens) AS INTEGER), COUNT(tokens),
        TOTAL(cost_usd), COUNT(cost_usd),
        TOTAL(tokens IS NOT NULL AND cost_usd IS NULL)
    FROM spans INDEXED BY idx_spans_usage
    WHERE (cost_usd IS NOT NULL OR tokens IS NOT NULL OR usage_below IS NOT NULL)
        AND (cost_usd IS NOT NULL OR tokens IS NOT NULL)
        AND start_time >= ? AND start_time <= ? AND end_time IS NOT NULL
        {{of_pipeline}}
    GROUP BY 1, 2
"""
"""Of the few spans that carry usage, found by their index."""


def statistics_of(
    ask: Ask, pipeline: str | None, window_ns: tuple[int | None, int | None], buckets: int
) -> list[NameStatistics]:
    """See `api.TraceReader.statistics`; `window_ns`: since and until."""
    first, last = _window(ask, *window_ns)
    tally = NameTally(first, last, buckets)
    of_pipeline = "AND run_id IN (SELECT run_id FROM runs WHERE pipeline_name = ?)"
    of_pipeline = of_pipeline if pipeline is not None else ""
    query = _PAGE.format(of_pipeline=of_pipeline)
    named = () if pipeline is None else (pipeline,)
    cursor: tuple[float, int] = (first, -1)
    while True:
        page = ask(query, (*cursor, last, *named, _PAGE_ROWS))
        for start, _, name, its_pipeline, seconds, failed in page:
            tally.add(name, its_pipeline, start, seconds, failed)
        if len(page) < _PAGE_ROWS:
            break
        cursor = page[-1][0], page[-1][1]
    for name, its_pipeline, tokens, metered, cost, priced, unpriced in ask(
        _SPENDING.format(of_pipeline=of_pipeline), (first, last, *named)
    ):
        usage = tokens if metered else None, cost if priced else None, int(unpriced)
        tally.spend(name, its_pipeline, usage)
    return tally.result()


def _window(ask: Ask, since_ns: int | None, until_ns: int | None) -> tuple[float, float]:
    """In seconds; what was not given, from the spans themselves."""
    [(first, last)] = ask(
        "SELECT (SELECT MIN(start_time) FROM spans), (SELECT MAX(start_time) FROM spans)", ()
    )
    return (
        (first or 0.0) if since_ns is None else since_ns / 1e9,
        (last or 0.0) if until_ns is None else until_ns / 1e9,
    )


@dataclass(slots=True)
class _Name:
    buckets: list[int]
    durations_ns: "array[int]" = field(default_factory=lambda: array("q"))
    errors: int = 0
    usage: tuple[int | None, float | None, int] = (None, None, 0)


class NameTally:
    """Adds spans up over the window from `first` to `last` (seconds), cut into equal buckets."""

    def __init__(self, first: float, last: float, buckets: int) -> None:
        self._first = first
        self._bucket_seconds = max((last - first) / buckets, 1e-9)
        self._buckets = buckets
        self._names: dict[tuple[str, str | None], _Name] = {}

    def add(
        self, name: str, pipeline: str | None, start: float, seconds: float, failed: bool
    ) -> None:
        """One ended span."""
        known = self._names.get((name, pipeline))
        if known is None:
            known = self._names[name, pipeline] = _Name([0] * self._buckets)
        known.durations_ns.append(min(round(seconds * 1e9), _LONGEST_NS))
        known.errors += failed
        bucket = int((start - self._first) / self._bucket_seconds)
        known.buckets[min(max(bucket, 0), self._buckets - 1)] += 1

    def spend(
        self, name: str, pipeline: str | None, usage: tuple[int | None, float | None, int]
    ) -> None:
        """Tokens, cost in USD and the count of unpriced ones of all spans of a name."""
        if (name, pipeline) in self._names:
            self._names[name, pipeline].usage = usage

    def result(self) -> list[NameStatistics]:
        """Most total time first."""
        found = [_statistics(*key, known) for key, known in self._names.items()]
        return sorted(found, key=lambda row: (-row.total_ns, row.name, row.pipeline or ""))


def _statistics(name: str, pipeline: str | None, known: _Name) -> NameStatistics:
    durations = sorted(known.durations_ns)
    total = sum(durations)
    return NameStatistics(
        name=name,
        count=len(durations),
        error_count=known.errors,
        mean_ns=total / len(durations),
        p50_ns=_percentile(durations, 50),
        p95_ns=_percentile(durations, 95),
        p99_ns=_percentile(durations, 99),
        total_ns=total,
        buckets=known.buckets,
        tokens=known.usage[0],
        cost_usd=known.usage[1],
        unpriced_count=known.usage[2],
        pipeline=pipeline,
    )


def _percentile(ordered: list[int], percent: int) -> int:
    """Nearest rank: the smallest value that `percent` of them do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
