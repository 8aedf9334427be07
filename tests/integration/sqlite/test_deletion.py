"""A large run is deleted in portions; whatever interrupts that leaves a run with fewer spans."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model import Batch
from flujo_otel.spanstore.maintenance import Deleted
from flujo_otel.spanstore.sqlite import deletion
from flujo_otel.spanstore.sqlite.checkpoint import Checkpointer
from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import BASE_NS, record

STEP = '{"flujo.step.type":"Step"}'
PORTION = 4


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run `large` of 11 spans, two of which are of a clock that was slow, and a run inside it."""
    monkeypatch.setattr(deletion, "_SPANS_AT_ONCE", PORTION)
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(
        Batch(
            [
                *(
                    record(n, max(n - 3, 1), role=1, attributes=STEP, run_id="large")
                    for n in (2, 3)
                ),
                *(record(n, n - 1, status="failed", run_id="large") for n in (4, 5, 6)),
                *(record(n, 6, status="running", run_id="large") for n in (7, 8, 9)),
                *(record(n, 9, start_time_ns=BASE_NS, run_id="large") for n in (10, 11)),
                record(1, role=2, run_id="large"),
                record(12, 9, role=2, run_id="inner"),
            ]
        )
    )
    writer.close()
    return path


def after_each_write(monkeypatch: pytest.MonkeyPatch, call: Callable[[], None]) -> None:
    monkeypatch.setattr(Checkpointer, "wrote", lambda *_: call())


def ask(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_it_goes_in_portions_each_a_transaction_the_latest_spans_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[list[str]] = []
    of_run = "SELECT name FROM spans WHERE run_id = 'large' ORDER BY rowid"
    after_each_write(monkeypatch, lambda: left.append([name for (name,) in ask(path, of_run)]))
    assert list(SQLiteMaintenance(path).delete_runs(["large"])) == [Deleted("large", True)]
    spans = [f"span-{n}" for n in (2, 3, 4, 5, 10, 11, 1)]
    assert left[:3] == [spans, ["span-10", "span-11", "span-1"], []]
    assert ask(path, "SELECT run_id FROM runs") == [("inner",)]


@pytest.mark.parametrize("transactions", [1, 2])
def test_what_is_left_of_it_where_it_was_interrupted_is_a_run_with_fewer_spans(
    path: Path, monkeypatch: pytest.MonkeyPatch, transactions: int
) -> None:
    told: list[int] = []

    def interrupt() -> None:
        told.append(1)
        if len(told) == transactions:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        after_each_write(patched, interrupt)
        list(SQLiteMaintenance(path).delete_runs(["large"]))
    counted = ask(
        path,
        "SELECT COUNT(*), TOTAL(status = 'failed'), TOTAL(status = 'running') FROM spans"
        " WHERE run_id = 'large'",
    )
    assert counted[0][0] == 11 - PORTION * transactions
    counts = "SELECT span_count, error_count, running_count FROM runs WHERE run_id = 'large'"
    assert ask(path, counts) == counted
    spans = "(SELECT span_id FROM spans)"
    assert ask(path, f"SELECT name FROM spans WHERE parent_span_id NOT IN {spans}") == []
    assert ask(path, f"SELECT step_name FROM steps WHERE span_id NOT IN {spans}") == []
    assert ask(path, "SELECT run_id FROM run_traces ORDER BY 1") == [("inner",), ("large",)]

    assert list(SQLiteMaintenance(path).delete_runs(["large"])) == [Deleted("large", True)]
    assert ask(path, "SELECT name, parent_span_id FROM spans") == [("span-12", None)]
    assert ask(path, "SELECT * FROM steps") == []
