"""However spans arrive, runs and steps add up to what a plain walk over the tree says."""

import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flujo_otel.model import Batch, SpanRecord
from flujo_otel.model.record import Role
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import OTHER_TRACE, TRACE, record, span_id

SPANS = 14
COSTS = st.none() | st.sampled_from([0.0, 0.25, 0.1, 1e-9, 3.7])
TOKENS = st.none() | st.integers(0, 1000)


class Total(NamedTuple):
    cost: float | None = None
    tokens: int | None = None
    unpriced: int = 0


class Expected(NamedTuple):
    runs: dict[str, Total]
    steps: dict[tuple[str, str], Total]


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[SpanRecord]]:
    """Trees in two traces whose span ids overlap. Some spans name a run, some parents never come;
    cut into batches in any order, some sent twice, some first as running with other usage."""
    spans = [
        record(
            number,
            draw(st.none() | st.sampled_from([*range(number), SPANS + 2])),
            trace_id=trace_id,
            run_id=draw(st.sampled_from([None, None, None, None, "run-a", "run-b"])),
            role=int(draw(st.sampled_from([Role.PLAIN, Role.STEP]))),
            cost_usd=draw(COSTS),
            tokens=draw(TOKENS),
        )
        for trace_id in (TRACE, OTHER_TRACE)
        for number in range(draw(st.integers(0, SPANS)))
    ]
    sent = list(spans)
    for span in spans:
        if draw(st.integers(0, 3)) == 0:
            sent.append(span)
        if draw(st.integers(0, 2)) == 0:
            sent.append(
                span._replace(
                    status="running",
                    end_time_ns=None,
                    cost_usd=draw(COSTS),
                    tokens=draw(TOKENS),
                    otlp=b"open",
                )
            )
    random.Random(draw(st.integers())).shuffle(sent)
    size = draw(st.integers(1, 9))
    return [sent[at : at + size] for at in range(0, len(sent), size)]


def expected(spans: list[SpanRecord], runs: dict[tuple[str, str], str]) -> Expected:
    """A walk over the whole tree, once for each span."""
    children = defaultdict(list)
    for span in spans:
        if span.otel_parent_id is not None:
            children[span.trace_id, span.otel_parent_id].append(span)

    def beneath(span: SpanRecord) -> Iterator[SpanRecord]:
        todo = list(children[span.trace_id, span.otel_span_id])
        while todo:
            each = todo.pop()
            yield each
            todo += children[each.trace_id, each.otel_span_id]

    def counted(span: SpanRecord) -> Total:
        below = list(beneath(span))
        cost = None if any(each.cost_usd is not None for each in below) else span.cost_usd
        tokens = None if any(each.tokens is not None for each in below) else span.tokens
        is_priced = any(each.cost_usd is not None for each in (span, *below))
        return Total(cost, tokens, tokens is not None and not is_priced)

    parts = {(span.trace_id, span.otel_span_id): counted(span) for span in spans}

    def total(some: list[SpanRecord]) -> Total:
        each = [parts[span.trace_id, span.otel_span_id] for span in some]
        costs = [part.cost for part in each if part.cost is not None]
        tokens = [part.tokens for part in each if part.tokens is not None]
        unpriced = sum(part.unpriced for part in each)
        return Total(sum(costs) if costs else None, sum(tokens) if tokens else None, unpriced)

    by_run = defaultdict(list)
    for span in spans:
        by_run[runs[span.trace_id, span.otel_span_id]].append(span)
    steps = {}
    for span in spans:
        if span.role & Role.STEP:
            below = total(list(beneath(span)))
            steps[span.trace_id, span.otel_span_id] = Total(
                span.cost_usd if below.cost is None else below.cost,
                span.tokens if below.tokens is None else below.tokens,
                below.unpriced + parts[span.trace_id, span.otel_span_id].unpriced,
            )
    return Expected({run_id: total(some) for run_id, some in by_run.items()}, steps)


def stored(path: Path) -> tuple[Expected, dict[tuple[str, str], str]]:
    with sqlite3.connect(path) as connection:
        runs = connection.execute(
            "SELECT run_id, total_cost, total_tokens, unpriced_count FROM runs"
        ).fetchall()
        steps = connection.execute(
            """
            SELECT s.trace_id, s.otel_span_id, t.cost, t.tokens, t.unpriced_count
            FROM steps t JOIN spans s ON s.span_id = t.span_id
            """
        ).fetchall()
        filed = connection.execute("SELECT trace_id, otel_span_id, run_id FROM spans").fetchall()
    connection.close()
    return (
        Expected(
            {row[0]: Total(*row[1:]) for row in runs},
            {row[:2]: Total(*row[2:]) for row in steps},
        ),
        {row[:2]: row[2] for row in filed},
    )


def write(path: Path, batches: list[list[SpanRecord]]) -> None:
    writer = SQLiteSpanWriter(path)
    for batch in batches:
        writer.write(Batch(batch))
    writer.close()


def check(path: Path, spans: list[SpanRecord]) -> None:
    found, runs = stored(path)
    wanted = expected(spans, runs)
    for part in ("runs", "steps"):
        for key, total in getattr(wanted, part).items():
            assert same(total, getattr(found, part)[key]), (part, key, total, getattr(found, part))
    assert wanted.runs.keys() == found.runs.keys()
    assert wanted.steps.keys() == found.steps.keys()


def same(one: Total, other: Total) -> bool:
    if (one.cost is None) != (other.cost is None):
        return False
    return one[1:] == other[1:] and (one.cost or 0) == pytest.approx(other.cost or 0)


@settings(max_examples=150, deadline=None)
@given(arrivals())
def test_totals_do_not_depend_on_how_spans_arrive(batches: list[list[SpanRecord]]) -> None:
    ended = {
        (span.trace_id, span.otel_span_id): span
        for batch in batches
        for span in batch
        if span.status != "running"
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        write(path, batches)
        if batches:
            check(path, list(ended.values()))


@settings(max_examples=30, deadline=None)
@given(arrivals())
def test_totals_are_right_after_every_batch(batches: list[list[SpanRecord]]) -> None:
    """Not only once all has come: a live view shows them meanwhile."""
    latest: dict[tuple[str, str], SpanRecord] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        writer = SQLiteSpanWriter(path)
        for batch in batches:
            writer.write(Batch(batch))
            for span in batch:
                key = span.trace_id, span.otel_span_id
                if span.status != "running" or latest.get(key, span).status == "running":
                    latest[key] = span
            check(path, list(latest.values()))
        writer.close()


def chat(number: int, parent: int | None, /, **given: object) -> SpanRecord:
    return record(number, parent, **{"cost_usd": 0.5, "tokens": 10, **given})


def test_a_span_that_moves_to_another_parent_takes_its_usage_along(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    one, two = (record(number, 0, role=int(Role.STEP), tokens=99) for number in (1, 2))
    call = chat(3, 1)
    moved = call._replace(otel_parent_id=span_id(2), otlp=b"moved")
    write(path, [[record(0), one, two], [call], [moved]])
    check(path, [record(0), one, two, moved])


def test_a_chain_of_thousands_counts_its_last(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    chain = [chat(number, number - 1 if number else None) for number in range(3000)]
    write(path, [chain[at : at + 500] for at in range(0, 3000, 500)])
    found, _ = stored(path)
    assert {TRACE: Total(0.5, 10)} == found.runs


def test_parents_that_go_round_in_a_circle_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    write(path, [[chat(1, 2), chat(2, 1), chat(3, 3)], [chat(4, 1)]])
    found, _ = stored(path)
    assert Total(0.5, 10) == found.runs[TRACE]
