"""TraceLog on SQLite: a file of ours, or a database in memory with the same schema."""

import json
import secrets
import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Final

from flujo_otel import forks, process
from flujo_otel.errors import MalformedTrace, NoDatabase, StoreError
from flujo_otel.model import Batch, Loss, Span
from flujo_otel.settings import Durable
from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.sqlite import rows
from flujo_otel.spanstore.sqlite.checkpoint import Checkpointer, Turns
from flujo_otel.spanstore.sqlite.connection import (
    BUSY_TIMEOUT_SECONDS,
    connect_for_reading,
    connect_for_writing,
)
from flujo_otel.spanstore.sqlite.layout import migrate, migrations
from flujo_otel.spanstore.sqlite.opened import SCRIPTS, Opened
from flujo_otel.spanstore.sqlite.processes import register
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from flujo_otel.spanstore.sqlite.xray_connection import XRayConnection, connect
from flujo_otel.spanstore.tracelog import Recorded

_ROOTS_AND_STEPS: Final = f"""
    {rows.SELECT_SPANS}
    WHERE run_id IN (SELECT value FROM json_each(?)) AND role <> 0
    ORDER BY start_time_ns, rowid
"""


class SQLiteTraceLog:
    """`path` None: in memory, for as long as this object is.

    One connection writes and one is the program's (`connection`), since in that one the names of
    our tables are X-Ray's views. Connections to a file are closed before a fork: a child could not
    safely open the file anew while one of them was open.
    """

    def __init__(self, path: Path | None, *, durable: Durable = "normal") -> None:
        self._path = path
        self._lock = RLock()
        self._program: XRayConnection | None = None
        self._forked_in_use = False
        self._writer: SQLiteSpanWriter
        if path is None:
            self._uri = f"file:/flujo-otel-{secrets.token_hex(8)}?vfs=memdb"
            self._writer = memory = _MemoryWriter(self._uri)
            weakref.finalize(self, memory.forget)
        else:
            self._uri = f"{path.absolute().as_uri()}?mode=rw"
            self._writer = SQLiteSpanWriter(path, durable=durable)
            weakref.finalize(self, self._writer.close)
            forks.join(self)

    def write(self, batch: Batch) -> None:
        """See `tracelog.TraceLog.write`."""
        with self._using():
            rejected = self._writer.replace(batch).rejected
        if rejected:
            record, reason = rejected[0]
            raise MalformedTrace(f"{record.name!r} of {record.run_id} cannot be stored: {reason}")

    def read(self, run_id: str) -> Recorded | None:
        """See `tracelog.TraceLog.read`."""
        with self._reader() as reader:
            run = reader.get_run(run_id) if reader else None
            if reader is None or run is None:
                return None
            return Recorded(run, reader.roots_and_steps([run_id]).get(run_id, []))

    def newest(self, limit: int, statuses: Sequence[str] | None) -> list[Recorded]:
        """See `tracelog.TraceLog.newest`."""
        with self._reader() as reader:
            if reader is None:
                return []
            found = [
                run
                for status in ([None] if statuses is None else statuses)
                for run in reader.list_runs(RunFilter(status=status), limit)
            ]
            runs = sorted(found, key=lambda run: run.start_time_ns, reverse=True)[:limit]
            spans = reader.roots_and_steps([run.run_id for run in runs])
        return [Recorded(run, spans.get(run.run_id, [])) for run in runs]

    def count_losses(self, losses: Sequence[Loss]) -> None:
        """See `tracelog.TraceLog.count_losses`."""
        with self._using():
            self._writer.count_losses(losses)

    @property
    def connection(self) -> sqlite3.Connection:
        """See `tracelog.TraceLog.connection`."""
        with self._using():
            if self._program is None:
                if isinstance(self._writer, _MemoryWriter):
                    self._writer.open()
                if self._path is not None:
                    connect_for_writing(self._path).close()  # makes the file where it is missing
                turns = None if self._path is None else Turns(self._path)
                self._program = connect(self._uri, BUSY_TIMEOUT_SECONDS, turns)
            return self._program

    def close(self) -> None:
        """See `tracelog.TraceLog.close`."""
        with self._lock:
            self._let_go()
            if isinstance(self._writer, _MemoryWriter):
                self._writer.forget()

    @contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock:
            if self._forked_in_use:
                raise StoreError(
                    "This process was forked while its parent was using the database: using it"
                    " here as well could damage it. Make a SQLiteStorage after the fork."
                )
            yield

    @contextmanager
    def _reader(self) -> Iterator["_Reader | None"]:
        """None: there is nothing yet."""
        with self._using():
            if isinstance(self._writer, _MemoryWriter):
                yield _Reader(Path(":memory:"), self._writer.connection)
                return
            assert self._path is not None
            try:
                connection = connect_for_reading(self._path, upgrade=True)
            except NoDatabase:
                yield None
                return
            with closing(_Reader(self._path, connection)) as reader:
                yield reader

    def _let_go(self) -> None:
        if self._program is not None:
            self._program.close()
            if self._program.turns is not None:
                self._program.turns.close()
            self._program = None
        self._writer.close()

    # --- fork --------------------------------------------------------------------------------

    def pause(self) -> bool:
        """See `forks.Participant.pause`."""
        if not self._lock.acquire(timeout=forks.PAUSE_SECONDS):
            return False
        with suppress(sqlite3.Error):
            self._let_go()
        return True

    def resume(self) -> None:
        """See `forks.Participant.resume`."""
        self._lock.release()

    def start_over(self, *, safe: bool) -> None:
        """See `forks.Participant.start_over`."""
        self._lock = RLock()
        self._forked_in_use = self._forked_in_use or not safe


class _Reader(SQLiteTraceReader):
    def roots_and_steps(self, run_ids: Sequence[str]) -> dict[str, list[Span]]:
        """By run; one query however many are asked for."""
        spans: dict[str, list[Span]] = {}
        for row in self._rows(_ROOTS_AND_STEPS, (json.dumps(list(run_ids)),)):
            span = rows.span(row)
            spans.setdefault(span.run_id, []).append(span)
        return spans


class _MemoryWriter(SQLiteSpanWriter):
    """Writes to a database in memory: SQLite's `memdb`, which connections of one process share by
    its name, each with TEMP tables of its own."""

    def __init__(self, uri: str) -> None:
        super().__init__(Path(":memory:"))
        self._memory: Opened | None = None
        self._uri = uri
        self._opened()

    @property
    def connection(self) -> sqlite3.Connection:
        return self._opened().connection

    def close(self) -> None:
        """Nothing: what is in memory is gone with its last connection."""

    def open(self) -> None:
        """Anew and empty, where it was forgotten."""
        self._opened()

    def forget(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _opened(self) -> Opened:
        if self._memory is None:
            self._memory = _open_memory(self._uri)
        return self._memory


def _open_memory(uri: str) -> Opened:
    path = Path(":memory:")
    connection = sqlite3.Connection(
        uri,
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    migrate(connection, path, migrations())
    connection.execute("PRAGMA temp_store = MEMORY")
    for script in SCRIPTS:
        connection.executescript(script.read_text(encoding="utf-8"))
    writer_id = register(connection, process.current())
    turns = _NoTurns(path)
    return Opened(path, connection, None, turns, Checkpointer(path, turns), writer_id, "", set())


class _NoTurns(Turns):
    """Nobody else has this database, and it has no WAL."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        yield

    @contextmanager
    def checkpointing(self) -> Iterator[bool]:
        yield False
