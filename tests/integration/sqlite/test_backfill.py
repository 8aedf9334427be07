"""Copying the WAL beside writers: it does not start anew meanwhile, which SQLite's fault needs."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event, Thread

import pytest

from flujo_otel.model import Batch
from flujo_otel.spanstore.sqlite import backfill
from flujo_otel.spanstore.sqlite.backfill import Backfill
from flujo_otel.spanstore.sqlite.connection import connect_for_backfill
from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
from flujo_otel.spanstore.sqlite.opened import Opened, open_database
from flujo_otel.spanstore.sqlite.tuning import Tuning
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import record

_LONG_SECONDS = 60
_SALTS = slice(16, 24)
"""In a WAL's header: other ones each time that it starts anew."""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    opened = open_database(tmp_path / "a.db", "normal")
    yield opened
    opened.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Copying begins once this is set."""
    event, copy = Event(), backfill._copy

    def copy_later(copier: sqlite3.Connection, held: ExitStack) -> None:
        event.wait(_LONG_SECONDS)
        copy(copier, held)

    monkeypatch.setattr(backfill, "_copy", copy_later)
    yield event
    event.set()


def salts(opened: Opened) -> bytes:
    return opened.path.with_name("a.db-wal").read_bytes()[_SALTS]


def copied(opened: Opened) -> bool:
    """Whether a checkpoint copies all there is."""
    _, frames, done = opened.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return bool(frames == done)


def change(opened: Opened) -> None:
    opened.connection.execute("UPDATE sequence SET value = value + 1")


def test_the_wal_does_not_start_anew_before_the_copying_is_done(
    opened: Opened, held: Event
) -> None:
    # Nothing is left to copy: a reader that came now would hold nobody off.
    opened.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    copying = Backfill(opened.path, opened.writer_id)
    copying.start(opened.connection)
    before = salts(opened)
    assert copied(opened)
    change(opened)
    assert before == salts(opened)

    held.set()
    copying.join()
    assert copied(opened)
    change(opened)
    assert before != salts(opened)


def test_what_the_wal_held_is_in_the_database(opened: Opened) -> None:
    change(opened)
    copying = Backfill(opened.path, opened.writer_id)
    copying.start(opened.connection)
    copying.join()
    assert not copying.is_running
    with closing(sqlite3.connect(f"{opened.path.as_uri()}?immutable=1", uri=True)) as without_wal:
        assert (1,) == without_wal.execute("SELECT value FROM sequence").fetchone()


def test_another_file_of_that_name_is_left_alone(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is copied by whoever uses it, with the locks that it needs."""
    other_path = tmp_path / "other.db"
    other = open_database(other_path, "normal")
    monkeypatch.setattr(
        backfill, "connect_for_backfill", lambda _: connect_for_backfill(other_path)
    )
    copying = Backfill(opened.path, opened.writer_id)
    copying.start(opened.connection)
    copying.join()
    with closing(sqlite3.connect(f"{other_path.as_uri()}?immutable=1", uri=True)) as without_wal:
        assert [] == without_wal.execute("SELECT name FROM sqlite_master").fetchall()
    other.close()


def test_without_a_thread_the_checkpoint_does_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path, tuning=Tuning(checkpoint_after_bytes=1, backfills=True))
    monkeypatch.setattr(Thread, "start", no_thread)
    for number in range(1, 4):
        writer.write(Batch([record(number)]))
    # The reader that would have held the WAL is gone: what the second one wrote is copied.
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as without_wal:
        assert (2,) <= without_wal.execute("SELECT COUNT(*) FROM spans").fetchone()
    writer.close()


def test_spans_are_written_while_it_copies(tmp_path: Path, held: Event) -> None:
    path = tmp_path / "a.db"
    writer = SQLiteSpanWriter(path, tuning=Tuning(checkpoint_after_bytes=1, backfills=True))
    for number in range(1, 50):
        writer.write(Batch([record(number)]))
    opened = writer._open
    assert opened is not None
    assert opened.checkpointer._backfill is not None
    assert opened.checkpointer._backfill.is_running
    held.set()
    for number in range(50, 100):
        writer.write(Batch([record(number)]))
    writer.close()
    assert not opened.checkpointer._backfill.is_running
    health = SQLiteMaintenance(path).health()
    assert (99, "ok") == (health.span_count, health.integrity)
