"""Connections to our file, for writing and for reading.

The standard library's sqlite3 and no other: two SQLite libraries in one process on one file drop
each other's locks.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

from flujo_otel.errors import (
    ForeignDatabase,
    NoDatabase,
    StoreError,
    StoreUnavailable,
    StoreUnopenable,
)
from flujo_otel.spanstore.sqlite import faults
from flujo_otel.spanstore.sqlite.layout import Layout, inspect, migrate, migrations, newest_version
from flujo_otel.spanstore.sqlite.sides import make_writable
from flujo_otel.spanstore.sqlite.tuning import TRACED

BUSY_TIMEOUT_SECONDS: Final = 5.0
OLDEST_SQLITE: Final = (3, 35, 0)
"""UPDATE FROM, and ON CONFLICT without a target."""
_PAGE_SIZE: Final = 4096
_INCREMENTAL: Final = 2
_CACHED_STATEMENTS: Final = 32
"""`staging` has eleven of fixed sizes."""


def connect_for_writing(
    path: Path,
    *,
    durable: Literal["normal", "full"] = "normal",
    busy_timeout_seconds: float | None = None,
    cache_bytes: int = TRACED.cache_bytes,
) -> sqlite3.Connection:
    """Open our file, making it (mode 0600), its folders and its tables where they are missing.

    Raises ForeignDatabase, StoreUnavailable for what may pass (StoreUnopenable where that is
    neither a lock nor a full disk), and StoreError where this Python's SQLite is too old.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise StoreError(
            f"This Python has SQLite {sqlite3.sqlite_version}; flujo-otel needs {needed} or newer."
        )
    busy_seconds = BUSY_TIMEOUT_SECONDS if busy_timeout_seconds is None else busy_timeout_seconds
    try:
        _create(path)
        make_writable(path)
        connection = _connect(f"{path.absolute().as_uri()}?mode=rw", busy_seconds)
    except (OSError, sqlite3.OperationalError) as error:
        raise _unavailable(error)(f"{path} cannot be opened for writing: {error}.") from error
    try:
        _prepare(connection, path)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable == 'full' else 'NORMAL'}")
        # Checkpoints are ours to time (checkpoint.py); foreign keys hold only where rows are
        # deleted (children come before their parents); TEMP tables never touch the disk.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        # Debian's SQLite writes zeros over all that is deleted. That is right for spans; what is
        # staged never leaves memory, and to overwrite it was 3 % of writing.
        connection.execute("PRAGMA temp.secure_delete = OFF")
        connection.execute(f"PRAGMA cache_size = -{cache_bytes // 1024}")
    except sqlite3.OperationalError as error:
        connection.close()
        raise _unavailable(error)(f"{path} cannot be prepared for writing: {error}.") from error
    except BaseException:
        connection.close()
        raise
    return connection


def connect_for_backfill(path: Path) -> sqlite3.Connection:
    """Open our file, which is there, to copy its WAL and for nothing else; it never waits for a
    lock. Raises sqlite3.OperationalError."""
    connection = _connect(f"{path.absolute().as_uri()}?mode=rw", 0.0)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def connect_for_reading(path: Path, *, upgrade: bool = False) -> sqlite3.Connection:
    """Open our file read-only. Never makes it; alters it only to `upgrade` an older schema, for
    those who write it too: what a run goes on with is read before anything is written.

    Raises NoDatabase, ForeignDatabase, StoreUnavailable, or StoreError for an older schema.
    """
    if not path.exists():
        raise NoDatabase(f"No database at {path}.")
    if not path.is_file():
        # Before SQLite tries: opening a FIFO waits for its other end.
        raise ForeignDatabase(f"{path} is a folder or a device, not a database file.")
    connection, layout, version = _inspected(path)
    known = newest_version()
    if layout is Layout.EMPTY:
        connection.close()
        raise NoDatabase(f"{path} is empty: nothing has been traced into it yet.")
    if version < known:
        connection.close()
        if upgrade:
            connect_for_writing(path).close()
            return connect_for_reading(path)
        raise StoreError(
            f"{path} has the older schema {version}, this flujo-otel reads {known}: the next "
            "program traced into it brings it up to date."
        )
    return connection


def read_once(path: Path, query: str, values: Any) -> list[Any]:
    """All rows of `query`, over a connection of its own; none where there is no file yet. An older
    schema is brought up to date. Raises ForeignDatabase, StoreUnavailable and DamagedDatabase."""
    try:
        with (
            faults.using(path),
            closing(connect_for_reading(path, upgrade=True)) as connection,
        ):
            return connection.execute(query, values).fetchall()
    except NoDatabase:
        return []


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction, which ends with the block."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _inspected(path: Path) -> tuple[sqlite3.Connection, Layout, int]:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        return _open_and_inspect(uri, path)
    except sqlite3.OperationalError as error:
        if path.with_name(path.name + "-wal").exists():
            raise StoreUnavailable(f"{path} cannot be read: {error}.") from error
    try:
        # At rest in a folder where this user may not make the -shm file that WAL wants.
        return _open_and_inspect(uri + "&immutable=1", path)
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path} cannot be read: {error}.") from error


def _open_and_inspect(uri: str, path: Path) -> tuple[sqlite3.Connection, Layout, int]:
    connection = _connect(uri, BUSY_TIMEOUT_SECONDS)
    try:
        return connection, *inspect(connection, path, newest_version())
    except BaseException:
        connection.close()
        raise


def _unavailable(error: OSError | sqlite3.OperationalError) -> type[StoreUnavailable]:
    if isinstance(error, OSError):
        passes = error.errno in (errno.ENOSPC, errno.EDQUOT)
    else:
        code = error.sqlite_errorcode & 0xFF
        passes = code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
    return StoreUnavailable if passes else StoreUnopenable


def _create(path: Path) -> None:
    """An empty file that is ours from its first moment: O_EXCL, so that no file is ever opened
    plainly that SQLite may have open."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _connect(uri: str, timeout_seconds: float) -> sqlite3.Connection:
    # Not sqlite3.connect, which is what tracing of sqlite3 in the program wraps.
    return sqlite3.Connection(
        uri,
        uri=True,
        timeout=timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    steps = migrations()
    layout, version = inspect(connection, path, len(steps))
    if layout is Layout.EMPTY:
        # In this order: WAL or application_id first silently leaves auto_vacuum off.
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        _demand(connection, path, "journal_mode = WAL", "journal_mode", "wal")
        _demand(connection, path, "page_size", "page_size", _PAGE_SIZE)
        _demand(connection, path, "auto_vacuum", "auto_vacuum", _INCREMENTAL)
    if version < len(steps):
        migrate(connection, path, steps)


def _demand(
    connection: sqlite3.Connection, path: Path, pragma: str, name: str, wanted: str | int
) -> None:
    found = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    if found != wanted:
        raise ForeignDatabase(
            f"{path} cannot be set up as a database of ours: {name} stays {found!r}, {wanted!r} is "
            "needed. Is it on a network file system? Name a file on a local disk."
        )
