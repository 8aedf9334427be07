"""A collector's way in: spans as rows or, for a time, as the requests that they came in."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from flujo_otel import process
from flujo_otel.model import Process
from flujo_otel.spanstore.api import BacklogSize
from flujo_otel.spanstore.backlog import KeptRequest
from flujo_otel.spanstore.sqlite.opened import Opened
from flujo_otel.spanstore.sqlite.processes import beat
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter

_ROWS: Final = 64
"""In one statement, which is one commit."""
_SIZE: Final = "SELECT COUNT(*), COALESCE(SUM(span_count), 0), MAX(request_id) FROM backlog"
_OLDEST: Final = """
    SELECT encoding, span_count, body, request_id FROM backlog
    WHERE writer_id = ? AND request_id > ?
    ORDER BY request_id LIMIT 1
"""
_TAKE_OVER: Final = "UPDATE backlog SET writer_id = ? WHERE writer_id = ?"
_KEEPERS: Final = """
    SELECT writer_id, host, pid, process_start, command, seen_at_ns FROM writers
    WHERE writer_id IN (SELECT writer_id FROM backlog)
"""
_BEAT_SECONDS: Final = 10.0
_SILENT_NS: Final = 60 * 10**9
_FORGET: Final = """
    DELETE FROM backlog WHERE writer_id = ? AND request_id IN (SELECT value FROM json_each(?))
"""
"""A file that was put in the place of ours meanwhile has others' requests under these ids."""


class SQLiteCollectorStore(SQLiteSpanWriter):
    """Implements `backlog.CollectorStore`."""

    _beats_at_seconds = 0.0
    """When it is to say next that it is alive."""

    def keep(self, requests: Sequence[KeptRequest]) -> Sequence[int]:
        """See `backlog.Backlog.keep`."""
        request_ids: list[int] = []
        with self._using() as opened:
            if requests and time.monotonic() >= self._beats_at_seconds:
                # Else one that was idle for long passes for gone (`_Keeper.is_gone`).
                with opened.turns.writing():
                    beat(opened.connection, opened.writer_id)
                self._beats_at_seconds = time.monotonic() + _BEAT_SECONDS
            for start in range(0, len(requests), _ROWS):
                request_ids += _insert(opened, requests[start : start + _ROWS])
        return request_ids

    def take_over(self) -> BacklogSize:
        """See `backlog.Backlog.take_over`."""
        with self._using() as opened:
            for keeper in _keepers(opened.connection):
                if keeper.is_gone or keeper.is_elsewhere(opened.path):
                    _write(opened, _TAKE_OVER, (opened.writer_id, keeper.writer_id))
            where = f"{_SIZE} WHERE writer_id = ?"
            requests, spans, _ = opened.connection.execute(where, (opened.writer_id,)).fetchone()
            return BacklogSize(requests, spans, process.current())

    def oldest(self, most_spans: int, most_bytes: int) -> Sequence[KeptRequest]:
        """See `backlog.Backlog.oldest`."""
        with self._using() as opened:
            return [*_oldest(opened, most_spans, most_bytes)]

    def forget(self, request_ids: Sequence[int]) -> None:
        """See `backlog.Backlog.forget`."""
        with self._using() as opened:
            _write(opened, _FORGET, (opened.writer_id, json.dumps(request_ids)))


def size_of(connection: sqlite3.Connection, path: Path, until_id: int | None = None) -> BacklogSize:
    """All that is kept in the file at `path`, whoever keeps it, and came no later than `until_id`.
    Fast where there is nothing."""
    where = f"{_SIZE} WHERE request_id <= COALESCE(?, request_id)"
    requests, spans, latest_id = connection.execute(where, (until_id,)).fetchone()
    if not requests:
        return BacklogSize()
    keepers = _keepers(connection)
    gone = [keeper for keeper in keepers if keeper.is_gone]
    elsewhere = [each for each in keepers if each not in gone and each.is_elsewhere(path)]
    # A busy collector always keeps something: it must not hide what one beside it left.
    is_attended = keepers and not gone and not elsewhere
    return BacklogSize(
        requests,
        spans,
        keepers[0].process if is_attended else None,
        latest_id,
        elsewhere[0].process if elsewhere else None,
    )


class _Keeper(NamedTuple):
    writer_id: int
    process: Process
    seen_at_ns: int

    @property
    def is_gone(self) -> bool:
        """By its silence where nothing else is known: of a process on another machine (a
        container's name changes at each start), or whose start the system does not tell."""
        if self.process.host != process.current().host or not self.process.process_start:
            return time.time_ns() - self.seen_at_ns > _SILENT_NS
        return not process.is_alive(self.process)

    def is_elsewhere(self, path: Path) -> bool:
        """Whether it lives and has another file: the one at `path` is a copy of that, or was moved
        away from it."""
        who = self.process
        is_known = who.host == process.current().host and bool(who.process_start)
        return is_known and not process.may_have_open(who, path)


def _keepers(connection: sqlite3.Connection) -> list[_Keeper]:
    rows = connection.execute(_KEEPERS).fetchall()
    return [_Keeper(row[0], Process(*row[1:-1]), row[-1]) for row in rows]


def _oldest(opened: Opened, most_spans: int, most_bytes: int) -> Iterator[KeptRequest]:
    """One statement each: sqlite3 would read a second body before the first is looked at."""
    spans, size_bytes, last = 0, 0, 0
    while spans < most_spans and size_bytes < most_bytes:
        row = opened.connection.execute(_OLDEST, (opened.writer_id, last)).fetchone()
        if row is None:
            return
        request = KeptRequest(*row)
        yield request
        spans, last = spans + max(request.span_count, 1), request.request_id
        size_bytes += len(request.body)


def _insert(opened: Opened, requests: Sequence[KeptRequest]) -> range:
    """Their ids, which are consecutive: nobody else inserts while one statement runs."""
    values: list[Any] = []
    for request in requests:
        values += (opened.writer_id, request.encoding, request.span_count, request.body)
    rows = ", ".join(["(?, ?, ?, ?)"] * len(requests))
    columns = "writer_id, encoding, span_count, body"
    last = _write(opened, f"INSERT INTO backlog ({columns}) VALUES {rows}", values).lastrowid
    assert last is not None
    size_bytes = sum(len(request.body) for request in requests)
    opened.checkpointer.wrote(opened.connection, size_bytes)
    return range(last - len(requests) + 1, last + 1)


def _write(opened: Opened, statement: str, values: Sequence[Any]) -> sqlite3.Cursor:
    with opened.turns.writing():
        return opened.connection.execute(statement, values)
