"""Whose a database file is, found without touching it."""

import sqlite3
from enum import Enum, auto
from pathlib import Path

from flujo_otel.spanstore.peek import peek

APPLICATION_ID = 0x464C4F54
"""`FLOT`: in the header of every database of ours."""


class FileKind(Enum):
    MISSING = auto()
    EMPTY = auto()
    """No tables yet: free to be taken."""
    OURS = auto()
    """Of any version of ours; the backend refuses a newer one."""
    FLUJO = auto()
    """Written by flujo itself."""
    FOREIGN = auto()
    """Another program's, or no database at all."""
    UNKNOWN = auto()
    """Cannot be looked into just now: locked, or not readable for this user."""


# The first is flujo's alone; a file without the others is nothing that its runs could be read from.
_FLUJO_TABLES = frozenset({"workflow_state", "runs", "steps", "spans"})
# https://www.sqlite.org/rescode.html: these say what the file is; others pass, or are the system's.
_NOT_A_DATABASE = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


def kind_of(path: Path) -> FileKind:
    """Look at `path` through SQLite, read-only. Never creates, never raises."""
    try:
        if not path.exists():
            return FileKind.MISSING
        if not path.is_file():
            # Opening a FIFO would wait for its other end for ever.
            return FileKind.UNKNOWN
        return peek(path, _kind)
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return FileKind.FOREIGN if code in _NOT_A_DATABASE else FileKind.UNKNOWN
    except OSError:
        return FileKind.UNKNOWN


def _kind(connection: sqlite3.Connection) -> FileKind:
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    if application_id == APPLICATION_ID:
        return FileKind.OURS
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if tables >= _FLUJO_TABLES:
        return FileKind.FLUJO
    return FileKind.FOREIGN if tables or application_id else FileKind.EMPTY
