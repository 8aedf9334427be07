"""The database file: made right, never somebody else's, and opened by SQLite alone."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flujo_otel.errors import (
    DamagedDatabase,
    ForeignDatabase,
    NoDatabase,
    StoreError,
    StoreUnavailable,
)
from flujo_otel.model import Batch
from flujo_otel.spanstore.factory import open_writer
from flujo_otel.spanstore.sqlite import layout
from flujo_otel.spanstore.sqlite.connection import connect_for_writing
from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from flujo_otel.spanstore.sqlite.runlog import SQLiteRunLog
from flujo_otel.spanstore.sqlite.tracelog import SQLiteTraceLog
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import TRACE, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "flujo_otel.db"


def write(path: Path, *numbers: int) -> None:
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(number) for number in numbers]))
    writer.close()


def count(path: Path) -> int:
    reader = SQLiteTraceReader(path)
    try:
        return len(list(reader.spans(TRACE)))
    finally:
        reader.close()


def pragma(path: Path, name: str) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


def test_a_new_file_has_every_setting_that_only_a_new_file_can_take(path: Path) -> None:
    write(path, 1)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert {
        "page_size": 4096,
        "auto_vacuum": 2,
        "journal_mode": "wal",
        "application_id": 0x464C4F54,
        "user_version": len(layout.migrations()),
    } == {
        name: pragma(path, name)
        for name in ("page_size", "auto_vacuum", "journal_mode", "application_id", "user_version")
    }


def test_side_files_are_private_too(path: Path) -> None:
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(1)]))
    modes = {stat.S_IMODE(side.stat().st_mode) for side in path.parent.iterdir()}
    writer.close()
    assert {0o600} == modes


def test_an_empty_file_is_ours_to_use(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    write(path, 1)
    assert 1 == count(path)
    assert 2 == pragma(path, "auto_vacuum")


def _other_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (x)")
    connection.close()


def _other_program_without_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 77")
    connection.close()


def _newer_version(path: Path) -> None:
    write(path, 1)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _no_database(path: Path) -> None:
    path.write_text("this is a diary, not a database\n" * 100)


@pytest.mark.parametrize(
    "make", [_other_program, _other_program_without_tables, _newer_version, _no_database]
)
def test_a_file_that_is_not_ours_is_refused_and_not_altered(path: Path, make: object) -> None:
    path.parent.mkdir(parents=True)
    make(path)
    before = path.read_bytes()
    with pytest.raises(ForeignDatabase, match=str(path)):
        write(path, 1)
    with pytest.raises(ForeignDatabase, match=str(path)):
        SQLiteTraceReader(path)
    assert before == path.read_bytes()


def test_a_file_whose_schema_is_broken_is_damaged(path: Path) -> None:
    write(path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"CREATE TABLE runs", b"CREATE TABLE\x95runs"))
    with pytest.raises(DamagedDatabase, match="schema"):
        SQLiteTraceReader(path)
    with pytest.raises(StoreUnavailable, match="schema"):  # it may be moved away yet
        write(path, 2)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.db"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path):
        with pytest.raises(ForeignDatabase, match="not a database file"):
            SQLiteTraceReader(path)


def test_reading_never_makes_a_file(path: Path) -> None:
    with pytest.raises(NoDatabase):
        SQLiteTraceReader(path)
    assert not path.parent.exists()


def test_a_folder_where_the_file_should_be_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        write(tmp_path, 1)


def test_an_older_schema_is_brought_up_to_date_and_keeps_its_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, 1)
    steps = [*layout.migrations(), "CREATE TABLE later (x TEXT);\nINSERT INTO later VALUES ('y');"]
    monkeypatch.setattr("flujo_otel.spanstore.sqlite.connection.newest_version", lambda: len(steps))
    monkeypatch.setattr("flujo_otel.spanstore.sqlite.connection.migrations", lambda: steps)
    write(path, 2)
    assert 2 == count(path)
    assert len(steps) == pragma(path, "user_version")


def test_a_file_of_the_first_schema_is_brought_up_to_date(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = layout.migrations()[:1]
    monkeypatch.setattr("flujo_otel.spanstore.sqlite.connection.migrations", lambda: first)
    write(path, 1)
    assert 1 == pragma(path, "user_version")
    monkeypatch.undo()
    with pytest.raises(StoreError, match="has the older schema 1"):
        SQLiteTraceReader(path)
    write(path, 2)
    with closing(SQLiteTraceReader(path)) as reader:
        assert (2, 0) == (reader.count_spans(TRACE), reader.backlog().spans)


def test_what_writes_a_file_brings_it_up_to_date_where_it_reads_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed run loads its state, and a storage lists its traces, before it writes anything."""
    first = layout.migrations()[:1]
    monkeypatch.setattr("flujo_otel.spanstore.sqlite.connection.migrations", lambda: first)
    write(path, 1)
    older = path.with_name("older.db")
    shutil.copy(path, older)
    monkeypatch.undo()
    with closing(SQLiteRunLog(path)) as log:
        assert 1 == len(log.runs(None, None))
    with closing(SQLiteTraceLog(older)) as traces:
        assert 1 == len(traces.newest(10, None))
    assert 2 == pragma(path, "user_version") == pragma(older, "user_version")


