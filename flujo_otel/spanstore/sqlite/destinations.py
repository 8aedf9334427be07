"""DestinationStore on SQLite."""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from flujo_otel import process
from flujo_otel.errors import DamagedDatabase, StoreUnavailable
from flujo_otel.model import Process
from flujo_otel.spanstore.destinations import (
    LAG_COUNTED,
    Cursor,
    CursorState,
    Described,
    DuePage,
    Filter,
    Progress,
    Selection,
)
from flujo_otel.spanstore.sqlite import due
from flujo_otel.spanstore.sqlite.checkpoint import WAIT_SECONDS, Checkpointer, Turns
from flujo_otel.spanstore.sqlite.connection import connect_for_reading, connect_for_writing
from flujo_otel.spanstore.sqlite.files import Files
from flujo_otel.spanstore.sqlite.processes import register

_SECOND_NS: Final = 1_000_000_000
_CURSOR_BYTES: Final = 8192
"""What one change of a cursor adds to the WAL: a page or two."""
_DESCRIBED_KEPT: Final = 4096

_JOIN: Final = """
    INSERT INTO cursors (destination, endpoint, position)
    SELECT :destination, :endpoint, COALESCE(
        (
            SELECT MIN(COALESCE(content_seq, change_seq)) - 1 FROM spans
            WHERE start_time BETWEEN :since AND :until
        ),
        (SELECT value FROM sequence)
    )
    WHERE true
    ON CONFLICT DO UPDATE SET endpoint = excluded.endpoint
    WHERE endpoint <> excluded.endpoint
"""
"""`:until`: a span that a wrong clock has start in the year 2300 says nothing of what is new."""
_CLOCKS_DIFFER_SECONDS: Final = 60

_ENDPOINT: Final = "SELECT endpoint FROM cursors WHERE destination = ?"

_HOLDER: Final = """
    SELECT c.holder, w.host, w.pid, w.process_start, w.command
    FROM cursors c JOIN writers w ON w.writer_id = c.holder_id
    WHERE c.destination = ? AND c.holder IS NOT ? AND c.leased_until_ns > ?
"""
_LEASE: Final = """
    UPDATE cursors SET holder = :token, holder_id = :writer_id, leased_until_ns = :until_ns
    WHERE destination = :destination
        AND (leased_until_ns <= :now_ns OR holder IS NULL OR holder IN (:token, :dead))
    RETURNING position
"""
_ADVANCE: Final = """
    UPDATE cursors
    SET position = :position,
        sent = sent + :sent,
        sent_at_ns = CASE WHEN :sent THEN :now_ns ELSE sent_at_ns END,
        rejected = rejected + :rejected,
        rejection = CASE WHEN :rejected THEN :words ELSE rejection END,
        rejected_at_ns = CASE WHEN :rejected THEN :now_ns ELSE rejected_at_ns END,
        state = 'ok'
    WHERE destination = :destination AND holder = :token AND leased_until_ns > :now_ns
"""
_FAIL: Final = """
    UPDATE cursors SET state = :state, error = :error, error_at_ns = :now_ns
    WHERE destination = :destination AND holder = :token AND leased_until_ns > :now_ns
"""
_RELEASE: Final = """
    UPDATE cursors SET holder = NULL, holder_id = NULL, leased_until_ns = 0
    WHERE destination = ? AND holder = ?
"""
_FORGET: Final = "DELETE FROM cursors WHERE destination = ? AND holder = ?"
_FORGETTING_SECONDS: Final = 10.0
_CURSORS: Final = f"""
    SELECT destination, endpoint, position, ({due.COUNT.format(limit=LAG_COUNTED)}), state, sent,
        rejected, rejection, rejected_at_ns, error, error_at_ns, sent_at_ns,
        w.host, w.pid, w.process_start, w.command
    FROM cursors LEFT JOIN writers w ON w.writer_id = holder_id AND leased_until_ns > ?
    ORDER BY destination
"""


