"""Several processes on one file: nothing lost, nothing locked for ever, nothing corrupt."""

import asyncio
import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource as SDKResource
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel import process
from flujo_otel.errors import ForeignDatabase, StoreUnavailable
from flujo_otel.model import Batch, Loss, Resource, Scope
from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.sqlite import checkpoint
from flujo_otel.spanstore.sqlite.checkpoint import Checkpointer, Turns, has_wal_reset_fault
from flujo_otel.spanstore.sqlite.destinations import SQLiteDestinations
from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from flujo_otel.spanstore.sqlite.staging import pours
from flujo_otel.spanstore.sqlite.tuning import TRACED, Tuning
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from flujo_otel.storage.sqlite import SQLiteBackend
from flujo_otel.wire.sdk import to_batch
from flujo_otel.wire.span_snapshot import span_snapshot
from flujo_otel_exporter.losses import LossCounter, service_of
from support.records import TRACE, record

WRITER = """
import sys
from pathlib import Path
from flujo_otel.model import Batch, Loss, Resource, Scope
from flujo_otel.spanstore.sqlite.tuning import Tuning
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import record

path, who, batches = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
tuning = Tuning(checkpoint_after_bytes=20_000, backfills=who % 2 == 0)
writer = SQLiteSpanWriter(path, tuning=tuning)
for batch in range(batches):
    first = (who * 1000 + batch) * 100 + 1
    trace_id = f"{who + 1:032x}"
    writer.write(Batch([record(first + n, trace_id=trace_id) for n in range(50)]))
    print(batch, flush=True)
writer.close()
"""


def start(path: Path, who: int, batches: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(who), str(batches)],
        env=os.environ | {"PYTHONPATH": "tests"},
        stdout=subprocess.PIPE,
    )


def integrity(path: Path) -> str:
    return SQLiteMaintenance(path).health().integrity


def test_four_processes_that_start_at_once_on_no_file_store_every_span(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writers = [start(path, who, 40) for who in range(4)]
    for writer in writers:
        writer.communicate(timeout=120)
        assert 0 == writer.returncode
    health = SQLiteMaintenance(path).health()
    assert (8000, 4, "ok") == (health.span_count, health.run_count, health.integrity)
    with sqlite3.connect(path) as connection:
        numbers = [n for (n,) in connection.execute("SELECT change_seq FROM spans")]
    connection.close()
    assert (8000, 8000) == (len(set(numbers)), max(numbers))


def test_what_was_written_survives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for _ in range(3):
        writer = start(path, 0, 10_000)
        acknowledged = 0
        while acknowledged < 20:
            acknowledged = int(writer.stdout.readline()) + 1
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.communicate()[0].split()
        acknowledged = int(rest[-1]) + 1 if rest else acknowledged
        assert SQLiteMaintenance(path).health().span_count >= acknowledged * 50
        assert "ok" == integrity(path)


def test_a_locked_database_is_unavailable_and_takes_the_batch_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flujo_otel.spanstore.sqlite.connection.BUSY_TIMEOUT_SECONDS", 0.05)
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(1)]))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        writer.write(Batch([record(2)]))
    holder.execute("ROLLBACK")
    holder.close()
    writer.write(Batch([record(2)]))
    writer.close()


def test_a_full_database_is_unavailable_and_takes_the_batch_later(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(1)]))
    connection = writer._open.connection
    connection.execute("PRAGMA max_page_count = 60")
    big = [record(n, 1, attributes='{"a":"' + "x" * 5000 + '"}') for n in range(2, 200)]
    with pytest.raises(StoreUnavailable, match="full"):
        writer.write(Batch(big))
    connection.execute("PRAGMA max_page_count = 1000000")
    writer.write(Batch(big))
    writer.close()
    assert 199 == SQLiteMaintenance(path).health().span_count


def test_a_writer_may_be_closed_and_used_again(tmp_path: Path) -> None:
    writer = SQLiteSpanWriter(tmp_path / "a.db")
    writer.write(Batch([record(1)]))
    writer.close()
    writer.close()
    writer.write(Batch([record(2, 1)]))
    writer.close()
    assert 2 == SQLiteMaintenance(tmp_path / "a.db").health().span_count


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_which_sqlite_has_the_wal_reset_fault(version: tuple[int, ...], faulty: bool) -> None:
    assert faulty == has_wal_reset_fault(version)


