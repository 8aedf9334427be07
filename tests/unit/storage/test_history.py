"""A run's history is written entry by entry, and read back whole."""

from pathlib import Path
from typing import Any

import pytest

from flujo_otel.storage import state_rows
from flujo_otel.storage.sqlite import SQLiteBackend
from flujo_otel.storage.trace_tree import SCOPE


def state(history: Any) -> dict[str, Any]:
    values = dict.fromkeys(("pipeline_id", "pipeline_name", "pipeline_version", "status"), "x")
    times = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00+00:00")
    return {**values, **times, "pipeline_context": {}, "step_history": [history]}


async def names(backend: SQLiteBackend) -> list[int]:
    loaded = await backend.load_state("run-1")
    assert loaded is not None
    return list(loaded["step_history"])


async def test_each_save_adds_what_is_new(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "a.db")
    for count in range(1, 5):
        history = state_rows.History.of([str(n) for n in range(count)], count - 1)
        await backend.save_state("run-1", state(history))
        assert history.is_saved
        assert await names(backend) == list(range(count))


@pytest.mark.parametrize("count", [2, 5])
async def test_where_what_it_adds_to_is_gone_all_is_written(tmp_path: Path, count: int) -> None:
    backend = SQLiteBackend(tmp_path / "a.db")
    await backend.save_state("run-1", state(state_rows.History.of(["0"], 0)))
    await backend.delete_state("run-1")
    history = state_rows.History.of([str(n) for n in range(count)], 1)
    await backend.save_state("run-1", state(history))
    assert await names(backend) == list(range(count))


async def test_saved_again_as_it_is_earlier_entries_are_not_written(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "a.db")
    await backend.save_state("run-1", state(state_rows.History.of(["0", "1"], 0)))
    # Another than before: it would be seen.
    ended = state(state_rows.History.of(["8", "1"], 2)) | {"status": "completed"}
    await backend.save_state("run-1", ended)
    assert await names(backend) == [0, 1]
    assert [each["status"] for each in await backend.list_states()] == ["completed"]


@pytest.mark.parametrize("theirs", [1, 2, 5])
async def test_where_somebody_else_wrote_all_is_written(tmp_path: Path, theirs: int) -> None:
    backend = SQLiteBackend(tmp_path / "a.db")
    for count in (3, theirs):
        history = state_rows.History.of(["7"] * count, 0)
        await backend.save_state("run-1", state(history))
    history = state_rows.History.of([str(n) for n in range(4)], 3)
    await backend.save_state("run-1", state(history))
    assert await names(backend) == list(range(4))


def test_a_pour_knows_saved_trees_by_their_scope() -> None:
    from flujo_otel.spanstore import sqlite

    pour = (Path(sqlite.__file__).with_name("pour.sql")).read_text(encoding="utf-8")
    assert f"scope_id = {SCOPE.scope_id}" in pour