class SQLiteDestinations:
    """See `destinations.DestinationStore`. Opens the file at the first call; `read_only` never
    makes or alters it, and raises NoDatabase where it is missing."""

    def __init__(
        self, path: Path, *, read_only: bool = False, busy_timeout_seconds: float | None = None
    ) -> None:
        self._path = path
        self._read_only = read_only
        self._busy_timeout_seconds = busy_timeout_seconds
        self._open: _Opened | None = None
        self._door = Lock()
        self._described: dict[tuple[str, int], Described] = {}

    def join(self, destination: str, endpoint: str, since_ns: int) -> bool:
        """See `DestinationStore.join`."""
        with self._using() as opened:
            known = opened.connection.execute(_ENDPOINT, (destination,)).fetchone()
        if known == (endpoint,):
            return False
        values = {
            "destination": destination,
            "endpoint": endpoint,
            "since": since_ns / _SECOND_NS - 0.001,  # REAL seconds are exact to 0.24 us
            "until": time.time() + _CLOCKS_DIFFER_SECONDS,
        }
        return self._change(_JOIN, values)

    def lease(self, destination: str, token: str, seconds: float) -> int | None:
        """See `DestinationStore.lease`. The lease of a process that is gone is taken over."""
        now_ns = time.time_ns()
        with self._using() as opened:
            holder = opened.connection.execute(_HOLDER, (destination, token, now_ns)).fetchone()
        if holder is not None and process.is_alive(Process(*holder[1:])):
            return None
        with self._using() as opened:
            values = {
                "destination": destination,
                "token": token,
                "writer_id": opened.writer_id,
                "now_ns": now_ns,
                "until_ns": now_ns + round(seconds * _SECOND_NS),
                "dead": holder and holder[0],
            }
            with opened.turns.writing():
                found = opened.connection.execute(_LEASE, values).fetchall()
            opened.checkpointer.wrote(opened.connection, _CURSOR_BYTES)
        return int(found[0][0]) if found else None

    def advance(self, destination: str, token: str, progress: Progress) -> bool:
        """See `DestinationStore.advance`."""
        values = {
            **progress._asdict(),
            "destination": destination,
            "token": token,
            "now_ns": time.time_ns(),
        }
        return self._change(_ADVANCE, values)

    def fail(self, destination: str, token: str, state: CursorState, error: str) -> bool:
        """See `DestinationStore.fail`."""
        values = {
            "destination": destination,
            "token": token,
            "state": str(state),
            "error": error,
            "now_ns": time.time_ns(),
        }
        return self._change(_FAIL, values)

    def release(self, destination: str, token: str) -> None:
        """See `DestinationStore.release`."""
        self._change(_RELEASE, (destination, token))

    def forget(self, destination: str) -> bool:
        """See `DestinationStore.forget`."""
        token = secrets.token_hex(8)
        if self.lease(destination, token, _FORGETTING_SECONDS) is None:
            return False
        return self._change(_FORGET, (destination, token))

    def newest(self) -> int:
        """See `DestinationStore.newest`."""
        with self._using() as opened:
            return int(opened.connection.execute("SELECT value FROM sequence").fetchone()[0])

    def page(self, after: int, where: Filter, most_spans: int, most_bytes: int) -> DuePage:
        """See `DestinationStore.page`."""
        return self._page(due.changed, after, where, most_spans, most_bytes)

    def selected(self, which: Selection, after: int, most_spans: int, most_bytes: int) -> DuePage:
        """See `DestinationStore.selected`."""
        return self._page(due.selected, after, which, most_spans, most_bytes)

    def count_selected(self, which: Selection) -> int:
        """See `DestinationStore.count_selected`."""
        with self._using() as opened:
            return due.count_selected(opened.connection, which)

    def resource(self, resource_id: int) -> Described:
        """See `DestinationStore.resource`."""
        return self._describe("resource", resource_id)

    def scope(self, scope_id: int) -> Described:
        """See `DestinationStore.scope`."""
        return self._describe("scope", scope_id)

    def cursors(self) -> Sequence[Cursor]:
        """See `DestinationStore.cursors`."""
        with self._using() as opened:
            rows = opened.connection.execute(_CURSORS, (time.time_ns(),)).fetchall()
        return [_cursor(*row) for row in rows]

    def close(self) -> None:
        """See `DestinationStore.close`."""
        with self._door:
            self._close()

    def hold(self, timeout_seconds: float) -> bool:
        """See `DestinationStore.hold`."""
        if not self._door.acquire(timeout=max(timeout_seconds, 0)):
            return False
        try:
            self._close()
        except BaseException:
            self._door.release()
            raise
        return True

    def let_go(self) -> None:
        """See `DestinationStore.let_go`."""
        self._door.release()

    def _close(self) -> None:
        if self._open is not None:
            opened, self._open = self._open, None
            opened.close()

    def _describe(self, what: str, content_id: int) -> Described:
        known = self._described.get((what, content_id))
        if known is not None:
            return known
        query = f"SELECT otlp, schema_url FROM {what}s WHERE {what}_id = ?"
        with self._using() as opened:
            found = opened.connection.execute(query, (content_id,)).fetchone()
        # A span whose resource is not there (a damaged file) is sent without.
        described = Described(*found) if found is not None else Described(b"", "")
        if len(self._described) >= _DESCRIBED_KEPT:
            self._described.clear()
        self._described[what, content_id] = described
        return described

    def _page(
        self, read: Callable[..., due.Found], after: int, which: Any, most: int, most_bytes: int
    ) -> DuePage:
        """Ever less of it, where a row in it garbles the whole, until that row stands alone."""
        while True:
            with self._using() as opened:
                found = read(opened.connection, after, which, most, most_bytes)
            try:
                return found.page()
            except ValueError as error:
                if most == 1:
                    alone = [due.broken(found.last_seq, error)]
                    return DuePage(alone, found.last_seq, is_last=False)
                most = max(most // 2, 1)

    def _change(self, statement: str, values: Any) -> bool:
        with self._using() as opened:
            return self._changed(opened, statement, values)

    def _changed(self, opened: "_Opened", statement: str, values: Any) -> bool:
        with opened.turns.writing():
            count = opened.connection.execute(statement, values).rowcount
        opened.checkpointer.wrote(opened.connection, _CURSOR_BYTES)
        return count > 0

    @contextmanager
    def _using(self) -> Iterator["_Opened"]:
        """The open database, opened again where the file was replaced. No longer than for a few
        statements: a fork may be waiting, and beside busy threads each takes its time."""
        with self._door:
            try:
                if self._open is not None and not self._open.files.are_in_place:
                    self._close()
                if self._open is None:
                    self._open = self._open_database()
                yield self._open
            except (sqlite3.DatabaseError, DamagedDatabase, OSError) as error:
                if getattr(error, "sqlite_errorname", "") not in ("SQLITE_BUSY", "SQLITE_FULL"):
                    self._close()
                raise StoreUnavailable(f"{self._path} cannot be used just now: {error}.") from error

    def _open_database(self) -> "_Opened":
        turns = Turns(self._path, self._busy_timeout_seconds or WAIT_SECONDS)
        checkpointer = Checkpointer(self._path, turns)
        if self._read_only:
            connection = connect_for_reading(self._path)
            return _Opened(connection, Files.of(self._path), turns, checkpointer, None)
        connection = connect_for_writing(
            self._path, busy_timeout_seconds=self._busy_timeout_seconds
        )
        files = Files.of(self._path)
        try:
            with turns.writing():
                writer_id = register(connection, process.current())
        except BaseException:
            connection.close()
            turns.close()
            raise
        return _Opened(connection, files, turns, checkpointer, writer_id)


def _cursor(*row: Any) -> Cursor:
    *values, host, pid, process_start, command = row
    is_held = host is not None and process.is_alive(Process(host, pid, process_start, command))
    holder = f"{host} {pid}" if is_held else None
    named = dict(zip(Cursor.__slots__, [*values, holder], strict=True))
    return Cursor(**named | {"state": CursorState(named["state"])})


class _Opened(NamedTuple):
    connection: sqlite3.Connection
    files: Files
    turns: Turns
    checkpointer: Checkpointer
    writer_id: int | None
    """None: for reading alone."""

    def close(self) -> None:
        if self.writer_id is not None:
            self.files.leave(self.connection, self.turns)
        self.connection.close()
        self.turns.close()