def needing_turns(path: Path) -> Turns:
    turns = Turns(path)
    turns._needed = True
    return turns


def test_writers_share_their_turn_and_a_checkpoint_takes_it_alone(tmp_path: Path) -> None:
    one, other = needing_turns(tmp_path / "a.db"), needing_turns(tmp_path / "a.db")
    with one.writing(), other.writing(), needing_turns(tmp_path / "a.db").checkpointing() as alone:
        assert not alone
    with one.checkpointing() as alone:
        assert alone
        with other.checkpointing() as other_alone:
            assert not other_alone
    one.close()
    other.close()


def test_a_checkpoint_that_does_not_end_makes_nobody_wait_for_ever(tmp_path: Path) -> None:
    """Its process may have been stopped in the middle of it."""
    path = tmp_path / "a.db"
    turns = Turns(path, wait_seconds=0.05)
    turns._needed = True
    with (
        needing_turns(path).checkpointing() as alone,
        pytest.raises(StoreUnavailable, match="held by a checkpoint"),
        turns.writing(),
    ):
        assert alone
    with turns.writing():
        pass
    turns.close()


def test_what_was_not_written_is_nowhere_in_what_is_written_next(tmp_path: Path) -> None:
    """Whoever gave up on a batch has been told that it is not stored."""
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(1)]))
    writer._open = writer._open._replace(turns=needing_turns(path))
    writer._open.turns._wait_seconds = 0.01
    with (
        needing_turns(path).checkpointing(),
        pytest.raises(StoreUnavailable, match="held by a checkpoint"),
    ):
        writer.write(Batch([record(2), record(3)]))
    writer.write(Batch([record(4), record(5)]))
    writer.close()
    reader = SQLiteTraceReader(path)
    assert ["span-1", "span-4", "span-5"] == [span.name for span in reader.spans(TRACE)]
    reader.close()


def test_a_file_system_without_locks_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks = lambda fd, operation: -1, lambda: errno.EOPNOTSUPP
    monkeypatch.setattr(checkpoint, "_c_library", lambda: without_locks)
    turns = needing_turns(tmp_path / "a.db")
    with pytest.raises(StoreUnavailable, match="cannot be locked: Operation not"), turns.writing():
        pass
    turns.close()


def test_a_moment_without_file_descriptors_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    for free in range(6):
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + free, hard))
        try:
            with suppress(StoreUnavailable):
                writer.write(Batch([record(1)]))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    writer.write(Batch([record(1), record(2, 1)]))
    writer.close()
    assert 2 == SQLiteMaintenance(path).health().span_count


def read_without_a_gap(path: Path, is_over: Event) -> None:
    """Each read transaction ends after the next has begun."""
    connections = [
        sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        for _ in range(2)
    ]
    while not is_over.is_set():
        for connection in connections:
            connection.execute("BEGIN")
            connection.execute("SELECT COUNT(*) FROM runs").fetchall()
            connections[connection is connections[0]].rollback()
            is_over.wait(0.005)
    for connection in connections:
        connection.close()


def test_the_wal_does_not_grow_for_ever_while_readers_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_RESTART_EVERY_SECONDS", 0.0)
    path = tmp_path / "a.db"
    tuning = Tuning(checkpoint_after_bytes=100_000, restart_above_bytes=2_000_000)
    writer = SQLiteSpanWriter(path, tuning=tuning)
    payload = '{"a":"' + "x" * 1000 + '"}'
    writer.write(Batch([record(1)]))
    is_over = Event()
    reading = Thread(target=read_without_a_gap, args=(path, is_over))
    reading.start()
    for batch in range(60):
        writer.write(Batch([record(batch * 100 + n, attributes=payload) for n in range(100)]))
    is_over.set()
    reading.join()
    assert path.with_name("a.db-wal").stat().st_size < 4_000_000
    writer.close()
    assert "ok" == integrity(path)


