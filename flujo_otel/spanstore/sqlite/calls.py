"""What single calls of the logs share: a read on a connection of its own, and the errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from flujo_otel.errors import NoDatabase, StoreUnavailable
from flujo_otel.spanstore.sqlite.connection import connect_for_reading
from flujo_otel.spanstore.sqlite.faults import damaged


def read(path: Path, query: str, values: Any) -> list[Any]:
    """All rows; none where there is no file yet. Raises what `available` does."""
    try:
        with available(path), closing(connect_for_reading(path)) as connection:
            return connection.execute(query, values).fetchall()
    except NoDatabase:
        return []


@contextmanager
def available(path: Path) -> Iterator[None]:
    """SQLite's errors as StoreUnavailable, of a broken file as DamagedDatabase."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path} cannot be used just now: {error}.") from error
    except sqlite3.DatabaseError as error:
        if type(error) is sqlite3.DatabaseError:
            raise damaged(path, error) from error
        raise


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
