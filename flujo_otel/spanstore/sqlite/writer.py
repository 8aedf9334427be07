"""SpanWriter on SQLite."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal

from flujo_otel import process
from flujo_otel.errors import DamagedDatabase, StoreUnavailable
from flujo_otel.model import Batch, Loss, Resource, Scope, SpanRecord
from flujo_otel.spanstore.api import Rejected, WriteResult
from flujo_otel.spanstore.sqlite.opened import Opened, open_database
from flujo_otel.spanstore.sqlite.processes import beat
from flujo_otel.spanstore.sqlite.staging import pours, stage
from flujo_otel.spanstore.sqlite.tuning import TRACED, Tuning
from flujo_otel.wire.values import clean_text

_DATA_ERRORS: Final = (
    UnicodeEncodeError,
    OverflowError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What sqlite3 raises for a value that it cannot take, by the Python version."""

_SQLITE_ERROR: Final = 1
POUR: Final = "INSERT INTO pour VALUES (?, ?, ?, ?, ?, ?)"
_REPLACEMENT: Final = "INSERT INTO replacement VALUES (?, ?, ?, ?, ?, ?)"
_ADD_LOSSES: Final = """
    INSERT INTO ledger (service, reason, detail, count, first_time_ns, last_time_ns)
    SELECT
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
    FROM json_each(?)
    WHERE true
    ON CONFLICT DO UPDATE SET
        count = count + excluded.count,
        first_time_ns = MIN(first_time_ns, excluded.first_time_ns),
        last_time_ns = MAX(last_time_ns, excluded.last_time_ns)
"""


class SQLiteSpanWriter:
    """Writes batches to one file. Opens it at the first write, and again after `close`.

    `durable`: "normal" survives SIGKILL, "full" a power cut as well. `service`: whose spans those
    are that do not say it; None: this program's.
    """

    def __init__(
        self,
        path: Path,
        *,
        durable: Literal["normal", "full"] = "normal",
        busy_timeout_seconds: float | None = None,
        tuning: Tuning = TRACED,
        service: str | None = None,
    ) -> None:
        self._path = path
        self._service = process.current().command if service is None else service
        self._tuning = tuning
        self._busy_timeout_seconds = busy_timeout_seconds
        self._durable: Literal["normal", "full"] = durable
        self._open: Opened | None = None
        self._was_replaced = False

    def write(self, batch: Batch) -> WriteResult:
        """See `api.SpanWriter.write`."""
        return self._write(batch, POUR)

    def replace(self, batch: Batch) -> WriteResult:
        """`write`, of spans whose ids nobody uses twice (replacement.sql)."""
        return self._write(batch, _REPLACEMENT)

    def count_losses(self, losses: Sequence[Loss]) -> None:
        """See `api.SpanWriter.count_losses`."""
        with self._using() as opened:
            _count(opened, losses)

    def beat(self) -> None:
        """See `api.SpanWriter.beat`."""
        with self._using() as opened, opened.turns.writing():
            beat(opened.connection, opened.writer_id)

    def close(self) -> None:
        """See `api.SpanWriter.close`."""
        if self._open is not None:
            opened, self._open = self._open, None
            opened.close()

    def interrupt(self) -> None:
        """See `api.SpanWriter.interrupt`."""
        if (opened := self._open) is not None:
            with suppress(sqlite3.ProgrammingError):  # closed meanwhile
                opened.connection.interrupt()

    @contextmanager
    def _using(self) -> Iterator[Opened]:
        """The open database; whatever fails for no fault of the data is StoreUnavailable, a broken
        file too: it may be moved away and a new one made."""
        try:
            yield self._opened()
        except (sqlite3.DatabaseError, DamagedDatabase, OSError) as error:
            # After an I/O error a connection may be of no more use; the next write opens another.
            if getattr(error, "sqlite_errorname", "") not in ("SQLITE_BUSY", "SQLITE_FULL"):
                self.close()
            raise StoreUnavailable(
                f"{self._path} does not take writes just now: {error}."
            ) from error

    def _opened(self) -> Opened:
        """The open database; opened again where the file was renamed, deleted or replaced."""
        if self._open is not None and not self._open.is_in_place:
            self._was_replaced = True
            self.close()
        if self._open is None:
            self._open = self._open_database()
        if self._was_replaced:
            now_ns = time.time_ns()
            where = str(self._path)
            loss = Loss(self._open.service, "database_replaced", where, 1, now_ns, now_ns)
            _count(self._open, [loss])
            self._was_replaced = False
        return self._open

    def _open_database(self) -> Opened:
        return open_database(
            self._path,
            self._durable,
            self._busy_timeout_seconds,
            tuning=self._tuning,
            service=self._service,
        )

    def _write(self, batch: Batch, into: str) -> WriteResult:
        rejected: list[Rejected] = []
        with self._using() as opened:
            describe(opened, batch.resources, batch.scopes)
            for records in pours(batch.records, self._tuning.rows_per_pour):
                self._pour(opened, records, into, rejected)
        return WriteResult(rejected)

    def _pour(
        self, opened: Opened, records: Sequence[SpanRecord], into: str, rejected: list[Rejected]
    ) -> None:
        """Write one pour; halve it where its data is refused, until the culprit stands alone."""
        connection = opened.connection
        try:
            stage(connection, records)
            with opened.turns.writing():
                pour(opened, records, into)
        except (*_DATA_ERRORS, sqlite3.OperationalError) as error:
            connection.execute("DELETE FROM staged")
            if isinstance(error, sqlite3.OperationalError) and not _is_of_data(error):
                raise
            if len(records) == 1:
                rejected.append(Rejected(records[0], f"{type(error).__name__}: {error}"))
                return
            middle = len(records) // 2
            self._pour(opened, records[:middle], into, rejected)
            self._pour(opened, records[middle:], into, rejected)
            return
        except BaseException:
            connection.execute("DELETE FROM staged")
            raise
        opened.checkpointer.wrote(connection, _size_bytes(records))


