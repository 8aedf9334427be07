"""What is found out about a file by trying and counting, and that this changes nothing."""

import fcntl
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.model import Batch, Resource, SpanRecord
from flujo_otel.spanstore.sqlite import diagnosis
from flujo_otel.spanstore.sqlite.changes import SQLiteChangeFeed
from flujo_otel.spanstore.sqlite.diagnosis import SQLiteDiagnostician
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import record

API = Resource(1, '{"service.name": "api"}', "", b"")
WEB = Resource(2, '{"service.name": "web"}', "", b"")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flujo_otel.db"


def write(path: Path, *records: SpanRecord) -> None:
    writer = SQLiteSpanWriter(path)
    assert not writer.write(Batch(records, (API, WEB))).rejected
    writer.close()


def test_what_came_in_is_counted_per_service_with_what_came_again(path: Path) -> None:
    spans = [record(1), record(2, 1), record(3, 1, resource_id=2)]
    write(path, *spans)
    write(path, spans[0])
    found = SQLiteDiagnostician(path).diagnose()
    assert [("api", 3, 1), ("web", 1, 0)] == [tuple(service) for service in found.services]


def test_spans_whose_parent_is_not_here_are_counted_per_service(path: Path) -> None:
    write(path, record(1), record(2, 1), record(3, 77), record(4, 78), record(5, 79, resource_id=2))
    found = SQLiteDiagnostician(path).diagnose()
    assert [("api", 2), ("web", 1)] == [tuple(orphans) for orphans in found.orphans]
    assert 5 == found.orphans_among


def test_a_root_with_a_parent_elsewhere_and_a_span_of_just_now_are_no_orphans(path: Path) -> None:
    write(path, record(1, 77, role=2), record(2, 78, start_time_ns=time.time_ns()))
    assert [] == SQLiteDiagnostician(path).diagnose().orphans


def test_only_the_newest_are_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_PAGE_ROWS", 10)
    monkeypatch.setattr(diagnosis, "_LOOKED_AT", 30)
    write(path, *(record(number, 999) for number in range(1, 102)))
    found = SQLiteDiagnostician(path).diagnose()
    assert [("api", 30)] == [tuple(orphans) for orphans in found.orphans]
    assert 30 == found.orphans_among


def test_a_sound_file_takes_writes_and_looking_leaves_it_as_it_was(path: Path) -> None:
    write(path, record(1))
    before = path.read_bytes()
    assert "" == SQLiteDiagnostician(path).diagnose().obstacle
    assert before == path.read_bytes()
    path.with_name(path.name + "-lock").unlink(missing_ok=True)
    SQLiteDiagnostician(path).diagnose()
    assert not path.with_name(path.name + "-lock").exists()


def test_what_is_in_the_log_stays_there(path: Path) -> None:
    """Not even the end of the look is a checkpoint."""
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(1)], (API,)))
    log = path.with_name(path.name + "-wal")
    before = log.read_bytes()
    assert before
    SQLiteDiagnostician(path).diagnose()
    assert before == log.read_bytes()
    writer.close()


def test_a_lock_that_is_not_let_go_is_an_obstacle(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "_WAIT_SECONDS", 0.05)
    write(path, record(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "database is locked" == SQLiteDiagnostician(path).diagnose().obstacle
        other.execute("ROLLBACK")
    assert "" == SQLiteDiagnostician(path).diagnose().obstacle


def test_a_checkpoint_that_does_not_end_is_an_obstacle(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr("flujo_otel.spanstore.sqlite.checkpoint.has_wal_reset_fault", lambda: True)
    write(path, record(1))
    lock = os.open(path.with_name(path.name + "-lock"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert "checkpoint that does not end" in SQLiteDiagnostician(path).diagnose().obstacle
    os.close(lock)


def test_a_feed_on_a_file_at_rest_sees_what_is_written_from_then_on(path: Path) -> None:
    """Where the folder is not the reader's to write to, such a file is opened as one that never
    changes; this is the same to SQLite."""
    write(path, record(1))
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    feed = SQLiteChangeFeed(path)
    feed._connection.close()
    feed._connection = sqlite3.Connection(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    feed._file = feed._file._replace(has_wal=False)
    start = feed.position()
    write_and_stay = SQLiteSpanWriter(path)
    write_and_stay.write(Batch([record(2, 1)]))
    assert ["span-2"] == [change.span.name for change in feed.spans(start).items]
    write_and_stay.close()
    feed.close()
