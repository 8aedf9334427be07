"""Whose file is this, and which version of our tables is in it.

Looked at only through a SQLite connection: a plain open() and close() of the file drops every POSIX
lock that this process holds on it (measured: the WAL unlinked under us, the next 50 commits gone).
"""

import sqlite3
from enum import Enum
from pathlib import Path
from typing import Final

from flujo_otel.errors import ForeignDatabase
from flujo_otel.spanstore.kind import APPLICATION_ID
from flujo_otel.spanstore.sqlite.faults import damaged

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def newest_version() -> int:
    """The schema version that this code writes, and the newest that it reads."""
    return len(_files())


def migrations() -> list[str]:
    """Our schema, version by version: the SQL that leads from version n to n + 1."""
    return [path.read_text(encoding="utf-8") for path in _files()]


def _files() -> list[Path]:
    # No glob(), which compiles its pattern: 1 of the 15 ms that opening a file takes `lens`.
    return sorted(path for path in _MIGRATIONS.iterdir() if path.suffix == ".sql")


_LOOK: Final = """
    SELECT (SELECT application_id FROM pragma_application_id),
        (SELECT user_version FROM pragma_user_version),
        (SELECT COUNT(*) FROM sqlite_master)
"""
"""One statement, so that all three are of one moment: another process may be making the file."""


class Layout(Enum):
    EMPTY = "empty"
    OURS = "ours"


def inspect(connection: sqlite3.Connection, path: Path, newest: int) -> tuple[Layout, int]:
    """The layout and its schema version.

    Raises ForeignDatabase for a file of another program, of a newer version of ours, or that is no
    SQLite database at all; DamagedDatabase for a broken one.
    """
    try:
        application_id, version, tables = connection.execute(_LOOK).fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname == "SQLITE_NOTADB":
            raise ForeignDatabase(f"{path} is not a SQLite database.") from error
        raise damaged(path, error) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes the SQL that it cannot parse
        raise damaged(path, "malformed database schema") from error
    if application_id == APPLICATION_ID and version > newest:
        raise ForeignDatabase(
            f"{path} was made by a newer flujo-otel (schema {version}, this one knows {newest}). "
            "It was not altered: upgrade flujo-otel, or name another file."
        )
    if application_id == APPLICATION_ID and version > 0:
        return Layout.OURS, version
    if tables or application_id not in (0, APPLICATION_ID):
        raise ForeignDatabase(
            f"{path} belongs to another program. It was not altered: name another file with "
            "--db, configure(db=...) or FLUJO_OTEL_DB."
        )
    return Layout.EMPTY, 0


def migrate(connection: sqlite3.Connection, path: Path, steps: list[str]) -> None:
    """Bring the file to the newest schema, each version in a transaction of its own.

    Safe beside other processes that do the same. Raises what `inspect` raises.
    """
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _, version = inspect(connection, path, len(steps))
            if version == len(steps):
                connection.execute("ROLLBACK")
                return
            for statement in statements(steps[version]):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def statements(script: str) -> list[str]:
    """The statements of a script, since `executescript` would commit the transaction around it."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