def _count(opened: Opened, losses: Sequence[Loss]) -> None:
    """In one statement: what fails in the middle would be counted twice when it is tried again."""
    rows = [
        (
            clean_text(loss.service),
            loss.reason,
            clean_text(loss.detail),
            loss.count,
            loss.first_time_ns,
            loss.last_time_ns,
        )
        for loss in losses
    ]
    with opened.turns.writing():
        opened.connection.execute(_ADD_LOSSES, (json.dumps(rows),))


def _size_bytes(records: Sequence[SpanRecord]) -> int:
    exact = filter(None, map(attrgetter("otlp"), records))
    return sum(map(len, map(attrgetter("attributes"), records))) + sum(map(len, exact))


def _is_of_data(error: sqlite3.OperationalError) -> bool:
    """SQLITE_ERROR, not locked or full or unreadable: a function of the trigger's fails on what a
    row holds (malformed JSON, an overflow)."""
    return error.sqlite_errorcode & 0xFF == _SQLITE_ERROR


def pour(opened: Opened, records: Sequence[SpanRecord], into: str = POUR) -> None:
    """Write what is staged, `records`, in one statement; the caller holds its turn."""
    ended = Counter(map(attrgetter("resource_id"), filter(attrgetter("end_time_ns"), records)))
    now_ns = time.time_ns()
    # As CURRENT_TIMESTAMP writes it, which SQLite would do anew for each row.
    created_at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now_ns // 10**9))
    opened.connection.execute(
        into,
        (len(records), opened.writer_id, opened.service, json.dumps(ended), now_ns, created_at),
    )


_MOST_KNOWN: Final = 10_000
_ADD_RESOURCE: Final = """
    INSERT OR IGNORE INTO resources (resource_id, attributes, schema_url, otlp) VALUES (?, ?, ?, ?)
"""
_ADD_SCOPE: Final = """
    INSERT OR IGNORE INTO scopes (scope_id, name, version, schema_url, otlp) VALUES (?, ?, ?, ?, ?)
"""


def describe(opened: Opened, resources: Sequence[Resource], scopes: Sequence[Scope]) -> None:
    """Store the resources and scopes that this connection has not stored yet."""
    if len(opened.known) > _MOST_KNOWN:  # a service that puts something new into each resource
        opened.known.clear()
    for statement, described in ((_ADD_RESOURCE, resources), (_ADD_SCOPE, scopes)):
        for each in described:
            if (statement, each[0]) not in opened.known:
                with opened.turns.writing():
                    opened.connection.execute(statement, each)
                opened.known.add((statement, each[0]))
