"""What a program hands a SQLiteBackend, and a look at what is in its file then."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = {
    "step_run_id": "run-1:0",
    "run_id": "run-1",
    "step_name": "s",
    "step_index": 0,
    "start_time": START,
}


def node(span_id: str, *children: Any, **more: Any) -> dict[str, Any]:
    """A span of a trace tree."""
    given = {"name": f"name-{span_id}", "start_time": 1.0, "end_time": 2.0, "status": "completed"}
    return {"span_id": span_id, **given, "children": list(children), **more}


def table(path: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows that `query` gives."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()
