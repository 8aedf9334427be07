"""Every query and CREATE statement that FSD-08, FSD-09 and Trace Storage v2.0 print, as printed.

The queries run on a store that real flujo runs filled; what they answer is held against the spans
as the reader gives them. The CREATE statements run on an empty database, whose tables are compared.
"""

import os
import sqlite3
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from flujo_otel.model import Span
from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.factory import open_reader

pytestmark = pytest.mark.flujo

FAILED_SPANS = """
-- Find all failed spans across all runs
SELECT s.name, s.status, s.start_time, s.end_time, r.pipeline_name
FROM spans s
JOIN runs r ON s.run_id = r.run_id
WHERE s.status = 'failed'
ORDER BY s.start_time DESC;
"""

AVERAGE_DURATION = """
-- Calculate average span duration by name
SELECT name, AVG(end_time - start_time) as avg_duration, COUNT(*) as count
FROM spans
WHERE end_time IS NOT NULL
GROUP BY name
ORDER BY avg_duration DESC;
"""

SPECIFIC_ATTRIBUTES = """
-- Find spans with specific attributes
SELECT span_id, name, attributes
FROM spans
WHERE json_extract(attributes, '$.error_type') = 'timeout';
"""

PERFORMANCE_BY_PIPELINE = """
-- Performance analysis by pipeline
SELECT r.pipeline_name,
       COUNT(*) as total_spans,
       AVG(s.end_time - s.start_time) as avg_duration,
       SUM(CASE WHEN s.status = 'failed' THEN 1 ELSE 0 END) as failed_count
FROM spans s
JOIN runs r ON s.run_id = r.run_id
WHERE s.end_time IS NOT NULL
GROUP BY r.pipeline_name
ORDER BY avg_duration DESC;
"""

ERROR_PATTERNS = """
-- Error pattern analysis
SELECT name, status, COUNT(*) as count
FROM spans
WHERE status = 'failed'
GROUP BY name, status
ORDER BY count DESC;
"""

FSD_08 = """
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY,
    pipeline_name TEXT NOT NULL,
    pipeline_version TEXT NOT NULL,
    status TEXT NOT NULL,
    start_time TEXT NOT NULL,
    end_time TEXT,
    total_cost REAL,
    final_context_blob TEXT
);
CREATE INDEX IF NOT EXISTS idx_runs_status ON runs(status);
CREATE INDEX IF NOT EXISTS idx_runs_pipeline_name ON runs(pipeline_name);

CREATE TABLE IF NOT EXISTS steps (
    step_run_id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL,
    step_name TEXT NOT NULL,
    step_index INTEGER NOT NULL,
    status TEXT NOT NULL,
    start_time TEXT NOT NULL,
    end_time TEXT,
    duration_ms INTEGER,
    cost REAL,
    tokens INTEGER,
    input_blob TEXT,
    output_blob TEXT,
    error_blob TEXT,
    FOREIGN KEY(run_id) REFERENCES runs(run_id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS idx_steps_run_id ON steps(run_id);
"""

FSD_09 = """
CREATE TABLE IF NOT EXISTS traces (
    span_id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL,
    parent_span_id TEXT,
    name TEXT NOT NULL,
    start_time TEXT NOT NULL,
    end_time TEXT NOT NULL,
    attributes_json TEXT,
    FOREIGN KEY(run_id) REFERENCES runs(run_id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS idx_traces_run_id ON traces(run_id);
"""

V2_0 = """
CREATE TABLE spans (
    span_id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL,
    parent_span_id TEXT,
    name TEXT NOT NULL,
    start_time REAL NOT NULL,
    end_time REAL,
    status TEXT DEFAULT 'running',
    attributes TEXT, -- JSON for flexible metadata
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (run_id) REFERENCES runs(run_id) ON DELETE CASCADE,
    FOREIGN KEY (parent_span_id) REFERENCES spans(span_id) ON DELETE CASCADE
);

-- Performance indexes for efficient querying
CREATE INDEX idx_spans_run_id ON spans(run_id);
CREATE INDEX idx_spans_status ON spans(status);
CREATE INDEX idx_spans_name ON spans(name);
CREATE INDEX idx_spans_start_time ON spans(start_time);
CREATE INDEX idx_spans_parent_span_id ON spans(parent_span_id);
"""