def test_the_wal_does_not_grow_for_ever_by_connections_that_write_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(1)]))
    backend = SQLiteBackend(path)
    for number in range(30):
        output = {
            "step_name": "s",
            "step_index": 0,
            "status": "completed",
            "output": "x" * 1_000_000,
        }
        at = datetime.now(UTC)
        asyncio.run(
            backend.save_step_result(
                {"step_run_id": f"r:{number}", "run_id": "r", "start_time": at} | output
            )
        )
    assert path.with_name("a.db-wal").stat().st_size < 2 * TRACED.checkpoint_after_bytes
    writer.close()


def test_a_checkpoint_waits_for_nobody(tmp_path: Path) -> None:
    """Beside a reader in the middle of a transaction it does what it can and returns."""
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path, busy_timeout_seconds=60.0)
    writer.write(Batch([record(1)]))
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM spans").fetchall()
    checkpointer = Checkpointer(path, Turns(path))
    began = time.monotonic()
    checkpointer.wrote(writer._open.connection, TRACED.checkpoint_after_bytes)
    assert time.monotonic() - began < 30
    reader.close()
    writer.close()


def test_a_resource_and_a_scope_of_one_id_are_both_stored(tmp_path: Path) -> None:
    writer = SQLiteSpanWriter(tmp_path / "a.db")
    described, scope = Resource(7, "{}", "", b"same"), Scope(7, "", "", "", b"same")
    writer.write(Batch([record(1, resource_id=7, scope_id=7)], (described,), (scope,)))
    writer.close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        for table in ("resources", "scopes"):
            assert [(7, b"same")] == connection.execute(
                f"SELECT {table[:-1]}_id, otlp FROM {table}"
            ).fetchall()


def test_losses_are_counted_all_or_none(tmp_path: Path) -> None:
    writer = SQLiteSpanWriter(tmp_path / "a.db", busy_timeout_seconds=0.0)
    losses = [Loss(f"s{n}", "rejected", "why \udc80", 2, n, n) for n in range(4)]
    writer.count_losses(losses)
    connection = writer._open.connection
    connection.execute(
        "CREATE TEMP TRIGGER fails BEFORE UPDATE ON main.ledger WHEN NEW.service = 's2'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(StoreUnavailable):
        writer.count_losses(losses)
    writer.close()
    assert {2} == {loss.count for loss in SQLiteMaintenance(tmp_path / "a.db").health().losses}


def test_many_spans_of_one_id_cost_no_more_than_a_pour_each(tmp_path: Path) -> None:
    twins = [record(1, trace_id=f"{n:032x}", start_time_ns=n) for n in range(1, 300)]
    again = [twin._replace(end_time_ns=None, status="running") for twin in twins]
    assert [[twin] for twin in twins] == pours([*twins, *again])


def test_what_the_collector_cannot_name_is_nobodys(tmp_path: Path) -> None:
    writer = SQLiteSpanWriter(tmp_path / "a.db", service="")
    writer.write(Batch([record(1)]))
    writer.write(Batch([record(1, start_time_ns=5)]))
    writer.close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        assert [("", 2, 0)] == connection.execute("SELECT * FROM services").fetchall()
        assert [("", "id_reused")] == connection.execute(
            "SELECT service, reason FROM ledger"
        ).fetchall()


def test_a_program_that_names_no_service_has_one_name_wherever_it_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/srv/shop/__main__.py"])
    process._process.cache_clear()
    try:
        writer = SQLiteSpanWriter(tmp_path / "a.db")
        writer.write(Batch([record(1)]))
        writer.write(Batch([record(1, start_time_ns=5)]))
        losses = LossCounter()
        losses.count(service_of(SDKResource({})), "queue_full")
        writer.count_losses(losses.unreported())
        writer.close()
    finally:
        process._process.cache_clear()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        rows = connection.execute("SELECT service FROM services UNION SELECT service FROM ledger")
        assert [("python -m shop",)] == rows.fetchall()


def test_a_root_that_starts_at_the_end_of_time_is_a_run(tmp_path: Path) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    span: Any = tracer.start_span("late", start_time=1 << 70)
    span.end(end_time=1 << 70)
    writer = SQLiteSpanWriter(tmp_path / "a.db")
    batch = to_batch([span_snapshot(span._readable_span())], lambda *_: pytest.fail("refused"))
    assert [] == list(writer.write(batch).rejected)
    writer.close()
    reader = SQLiteTraceReader(tmp_path / "a.db")
    assert ["late"] == [run.pipeline_name for run in reader.list_runs(RunFilter(), 10)]
    reader.close()


def move_anothers_over(path: Path) -> bytes:
    """Another program's database in place of `path`, which is `old.db` from then on; its bytes."""
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.executemany("INSERT INTO theirs VALUES (?)", [(n,) for n in range(1000)])
        connection.commit()
    path.rename(path.with_name("old.db"))
    other.rename(path)
    return path.read_bytes()


def test_a_database_moved_over_ours_is_left_as_it_is(tmp_path: Path) -> None:
    """Our WAL lies beside its name; SQLite would replay it into the stranger's file."""
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(n) for n in range(1, 300)]))
    theirs = move_anothers_over(path)
    with pytest.raises(ForeignDatabase):
        writer.write(Batch([record(300)]))
    writer.close()
    assert theirs == path.read_bytes()
    assert 299 == SQLiteMaintenance(tmp_path / "old.db").health().span_count
    assert "ok" == integrity(tmp_path / "old.db")


