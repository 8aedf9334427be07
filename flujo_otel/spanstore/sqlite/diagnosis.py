"""Diagnostician on SQLite."""

import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from flujo_otel.errors import StoreUnavailable
from flujo_otel.spanstore.diagnosis import Diagnosis, Orphans, Received
from flujo_otel.spanstore.sqlite import faults
from flujo_otel.spanstore.sqlite.checkpoint import Turns
from flujo_otel.spanstore.sqlite.connection import connect_for_reading

_WAIT_SECONDS: Final = 2.0
"""No write of ours holds the lock for so long."""
_PAGE_ROWS: Final = 5_000
_LOOKED_AT: Final = 100_000
_SETTLED_SECONDS: Final = 60
"""Children come before their parents: a parent has so long to come too."""

_SERVICES: Final = "SELECT service, received, unchanged FROM services ORDER BY received DESC"
_UNPRICED: Final = "SELECT COALESCE(SUM(unpriced_count), 0) FROM runs"
_SERVICE_NAMES: Final = "SELECT resource_id, COALESCE(service_name, '') FROM resources"
# A run's root may have a parent elsewhere. `role` lies behind `attributes`: only of the few that
# have no parent here is it looked up.
_ORPHANS: Final = """
    SELECT resource_id, SUM(is_orphan AND role & 2 = 0), COUNT(*), MIN(change_seq)
    FROM (
        SELECT s.change_seq, s.resource_id, s.role,
            s.parent_span_id IS NOT NULL AND s.start_time < :settled AND NOT EXISTS (
                SELECT 1 FROM spans p WHERE p.span_id = s.parent_span_id
            ) AS is_orphan
        FROM (
            SELECT rowid, change_seq FROM spans WHERE change_seq < :before
            ORDER BY change_seq DESC LIMIT :limit
        ) newest
        CROSS JOIN spans s ON s.rowid = newest.rowid
    )
    GROUP BY resource_id
"""


class SQLiteDiagnostician:
    """Looks into the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def diagnose(self) -> Diagnosis:
        """See `diagnosis.Diagnostician.diagnose`."""
        with closing(connect_for_reading(self._path)) as connection:
            # While this connection is open, the other one's end is not the last and checkpoints
            # nothing.
            obstacle = self._obstacle()
            with faults.reading(self._path):
                services = [Received(*row) for row in connection.execute(_SERVICES).fetchall()]
                orphans, looked_at = _orphans(connection)
                (unpriced,) = connection.execute(_UNPRICED).fetchone()
        free_bytes = shutil.disk_usage(self._path.parent).free
        return Diagnosis(obstacle, free_bytes, services, orphans, looked_at, unpriced)

    def _obstacle(self) -> str:
        try:
            with self._turn(), closing(self._connect()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                # Where it may only be read, BEGIN does not mind. No row is touched by this.
                connection.execute("UPDATE sequence SET value = value WHERE false")
                connection.execute("ROLLBACK")
        except (sqlite3.Error, OSError, StoreUnavailable) as error:
            return str(error).rstrip(".")
        return ""

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Only where there is a lock file already: looking makes none."""
        if not self._path.with_name(self._path.name + "-lock").exists():
            yield
            return
        with closing(Turns(self._path, _WAIT_SECONDS)) as turns, turns.writing():
            yield

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        return sqlite3.Connection(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)


def _orphans(connection: sqlite3.Connection) -> tuple[list[Orphans], int]:
    """Page by page, each a read transaction of its own: milliseconds each."""
    found: Counter[int] = Counter()
    looked_at, before = 0, 1 << 62
    settled = time.time() - _SETTLED_SECONDS
    while looked_at < _LOOKED_AT:
        values = {"before": before, "settled": settled, "limit": _PAGE_ROWS}
        page = connection.execute(_ORPHANS, values).fetchall()
        for resource_id, orphans, *_ in page:
            found[resource_id] += orphans
        rows = sum(count for _, _, count, _ in page)
        looked_at += rows
        if rows < _PAGE_ROWS:
            break
        before = min(first for *_, first in page)
    return _by_service(connection, found), looked_at


def _by_service(connection: sqlite3.Connection, found: Counter[int]) -> list[Orphans]:
    names = dict(connection.execute(_SERVICE_NAMES).fetchall())
    services: Counter[str] = Counter()
    for resource_id, count in found.items():
        services[names.get(resource_id, "")] += count
    return [Orphans(service, count) for service, count in services.most_common() if count]
