"""Our database, open for writing, with all that goes with the connection."""

import sqlite3
from pathlib import Path
from typing import Final, Literal, NamedTuple

from flujo_otel import process
from flujo_otel.spanstore.sqlite.backfill import Backfill
from flujo_otel.spanstore.sqlite.checkpoint import WAIT_SECONDS, Checkpointer, Turns
from flujo_otel.spanstore.sqlite.connection import connect_for_writing
from flujo_otel.spanstore.sqlite.files import Files
from flujo_otel.spanstore.sqlite.processes import register
from flujo_otel.spanstore.sqlite.tuning import TRACED, Tuning

SCRIPTS: Final = [
    Path(__file__).with_name(name)
    for name in ("staged.sql", "usage.sql", "pour.sql", "replacement.sql")
]
"""Of the connection's own: the views and triggers that a write goes into."""


class Opened(NamedTuple):
    """An open database with what belongs to this connection."""

    path: Path
    connection: sqlite3.Connection
    files: Files | None
    """None: it is in memory."""
    turns: Turns
    checkpointer: Checkpointer
    writer_id: int
    service: str
    known: set[tuple[str, int]]
    """Resources and scopes that the file has for certain, by statement and id."""

    @property
    def is_in_place(self) -> bool:
        """Whether it is still what its path leads to."""
        return self.files is None or self.files.are_in_place

    def close(self) -> None:
        """Let go of the files."""
        self.checkpointer.close()
        if self.files is not None:
            self.files.leave(self.connection, self.turns)
        self.connection.close()
        self.turns.close()


def open_database(
    path: Path,
    durable: Literal["normal", "full"],
    busy_timeout_seconds: float | None = None,
    *,
    tuning: Tuning = TRACED,
    service: str = "",
) -> Opened:
    """Open our file for writing. Raises what `connect_for_writing` raises."""
    connection = connect_for_writing(
        path,
        durable=durable,
        busy_timeout_seconds=busy_timeout_seconds,
        cache_bytes=tuning.cache_bytes,
    )
    try:
        files = Files.of(path)
        for script in SCRIPTS:
            connection.executescript(script.read_text(encoding="utf-8"))
        wait_seconds = WAIT_SECONDS if busy_timeout_seconds is None else busy_timeout_seconds
        turns = Turns(path, wait_seconds)
        with turns.writing():
            writer_id = register(connection, process.current())
    except BaseException:
        connection.close()
        raise
    backfill = Backfill(path, writer_id) if tuning.backfills else None
    checkpointer = Checkpointer(path, turns, tuning, backfill)
    return Opened(path, connection, files, turns, checkpointer, writer_id, service, set())
