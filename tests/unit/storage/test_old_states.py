"""`cleanup_old_workflows` deletes many states at once, and never so many that others wait long."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.spanstore.sqlite.standing_connection import StandingConnection
from flujo_otel.storage.sqlite import SQLiteBackend

NOW = datetime.now()
MEBIBYTE = 1 << 20


def save(backend: SQLiteBackend, run_id: str, made_at: datetime, text: str, entries: int) -> None:
    state = {
        "pipeline_id": "p",
        "pipeline_name": "p",
        "pipeline_version": "1",
        "current_step_index": entries,
        "status": "completed",
        "pipeline_context": {"text": text},
        "step_history": [{"name": f"s{n}", "output": text} for n in range(entries)],
        "created_at": made_at,
        "updated_at": made_at,
    }
    asyncio.run(backend.save_state(run_id, state))


@pytest.fixture
def written_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each transaction."""
    found: list[int] = []
    write = StandingConnection.write

    def counting(self: StandingConnection, work: Any, size_bytes: int, *, wait: bool) -> Any:
        found.append(size_bytes)
        return write(self, work, size_bytes, wait=wait)

    monkeypatch.setattr(StandingConnection, "write", counting)
    return found


def rows(path: Path, table: str) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {run_id for (run_id,) in connection.execute(f"SELECT run_id FROM {table}")}


def test_many_old_states_go_in_few_transactions(
    backend: SQLiteBackend, path: Path, written_bytes: list[int]
) -> None:
    for n in range(300):
        save(backend, f"old{n}", NOW - timedelta(days=40), "x", 2)
    save(backend, "new", NOW, "x", 2)
    written_bytes.clear()
    assert asyncio.run(backend.cleanup_old_workflows(30)) == 300
    assert 1 < len(written_bytes) <= 4
    assert rows(path, "workflow_state") == rows(path, "workflow_history") == {"new"}
    assert asyncio.run(backend.cleanup_old_workflows(30)) == 0


@pytest.mark.parametrize("entries", [0, 1])
def test_of_large_ones_few_go_at_a_time(
    backend: SQLiteBackend, path: Path, written_bytes: list[int], entries: int
) -> None:
    # Three bytes a character: it is bytes that take time.
    text = "\u20ac" * (MEBIBYTE // 3 // (entries + 1))
    for n in range(6):
        save(backend, f"old{n}", NOW - timedelta(days=40), text, entries)
    written_bytes.clear()
    assert asyncio.run(backend.cleanup_old_workflows(30)) == 6
    # All of it counts towards the next checkpoint, and no batch is larger than two and a state.
    assert sum(written_bytes) > 6 * MEBIBYTE * 0.9
    assert max(written_bytes) < 3 * MEBIBYTE * 1.1
    assert rows(path, "workflow_state") == rows(path, "workflow_history") == set()