PROGRAM = """
import asyncio
import flujo_otel

flujo_otel.configure()

from flujo import Flujo, step

@step
async def double(x: str) -> str:
    return x + x

@step
async def dawdle(x: str) -> str:
    await asyncio.wait_for(asyncio.sleep(60), timeout=0.02)
    return x

@step
async def spoil(x: str) -> str:
    raise ValueError("sour milk")

PIPELINES = {"works": double, "slow": double >> dawdle, "breaks": double >> spoil}

async def main() -> None:
    for name in ("works", "slow", "breaks", "works"):
        async for _ in Flujo(PIPELINES[name], pipeline_name=name).run_async("ab"):
            pass

asyncio.run(main())
"""

EVERY_SPAN = {
    ("works", "pipeline_run", "completed"): 2,
    ("works", "double", "completed"): 2,
    ("slow", "pipeline_run", "failed"): 1,
    ("slow", "double", "completed"): 1,
    ("slow", "dawdle", "failed"): 1,
    ("breaks", "pipeline_run", "failed"): 1,
    ("breaks", "double", "completed"): 1,
    ("breaks", "spoil", "failed"): 1,
}


class Store(NamedTuple):
    """The store as its SQL users see it, and the same spans as the reader gives them."""

    connection: sqlite3.Connection
    spans: list[tuple[str, Span]]
    """With the pipeline's name."""

    def query(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("runs")
    settings = ("FLUJO_", "OTEL_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(settings)}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=folder,
        env=environment | {"FLUJO_OTEL_RAISE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    path = folder / "flujo_otel.db"
    with closing(open_reader(path)) as reader:
        runs = [run for run in reader.list_runs(RunFilter(), 100) if run.origin is None]
        spans = [(run.pipeline_name, span) for run in runs for span in reader.spans(run.run_id)]
    with closing(sqlite3.connect(path)) as connection:
        yield Store(connection, spans)


def seconds(span: Span) -> float:
    assert span.duration_ns is not None
    return span.duration_ns / 1e9


def close_to(value: float) -> Any:
    # REAL seconds of Unix time are exact to 0.24 us.
    return pytest.approx(value, abs=1e-6)


def test_the_store_holds_every_span_of_the_runs(store: Store) -> None:
    found = Counter((pipeline, span.name, span.status) for pipeline, span in store.spans)
    assert found == EVERY_SPAN


def test_failed_spans_across_all_runs_newest_first(store: Store) -> None:
    failed = [(pipeline, span) for pipeline, span in store.spans if span.status == "failed"]
    failed.sort(key=lambda each: -each[1].start_time_ns)
    expected = [
        (
            span.name,
            "failed",
            close_to(span.start_time_ns / 1e9),
            close_to((span.end_time_ns or 0) / 1e9),
            pipeline,
        )
        for pipeline, span in failed
    ]
    assert store.query(FAILED_SPANS) == expected
    assert [(row[0], row[4]) for row in store.query(FAILED_SPANS)] == [
        ("spoil", "breaks"),
        ("pipeline_run", "breaks"),
        ("dawdle", "slow"),
        ("pipeline_run", "slow"),
    ]


def test_average_duration_by_name_longest_first(store: Store) -> None:
    durations = defaultdict(list)
    for _, span in store.spans:
        durations[span.name].append(seconds(span))
    rows = store.query(AVERAGE_DURATION)
    assert {row[0]: row[1:] for row in rows} == {
        name: (close_to(statistics.mean(each)), len(each)) for name, each in durations.items()
    }
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)


def test_spans_that_timed_out_are_found_by_their_error_type(store: Store) -> None:
    rows = store.query(SPECIFIC_ATTRIBUTES)
    timed_out = {
        (span.span_id, span.name)
        for pipeline, span in store.spans
        if pipeline == "slow" and span.status == "failed"
    }
    assert {row[:2] for row in rows} == timed_out
    assert {row[1] for row in rows} >= {"dawdle"}
    assert all('"error.type":"timeout"' in row[2] for row in rows)


def test_performance_by_pipeline_slowest_first(store: Store) -> None:
    durations = defaultdict(list)
    for pipeline, span in store.spans:
        durations[pipeline].append(seconds(span))
    failed = {"works": 0, "slow": 2, "breaks": 2}
    rows = store.query(PERFORMANCE_BY_PIPELINE)
    assert {row[0]: row[1:] for row in rows} == {
        name: (len(each), close_to(statistics.mean(each)), failed[name])
        for name, each in durations.items()
    }
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)


def test_error_patterns_most_frequent_first(store: Store) -> None:
    rows = store.query(ERROR_PATTERNS)
    assert rows[0] == ("pipeline_run", "failed", 2)
    assert set(rows[1:]) == {("dawdle", "failed", 1), ("spoil", "failed", 1)}


def test_traces_is_fsd_09s_table_over_the_same_spans(store: Store) -> None:
    rows = store.query(
        "SELECT span_id, run_id, parent_span_id, name, attributes_json, start_time, end_time"
        " FROM traces"
    )
    spans = store.query(
        "SELECT span_id, run_id, parent_span_id, name, attributes, start_time_ns, end_time_ns"
        " FROM spans"
    )
    expected = [(*row, _iso(start_ns), _iso(end_ns)) for *row, start_ns, end_ns in spans]
    assert sorted(expected) == sorted(rows)


def _iso(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    whole = datetime.fromtimestamp(time_ns // 10**9, UTC)
    return whole.replace(microsecond=time_ns // 1000 % 10**6).isoformat(timespec="microseconds")


class Column(NamedTuple):
    """What PRAGMA table_info says of one."""

    name: str
    type: str
    not_null: int
    default: str | None
    primary_key: int


def columns(connection: sqlite3.Connection, table: str) -> list[Column]:
    return [Column(*row[1:]) for row in connection.execute(f"PRAGMA table_info({table})")]


def foreign_keys(connection: sqlite3.Connection, table: str) -> set[tuple[Any, ...]]:
    """(table, from, to, on update, on delete, match)."""
    return {row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({table})")}


def indexes(connection: sqlite3.Connection, table: str) -> dict[str, tuple[Any, ...]]:
    """Those made by CREATE INDEX: by name, whether unique and partial, and the columns."""
    found = connection.execute(f"PRAGMA index_list({table})").fetchall()
    return {
        name: (
            unique,
            partial,
            [row[2] for row in connection.execute(f"PRAGMA index_info({name})")],
        )
        for _, name, unique, made_by, partial in found
        if made_by == "c"
    }


@pytest.fixture(scope="module")
def printed() -> Iterator[sqlite3.Connection]:
    """The statements as printed, run on an empty database."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for script in (FSD_08, V2_0, FSD_09):
            connection.executescript(script)
        yield connection


@pytest.mark.parametrize("table", ["runs", "steps", "spans"])
class TestSchema:
    def test_columns_are_the_printed_ones_in_order_and_ours_come_after_them(
        self, table: str, printed: sqlite3.Connection, store: Store
    ) -> None:
        expected = columns(printed, table)
        assert columns(store.connection, table)[: len(expected)] == expected

    def test_foreign_keys_are_the_printed_ones(
        self, table: str, printed: sqlite3.Connection, store: Store
    ) -> None:
        assert foreign_keys(store.connection, table) == foreign_keys(printed, table)

    def test_every_printed_index_is_there_on_the_same_columns(
        self, table: str, printed: sqlite3.Connection, store: Store
    ) -> None:
        expected = indexes(printed, table)
        found = indexes(store.connection, table)
        assert {name: found.get(name) for name in expected} == expected


def test_traces_has_fsd_09s_columns_in_order(printed: sqlite3.Connection, store: Store) -> None:
    expected = [column.name for column in columns(printed, "traces")]
    assert [column.name for column in columns(store.connection, "traces")] == expected
