"""Looking into a database that is not ours to touch.

SQLite alone opens it, since a plain open() and close() would drop the locks that this process, the
traced program itself perhaps, holds on it.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_ATTEMPTS = 5
_BUSY_TIMEOUT_SECONDS = 1.0


def peek(path: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    """What `read` answers on a read-only connection. It may be called several times.

    Two ways of opening, because each is wrong for the other's case (measured, SQLite 3.40 to 3.50):

    - `mode=ro` makes -wal and -shm beside a WAL database at rest, and leaves them there. So a
      database at rest is opened `immutable`: no locks and no files. What that gives up is noticed
      afterwards: where the file changed meanwhile, the answer is thrown away and read again.
    - `immutable` does not see the WAL: the last commits of a writer that lives, or was killed. So
      where there is a WAL the database is opened `mode=ro`; its side files are there already.

    Raises sqlite3.Error.
    """
    for _ in range(_ATTEMPTS):
        before = _stamp(path)
        if not _at_rest(path):
            break
        try:
            answer = _read(path, "mode=ro&immutable=1", read)
        except sqlite3.DatabaseError:
            if _stamp(path) == before:
                raise
            continue
        if _stamp(path) == before:
            return answer
    return _read(path, "mode=ro", read)


def _read(path: Path, how: str, read: Callable[[sqlite3.Connection], T]) -> T:
    # sqlite3.Connection and not sqlite3.connect: the latter is what tracing of sqlite3 wraps, and
    # our own looks are not the traced program's.
    uri = f"{path.absolute().as_uri()}?{how}"
    with closing(sqlite3.Connection(uri, timeout=_BUSY_TIMEOUT_SECONDS, uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.execute("PRAGMA query_only = ON")
        return read(connection)


def _at_rest(path: Path) -> bool:
    """No journal of either kind with something in it."""
    return not any(_size(path.with_name(path.name + end)) for end in ("-wal", "-journal"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
