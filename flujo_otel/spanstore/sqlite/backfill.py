"""The long part of a checkpoint, beside the writers.

With 70 MB a second going into the WAL a checkpoint takes 0.5 to 1 s, in which nobody may write
where SQLite has the WAL-reset fault (checkpoint.py). So a thread first copies what the WAL holds
by then; what is written meanwhile, some 50 MB, is what the checkpoint alone is left with.

The fault needs a WAL that starts anew while somebody checkpoints. It cannot start anew while a
reader looks at it, and a reader of ours does from before the copying until after it. A reader of a
WAL that is copied whole does not count, though; so what it reads was written just before, with
nobody else at work.
"""

import sqlite3
from contextlib import ExitStack, closing, suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Final

from flujo_otel.spanstore.sqlite.connection import connect_for_backfill

_MARK: Final = "UPDATE writers SET seen_at_ns = seen_at_ns + 1 WHERE writer_id = ?"
_MARKED: Final = "SELECT seen_at_ns FROM writers WHERE writer_id = ?"


class Backfill:
    """Of the WAL beside `database`; `writer_id`: ours, which has a row in it."""

    def __init__(self, database: Path, writer_id: int) -> None:
        self._database = database
        self._writer_id = writer_id
        self._thread: Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether a thread of ours is copying."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, connection: sqlite3.Connection) -> None:
        """Begin to copy what the WAL holds now. To be called by whoever writes nowhere else, with
        nobody else writing or checkpointing. Raises sqlite3.OperationalError, and RuntimeError
        where there is no thread to be had."""
        connection.execute(_MARK, (self._writer_id,))
        with ExitStack() as held:
            reader = held.enter_context(closing(connect_for_backfill(self._database)))
            copier = held.enter_context(closing(connect_for_backfill(self._database)))
            reader.execute("BEGIN")
            mark = self._marked(connection)
            if mark and mark == self._marked(reader) == self._marked(copier):
                self._thread = _started(copier, held.pop_all())
            # Else another file has had this name for a moment, which is none of ours.

    def join(self) -> None:
        """Wait until what was begun is done."""
        if self._thread is not None:
            self._thread.join()

    def _marked(self, connection: sqlite3.Connection) -> object:
        return connection.execute(_MARKED, (self._writer_id,)).fetchone()


def _started(copier: sqlite3.Connection, held: ExitStack) -> Thread:
    # In the caller's context: it says that nothing of this is to be traced.
    work = partial(copy_context().run, _copy, copier, held)
    thread = Thread(target=work, name="flujo-otel-backfill", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        held.close()
        raise
    return thread


def _copy(copier: sqlite3.Connection, held: ExitStack) -> None:
    # That another process checkpoints just now is no fault: it does the same work. A broken file is
    # met by the next write, which says so.
    with held, suppress(sqlite3.DatabaseError):
        copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
