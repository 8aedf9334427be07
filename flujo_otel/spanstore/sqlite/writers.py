"""The table of processes that write: who has a run open, and is it still alive."""

import sqlite3
import time

from flujo_otel import process
from flujo_otel.model import Writer


def register(connection: sqlite3.Connection, writer: Writer) -> int:
    """The writer's id, entering it if it is new; forgets the dead that no open run refers to."""
    for writer_id, known in listed(connection):
        if not process.is_alive(known):
            connection.execute(
                "DELETE FROM writers WHERE writer_id = ? AND NOT EXISTS ("
                " SELECT 1 FROM runs WHERE status = 'running' AND writer_id = ?)",
                (writer_id, writer_id),
            )
    connection.execute(
        "INSERT OR IGNORE INTO writers (host, pid, process_start, command, opened_at_ns)"
        " VALUES (?, ?, ?, ?, ?)",
        (writer.host, writer.pid, writer.process_start, writer.command, time.time_ns()),
    )
    row = connection.execute(
        "SELECT writer_id FROM writers WHERE host = ? AND pid = ? AND process_start = ?",
        (writer.host, writer.pid, writer.process_start),
    ).fetchone()
    return int(row[0])


def listed(connection: sqlite3.Connection) -> list[tuple[int, Writer]]:
    """All writers with their ids."""
    rows = connection.execute(
        "SELECT writer_id, host, pid, process_start, command FROM writers ORDER BY writer_id"
    ).fetchall()
    return [(row[0], Writer(*row[1:])) for row in rows]