def test_a_migration_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, 1)
    steps = [*layout.migrations(), "CREATE TABLE later (x);\nINSERT INTO nowhere VALUES (1);"]
    monkeypatch.setattr("flujo_otel.spanstore.sqlite.connection.migrations", lambda: steps)
    with pytest.raises(StoreUnavailable, match="nowhere"):
        write(path, 2)
    monkeypatch.undo()
    assert 1 == count(path)
    assert len(layout.migrations()) == pragma(path, "user_version")
    with closing(sqlite3.connect(path)) as connection:
        half_done = "SELECT name FROM sqlite_master WHERE name = 'later'"
        assert [] == connection.execute(half_done).fetchall()


@pytest.mark.parametrize("replace", ["deleted", "renamed", "replaced"])
def test_a_file_taken_away_is_made_anew_and_the_writing_goes_on(path: Path, replace: str) -> None:
    writer = SQLiteSpanWriter(path)
    writer.write(Batch([record(1)]))
    if replace == "renamed":
        path.rename(path.with_suffix(".old"))
    else:
        for side in path.parent.iterdir():
            side.unlink()
    if replace == "replaced":
        other = path.with_suffix(".other")
        write(other, 7)
        shutil.move(other, path)
    writer.write(Batch([record(2)]))
    writer.close()
    assert {"deleted": 1, "renamed": 1, "replaced": 2}[replace] == count(path)
    losses = SQLiteMaintenance(path).health().losses
    assert ["database_replaced"] == [loss.reason for loss in losses]


def test_nothing_but_sqlite_opens_a_file_that_the_process_may_have_open(path: Path) -> None:
    """A plain open() and close() drops the process's POSIX locks on it: measured, the WAL unlinked
    under us and the next 50 commits gone."""
    script = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from flujo_otel.model import Batch
        from flujo_otel.spanstore.factory import open_reader, open_writer
        from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
        from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
        from support.records import TRACE, record

        path = sys.argv[1]
        opened = []
        watching = False
        def watch(event, arguments):
            if watching and event == "open" and os.fspath(arguments[0]) == path:
                opened.append(arguments)

        sys.addaudithook(watch)
        writer = SQLiteSpanWriter(Path(path))
        writer.write(Batch([record(1)]))
        watching = True
        writer.write(Batch([record(2)]))
        second = open_writer(path)
        second.write(Batch([record(3)]))
        second.close()
        reader = open_reader(path)
        assert 3 == len(list(reader.spans(TRACE)))
        reader.close()
        SQLiteMaintenance(Path(path)).health()
        writer.close()
        assert not [a for a in opened if not (isinstance(a[2], int) and a[2] & os.O_EXCL)], opened
    """)
    environment = os.environ | {"PYTHONPATH": "tests"}
    subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=True)


def test_o_excl_never_opens_a_file_that_exists(path: Path) -> None:
    """The one plain open of ours fails before it opens anything where there is a file already."""
    write(path, 1)
    with pytest.raises(FileExistsError):
        os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)


def test_a_database_in_a_folder_that_cannot_be_written_can_be_read() -> None:
    """WAL wants a -shm file beside the database; who may not make one reads all the same."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        write(path, 1)
        nobody = 65534 if os.geteuid() == 0 else os.geteuid()
        os.chown(path, nobody, -1)
        Path(folder).chmod(0o555)
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setuid(nobody)
                os._exit(count(path))
            finally:
                os._exit(99)
        assert 1 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert ["a.db"] == [p.name for p in Path(folder).iterdir() if "-lock" not in p.name]
        Path(folder).chmod(0o700)


def damage(path: Path, kept_bytes: int) -> bytes:
    write(path, *range(1, 500))
    whole = bytearray(path.read_bytes())
    whole[kept_bytes:] = b"\xff" * (len(whole) - kept_bytes)
    path.write_bytes(whole)
    return bytes(whole)


@pytest.mark.parametrize("kept_bytes", [8192, 200_000])
def test_a_damaged_file_is_said_to_be_damaged_and_how_to_recover_it(
    path: Path, kept_bytes: int
) -> None:
    before = damage(path, kept_bytes)
    with pytest.raises(DamagedDatabase, match="recover"):
        count(path)
    with pytest.raises(StoreUnavailable, match="does not take writes"):
        write(path, 1000)
    assert before == path.read_bytes()


def test_health_names_the_damage_where_it_can_still_be_looked_for(path: Path) -> None:
    damage(path, 200_000)
    assert SQLiteMaintenance(path).health().integrity not in ("ok", "")


def test_durable_full_asks_for_a_sync_at_every_commit(path: Path) -> None:
    for durable, synchronous in (("normal", 1), ("full", 2)):
        connection = connect_for_writing(path, durable=durable)
        assert synchronous == connection.execute("PRAGMA synchronous").fetchone()[0]
        connection.close()


def test_sqlite_itself_makes_no_checkpoint_amid_a_commit(path: Path) -> None:
    """Ours take turns with other processes' writes (checkpoint.py)."""
    with closing(connect_for_writing(path)) as connection:
        assert [(0,)] == connection.execute("PRAGMA wal_autocheckpoint").fetchall()


def test_durable_is_a_setting_of_whoever_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for durable, synchronous in (("normal", 1), ("full", 2)):
        monkeypatch.setenv("FLUJO_OTEL_DURABLE", durable)
        writer = open_writer(path)
        writer.write(Batch([record(1)]))
        assert isinstance(writer, SQLiteSpanWriter)
        [(found,)] = writer._open.connection.execute("PRAGMA synchronous").fetchall()
        assert synchronous == found
        writer.close()
