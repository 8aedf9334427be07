"""The connection that `SQLiteStorage.conn` is: X-Ray's tables over ours."""

import sqlite3
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from flujo_otel.spanstore.sqlite.checkpoint import Turns

_VIEWS: Final = Path(__file__).with_name("xray_views.sql")


class XRayConnection(sqlite3.Connection):
    """Every statement is its own transaction unless the program says BEGIN: a program that forgets
    to commit keeps nobody from writing. Writes take their turn beside checkpoints."""

    turns: Turns | None = None
    is_in_memory = False

    def __del__(self) -> None:
        """It may outlive its storage; nobody need close either (Python 3.13 warns of one that is
        left open)."""
        self.close()
        if self.turns is not None:
            self.turns.close()

    def cursor(self, factory: Any = None) -> Any:
        """One that keeps to all this."""
        return super().cursor(factory or (_WholeCursor if self.is_in_memory else _Cursor))

    # The connection's own would each make a plain cursor.

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.executemany`."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.executescript`."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.executescript(sql_script)


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, parameters: Any = (), /) -> "_Cursor":
        with self._turn():
            super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> "_Cursor":
        with self._turn():
            super().executemany(sql, parameters)
        return self

    def executescript(self, sql_script: str, /) -> "_Cursor":
        with self._turn():
            super().executescript(sql_script)
        return self

    def _turn(self) -> AbstractContextManager[None]:
        connection = self.connection
        turns = connection.turns if isinstance(connection, XRayConnection) else None
        return nullcontext() if turns is None else turns.writing()


class _WholeCursor(_Cursor):
    """Of a database in memory, which has no WAL: a query that was not read to its end would keep
    everybody else from writing. All of its rows are read at once."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._rows: deque[Any] = deque()

    def execute(self, sql: str, parameters: Any = (), /) -> "_WholeCursor":
        super().execute(sql, parameters)
        self._rows = deque(super().fetchall())
        return self

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        count = min(self.arraysize if size is None else size, len(self._rows))
        return [self._rows.popleft() for _ in range(count)]

    def fetchall(self) -> list[Any]:
        return self.fetchmany(len(self._rows))

    def __next__(self) -> Any:
        if not self._rows:
            raise StopIteration
        return self._rows.popleft()


def connect(uri: str, timeout_seconds: float, turns: Turns | None) -> XRayConnection:
    """Open a database that has our schema, with the views on it."""
    connection = XRayConnection(
        uri, uri=True, timeout=timeout_seconds, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.executescript(_VIEWS.read_text(encoding="utf-8"))
        connection.turns = turns
        connection.is_in_memory = turns is None
    except BaseException:
        connection.close()
        raise
    return connection
