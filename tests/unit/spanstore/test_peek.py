"""Looking into a database that is not ours: what is seen, and that a torn look is not believed."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.spanstore.peek import peek

PAGES_FULL = 2000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A WAL database of several pages, at rest."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x, filler)")
        rows = ((0, "f" * 100) for _ in range(PAGES_FULL))
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.commit()
    return path


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def sums(connection: sqlite3.Connection) -> tuple[int, int]:
    """(0, PAGES_FULL) before the writer's update, (PAGES_FULL, PAGES_FULL) after it."""
    answer: tuple[int, int] = connection.execute("SELECT SUM(x), COUNT(*) FROM t").fetchone()
    return answer


def update_and_checkpoint(writer: sqlite3.Connection) -> None:
    writer.execute("UPDATE t SET x = x + 1")
    writer.commit()
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def test_a_database_at_rest_is_read_without_side_files(path: Path) -> None:
    assert peek(path, sums) == (0, PAGES_FULL)
    assert [each.name for each in path.parent.iterdir()] == ["theirs.db"]


def test_what_a_killed_writer_left_behind_stays_as_it_is(path: Path) -> None:
    """Whoever closes such a database as one that it may write to empties its log into it."""
    child = os.fork()
    if child == 0:
        try:
            connection = sqlite3.connect(path)
            connection.execute("UPDATE t SET x = 1")
            connection.commit()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    files = path, path.with_name("theirs.db-wal")
    before = [each.read_bytes() for each in files]
    assert peek(path, sums) == (PAGES_FULL, PAGES_FULL)
    assert before == [each.read_bytes() for each in files]


def test_nothing_can_be_written_through_it(path: Path) -> None:
    for statement in ("DELETE FROM t", "PRAGMA user_version = 3", "CREATE TABLE u (x)"):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            peek(path, lambda connection, s=statement: connection.execute(s))  # type: ignore[misc]
    assert peek(path, sums) == (0, PAGES_FULL)


def test_a_file_that_changes_under_the_look_is_read_again(
    path: Path, writer: sqlite3.Connection
) -> None:
    answers = []

    def read(connection: sqlite3.Connection) -> tuple[int, int]:
        rows = connection.execute("SELECT x FROM t")
        first = [rows.fetchone()[0]]
        if not answers:
            update_and_checkpoint(writer)  # into the pages that this look has still to read
        found = first + [x for (x,) in rows]
        answers.append((sum(found), len(found)))
        return answers[-1]

    assert peek(path, read) == (PAGES_FULL, PAGES_FULL)
    assert len(answers) == 2


def test_a_writer_that_never_rests_is_read_under_sqlites_own_locks(
    path: Path, writer: sqlite3.Connection
) -> None:
    looks = []

    def read(connection: sqlite3.Connection) -> tuple[int, int]:
        if len(looks) < 5:
            update_and_checkpoint(writer)
        looks.append(1)
        return sums(connection)

    # The last look is not immutable, so the commit just made is in it.
    assert peek(path, read) == (5 * PAGES_FULL, PAGES_FULL)


def test_commits_that_are_only_in_the_wal_are_seen(path: Path, writer: sqlite3.Connection) -> None:
    writer.execute("UPDATE t SET x = 1")
    writer.commit()
    assert peek(path, sums) == (PAGES_FULL, PAGES_FULL)


def test_text_that_is_not_utf_8_does_not_stop_the_look(
    path: Path, writer: sqlite3.Connection
) -> None:
    writer.execute("INSERT INTO t VALUES (CAST(x'61FF' AS TEXT), NULL)")
    writer.commit()
    read = "SELECT x FROM t WHERE filler IS NULL"
    assert peek(path, lambda connection: connection.execute(read).fetchone()) == ("a\ufffd",)


def test_a_file_that_is_not_there_is_an_error_and_stays_so(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        peek(tmp_path / "none.db", sums)
    assert list(tmp_path.iterdir()) == []
