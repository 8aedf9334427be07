"""However spans arrive, the store ends up saying the same of them."""

import random
import sqlite3
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from flujo_otel.model import Batch, SpanRecord
from flujo_otel.model.record import Role
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import OTHER_TRACE, TRACE, record

SPANS = 12


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[SpanRecord]]:
    """Spans of two traces whose ids overlap: some name a run, some have parents that go round in a
    circle or never come; cut into batches in any order, some sent twice, some first as running."""
    spans = [
        record(
            number,
            draw(st.none() | st.integers(0, SPANS + 2)),
            trace_id=trace_id,
            run_id=draw(st.sampled_from([None, None, None, "run-a", "run-b"])),
            status=draw(st.sampled_from(["completed", "completed", "failed"])),
            role=int(draw(st.sampled_from([Role.PLAIN, Role.STEP]))),
        )
        for trace_id in (TRACE, OTHER_TRACE)
        for number in range(draw(st.integers(0, SPANS)))
    ]
    sent = list(spans)
    for span in spans:
        if draw(st.booleans()):
            sent.append(span)
        if draw(st.integers(0, 3)) == 0:
            sent.append(span._replace(status="running", end_time_ns=None, otlp=b"open"))
    random.Random(draw(st.integers())).shuffle(sent)
    size = draw(st.integers(1, 8))
    return [sent[at : at + size] for at in range(0, len(sent), size)]


def expected_run(span: SpanRecord, spans: dict[tuple[str, str], SpanRecord]) -> str | None:
    """The nearest ancestor that names a run decides, else the trace; None: a circle of parents,
    where there is no nearest, so that any answer will do."""
    seen = set()
    at: SpanRecord | None = span
    while at is not None:
        if at.run_id is not None:
            return at.run_id
        if at.otel_span_id in seen:
            return None
        seen.add(at.otel_span_id)
        at = spans.get((at.trace_id, at.otel_parent_id or ""))
    return span.trace_id


@settings(max_examples=150, deadline=None)
@given(arrivals())
def test_runs_and_counts_do_not_depend_on_how_spans_arrive(batches: list[list[SpanRecord]]) -> None:
    ended = {
        (span.trace_id, span.otel_span_id): span
        for batch in batches
        for span in batch
        if span.status != "running"
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        writer = SQLiteSpanWriter(path)
        for batch in batches:
            writer.write(Batch(batch))
        writer.close()
        if batches:
            check(path, ended)


def check(path: Path, ended: dict[tuple[str, str], SpanRecord]) -> None:
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT trace_id, otel_span_id, status, run_id, change_seq FROM spans"
        ).fetchall()
        runs = connection.execute(
            "SELECT run_id, span_count, error_count, running_count FROM runs"
        ).fetchall()
        steps = connection.execute("SELECT run_id, span_id FROM steps").fetchall()
        step_spans = connection.execute(
            "SELECT span_id, run_id FROM spans WHERE role = 1"
        ).fetchall()
        statuses = dict(connection.execute("SELECT run_id, status FROM runs").fetchall())
        sequence = connection.execute("SELECT value FROM sequence").fetchone()[0]
    connection.close()
    assert {key: span.status for key, span in ended.items()} == {r[:2]: r[2] for r in rows}
    for trace_id, span_id, _, run_id, _ in rows:
        expected = expected_run(ended[trace_id, span_id], ended)
        assert expected in (run_id, None)
    counted = Counter(row[3] for row in rows)
    failed = Counter(row[3] for row in rows if row[2] == "failed")
    assert [(run, counted[run], failed[run], 0) for run in sorted(counted)] == sorted(runs)
    assert sorted((run, span) for span, run in step_spans) == sorted(steps)
    assert {run: "failed" if failed[run] else "completed" for run in counted} == statuses
    numbers = [row[4] for row in rows]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) <= sequence
