"""Health of one file of ours, and deletion."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from flujo_otel import process
from flujo_otel.model import Loss, Process
from flujo_otel.spanstore.maintenance import Deleted, Health
from flujo_otel.spanstore.sqlite import faults
from flujo_otel.spanstore.sqlite.backlog import size_of
from flujo_otel.spanstore.sqlite.checkpoint import has_wal_reset_fault
from flujo_otel.spanstore.sqlite.connection import connect_for_reading, connect_for_writing
from flujo_otel.spanstore.sqlite.deletion import Deletion
from flujo_otel.spanstore.sqlite.processes import listed

_FACTS: Final = ("journal_mode", "page_size", "auto_vacuum", "freelist_count", "page_count")

_FAULT: Final = (
    f"SQLite {sqlite3.sqlite_version} has the WAL-reset fault: writes take turns by a lock file; "
    "where no other program than flujo-otel writes to this file, nothing to do"
)


class SQLiteMaintenance:
    """Looks after the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def health(self, *, check_integrity: bool = True) -> Health:
        """See `maintenance.Maintenance.health`.

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
                writers=_writing(connection, self._path),
                backlog=size_of(connection, self._path),
                losses=_losses(connection),
                faults=(_FAULT,) if has_wal_reset_fault() else (),
                facts=facts,
            )

    def size_bytes(self) -> int:
        """See `maintenance.Maintenance.size_bytes`. Raises as `health` does."""
        with closing(connect_for_reading(self._path)) as connection, faults.reading(self._path):
            pages, page_bytes = (
                int(_scalar(connection, f"PRAGMA {name}")) for name in ("page_count", "page_size")
            )
            return pages * page_bytes

    def delete_runs(self, run_ids: Iterable[str]) -> Iterator[Deleted]:
        """See `maintenance.Maintenance.delete_runs`. Raises ForeignDatabase, StoreUnavailable."""
        with (
            closing(connect_for_writing(self._path)) as connection,
            closing(
                Deletion(self._path, connection, has_others=bool(_alive(connection)))
            ) as deletion,
        ):
            for run_id in run_ids:
                yield Deleted(run_id, deletion.delete(run_id))
            deletion.give_back()


def _alive(connection: sqlite3.Connection) -> tuple[Process, ...]:
    return tuple(writer for _, writer in listed(connection) if process.is_alive(writer))


def _writing(connection: sqlite3.Connection, path: Path) -> tuple[Process, ...]:
    """Without those of the original where this is a copy."""
    here = process.current().host
    return tuple(
        writer
        for writer in _alive(connection)
        if writer.host != here or process.may_have_open(writer, path)
    )


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
