"""The table `writers`: the processes that write to the file, and when each was last alive."""

import sqlite3
import time

from flujo_otel.model import Process


def register(connection: sqlite3.Connection, process: Process) -> int:
    """The process's id, entering it if it is new. None is ever removed: runs refer to them."""
    now_ns = time.time_ns()
    connection.execute(
        "INSERT OR IGNORE INTO writers"
        " (host, pid, process_start, command, opened_at_ns, seen_at_ns) VALUES (?, ?, ?, ?, ?, ?)",
        (process.host, process.pid, process.process_start, process.command, now_ns, now_ns),
    )
    row = connection.execute(
        "SELECT writer_id FROM writers WHERE host = ? AND pid = ? AND process_start = ?",
        (process.host, process.pid, process.process_start),
    ).fetchone()
    return int(row[0])


def beat(connection: sqlite3.Connection, writer_id: int) -> None:
    """Note that the process is alive."""
    connection.execute(
        "UPDATE writers SET seen_at_ns = ? WHERE writer_id = ?", (time.time_ns(), writer_id)
    )


def listed(connection: sqlite3.Connection) -> list[tuple[int, Process]]:
    """All of them with their ids."""
    rows = connection.execute(
        "SELECT writer_id, host, pid, process_start, command FROM writers ORDER BY writer_id"
    ).fetchall()
    return [(row[0], Process(*row[1:])) for row in rows]