def test_of_two_writers_the_one_that_notices_later_that_the_file_is_gone_costs_nothing(
    tmp_path: Path,
) -> None:
    """It has the old file's WAL open still: that may not be the new one's."""
    path = tmp_path / "a.db"
    one, other = SQLiteSpanWriter(path), SQLiteSpanWriter(path)
    one.write(Batch([record(1)]))
    other.write(Batch([record(2)]))
    path.rename(tmp_path / "old.db")
    one.write(Batch([record(3)]))
    other.write(Batch([record(4)]))
    one.write(Batch([record(5)]))
    one.close()
    other.close()
    assert 2 == SQLiteMaintenance(tmp_path / "old.db").health().span_count
    health = SQLiteMaintenance(path).health()
    assert (3, "ok") == (health.span_count, health.integrity)


def test_it_is_left_so_by_a_program_that_ends_then(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(n) for n in range(1, 300)]))
    theirs = move_anothers_over(path)
    writer.close()
    with closing(sqlite3.connect(path)) as connection:
        assert [(1000,)] == connection.execute("SELECT COUNT(*) FROM theirs").fetchall()
    assert theirs == path.read_bytes()
    assert 299 == SQLiteMaintenance(tmp_path / "old.db").health().span_count


def test_it_is_left_so_by_a_forwarder_that_notices_first(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer, forwarder = SQLiteSpanWriter(path), SQLiteDestinations(path)
    writer.write(Batch([record(n) for n in range(1, 300)]))
    forwarder.join("jaeger", "http://h:1", 0)
    writer.close()  # as at a fork
    theirs = move_anothers_over(path)
    for use in (forwarder.newest, lambda: writer.write(Batch([record(300)]))):
        with pytest.raises(ForeignDatabase):
            use()
    forwarder.close()
    assert theirs == path.read_bytes()
    with closing(SQLiteDestinations(tmp_path / "old.db", read_only=True)) as old:
        assert ["jaeger"] == [cursor.destination for cursor in old.cursors()]


def test_a_new_file_that_another_process_is_just_making_stays(tmp_path: Path) -> None:
    """It is empty for a moment, as one that was emptied is."""
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(1)]))
    path.rename(tmp_path / "old.db")
    path.touch()
    made = path.stat().st_ino
    writer.write(Batch([record(2)]))
    writer.close()
    assert (made, 1) == (path.stat().st_ino, SQLiteMaintenance(path).health().span_count)


def test_a_database_that_was_emptied_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(n) for n in range(1, 300)]))
    os.truncate(path, 0)
    writer.write(Batch([record(300)]))
    writer.close()
    health = SQLiteMaintenance(path).health()
    assert (1, "ok") == (health.span_count, health.integrity)
    assert ["database_replaced"] == [loss.reason for loss in health.losses]
