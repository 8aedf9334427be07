"""Health of one file of ours, and deletion."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from flujo_otel import process
from flujo_otel.errors import StoreUnavailable
from flujo_otel.model import Loss, Writer
from flujo_otel.spanstore.api import Health
from flujo_otel.spanstore.sqlite import faults
from flujo_otel.spanstore.sqlite.checkpoint import Turns, has_wal_reset_fault
from flujo_otel.spanstore.sqlite.connection import connect_for_reading, connect_for_writing
from flujo_otel.spanstore.sqlite.writers import listed

_FACTS: Final = ("journal_mode", "page_size", "auto_vacuum", "freelist_count", "page_count")

_FAULT: Final = (
    f"SQLite {sqlite3.sqlite_version} has the WAL-reset fault: writes take turns by a lock file; "
    "where no other program than flujo-otel writes to this file, nothing to do"
)

_DELETE_RUN: Final = (
    # Another run's span below this one stays; and a chain of thousands of parents would exceed the
    # depth to which SQLite cascades.
    """
    UPDATE spans SET parent_span_id = NULL
    WHERE run_id = :run_id
        OR parent_span_id IN (SELECT span_id FROM spans WHERE run_id = :run_id)
    """,
    *(
        f"DELETE FROM {table} WHERE run_id = :run_id"
        for table in (
            "run_traces",
            "trees",
            "workflow_state",
            "workflow_history",
            "evaluations",
            "steps",
        )
    ),
    "DELETE FROM runs WHERE run_id = :run_id",
)


class SQLiteMaintenance:
    """Looks after the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def health(self, *, check_integrity: bool = True) -> Health:
        """See `api.Maintenance.health`.

        Raises NoDatabase, ForeignDatabase, StoreUnavailable; DamagedDatabase where not even this
        much can be read.
        """
        with closing(connect_for_reading(self._path)) as connection, faults.reading(self._path):
            facts = {name: _scalar(connection, f"PRAGMA {name}") for name in _FACTS}
            integrity = _scalar(connection, "PRAGMA integrity_check(1)") if check_integrity else ""
            return Health(
                path=str(self._path),
                size_bytes=self._path.stat().st_size,
                wal_bytes=_size_bytes(self._path.with_name(self._path.name + "-wal")),
                schema_version=_scalar(connection, "PRAGMA user_version"),
                sqlite_version=sqlite3.sqlite_version,
                run_count=_scalar(connection, "SELECT COUNT(*) FROM runs"),
                span_count=_scalar(connection, "SELECT COALESCE(SUM(span_count), 0) FROM runs"),
                change_seq=_scalar(connection, "SELECT value FROM sequence"),
                integrity=integrity,
                writers=_alive(connection),
                losses=_losses(connection),
                faults=(_FAULT,) if has_wal_reset_fault() else (),
                facts=facts,
            )

    def delete_run(self, run_id: str) -> bool:
        """See `api.Maintenance.delete_run`. Raises ForeignDatabase, StoreUnavailable."""
        turns = Turns(self._path)
        with closing(connect_for_writing(self._path)) as connection, closing(turns):
            connection.execute("PRAGMA foreign_keys = ON")
            try:
                with turns.writing():
                    deleted = _delete(connection, run_id)
                    connection.execute("PRAGMA incremental_vacuum").fetchall()
            except sqlite3.OperationalError as error:
                raise StoreUnavailable(f"{self._path}: {error}.") from error
        return deleted


def _delete(connection: sqlite3.Connection, run_id: str) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _DELETE_RUN:
            count = connection.execute(statement, {"run_id": run_id}).rowcount
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return count > 0


def _alive(connection: sqlite3.Connection) -> tuple[Writer, ...]:
    return tuple(writer for _, writer in listed(connection) if process.is_alive(writer))


def _losses(connection: sqlite3.Connection) -> tuple[Loss, ...]:
    query = (
        "SELECT service, reason, detail, count, first_time_ns, last_time_ns FROM ledger"
        " ORDER BY last_time_ns DESC"
    )
    return tuple(Loss(*row) for row in connection.execute(query).fetchall())


def _scalar(connection: sqlite3.Connection, query: str) -> Any:
    return connection.execute(query).fetchone()[0]


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
