"""A step that only the state of a run knows gets its record of that."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.storage.sqlite import SQLiteBackend

SECRET = "sk-live-" + "a" * 24
START = datetime(2026, 1, 1)


def entry(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "output": f"of {name}", "success": True, "latency_s": 0.25} | facts


def state(history: list[Any], **facts: Any) -> dict[str, Any]:
    values = dict.fromkeys(("pipeline_id", "pipeline_name", "pipeline_version"), "x")
    times = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:05+00:00")
    more = {"status": "running", "current_step_index": len(history), "pipeline_context": {}}
    return {**values, **times, **more, "step_history": history, **facts}


def record(index: int, name: str, output: str) -> dict[str, Any]:
    facts = {"step_run_id": f"run-1:{index}", "run_id": "run-1", "step_name": name}
    return facts | {"step_index": index, "start_time": START, "output": output}


async def steps(
    path: Path, saved: dict[str, Any], records: tuple[dict[str, Any], ...] = ()
) -> list[dict[str, Any]]:
    async with SQLiteBackend(path / "a.db") as backend:
        await backend.save_run_start({"run_id": "run-1"})
        for each in records:
            await backend.save_step_result(each)
        await backend.save_state("run-1", saved)
        await backend.load_state("run-1")
        found = await backend.list_run_steps("run-1")
        assert await backend.list_run_steps("run-1") == found
    return found


def outputs(found: list[dict[str, Any]]) -> list[tuple[int, str, Any]]:
    return [(each["step_index"], each["step_name"], each["output"]) for each in found]


async def test_it_says_what_flujos_record_would(tmp_path: Path) -> None:
    facts = {"success": False, "feedback": "sour", "cost_usd": 0.5, "token_counts": 7}
    [step] = await steps(tmp_path, state([entry("a", **facts)]))
    wanted = {"status": "failed", "error": "sour", "cost": 0.5, "tokens": 7, "duration_ms": 250}
    times = {"start_time": "2026-01-01T00:00:04.750000", "end_time": "2026-01-01T00:00:05"}
    assert {key: step[key] for key in wanted | times} == wanted | times


async def test_a_record_that_is_there_stays(tmp_path: Path) -> None:
    found = await steps(tmp_path, state([entry("a"), entry("b")]), (record(0, "a", "real"),))
    assert outputs(found) == [(0, "a", "real"), (1, "b", "of b")]


async def test_a_record_that_comes_later_replaces_it(tmp_path: Path) -> None:
    assert outputs(await steps(tmp_path, state([entry("a")]))) == [(0, "a", "of a")]
    async with SQLiteBackend(tmp_path / "a.db") as backend:
        await backend.save_step_result(record(0, "a", "real"))
        assert outputs(await backend.list_run_steps("run-1")) == [(0, "a", "real")]


async def test_one_that_was_made_in_between_stays(tmp_path: Path) -> None:
    from flujo_otel.storage import rows

    await steps(tmp_path, state([]), (record(0, "a", "real"),))
    async with SQLiteBackend(tmp_path / "a.db") as backend:
        backend._log.add_missing_steps([rows.step_result(record(0, "a", "of a"))])
        assert outputs(await backend.list_run_steps("run-1")) == [(0, "a", "real")]


async def test_after_going_on_the_history_begins_later(tmp_path: Path) -> None:
    found = await steps(tmp_path, state([entry("c")], current_step_index=3))
    assert outputs(found) == [(2, "c", "of c")]


async def test_once_it_has_ended_the_history_begins_with_the_first(tmp_path: Path) -> None:
    saved = state([entry("a"), entry("b")], status="completed", current_step_index=3)
    found = await steps(tmp_path, saved)
    assert outputs(found) == [(0, "a", "of a"), (1, "b", "of b")]
    assert [each["end_time"] for each in found] == [None, None]


async def test_a_history_of_other_steps_than_the_records_is_none_of_them(tmp_path: Path) -> None:
    saved = state([entry("inner"), entry("other")])
    found = await steps(tmp_path, saved, (record(0, "outer", "real"),))
    assert outputs(found) == [(0, "outer", "real")]


async def test_a_state_without_a_run_makes_none(tmp_path: Path) -> None:
    async with SQLiteBackend(tmp_path / "a.db") as backend:
        await backend.save_state("run-1", state([entry("a")]))
        assert await backend.list_run_steps("run-1") == []
        assert await backend.get_run_details("run-1") is None


async def test_a_secret_stays_in_the_state(tmp_path: Path) -> None:
    said = {"output": f"api_key={SECRET}", "success": False, "feedback": f"api_key={SECRET}"}
    assert len(await steps(tmp_path, state([entry("a", **said)]))) == 1
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        assert SECRET in repr(connection.execute("SELECT * FROM workflow_history").fetchall())
        assert SECRET not in repr(connection.execute("SELECT * FROM steps").fetchall())


@pytest.mark.parametrize(
    "odd",
    [
        {"latency_s": "NaN", "cost_usd": True, "token_counts": 1 << 70, "metadata_": ["x"]},
        {"latency_s": None, "output": None, "feedback": None, "success": None},
    ],
)
async def test_odd_values_are_left_out(tmp_path: Path, odd: dict[str, Any]) -> None:
    [step] = await steps(tmp_path, state([entry("a", **odd)]))
    assert (step["duration_ms"], step["step_name"]) == (None, "a")


@pytest.mark.parametrize("odd", [None, "text", {}, {"name": ""}, {"name": 3}])
async def test_an_entry_that_is_no_step_makes_none(tmp_path: Path, odd: Any) -> None:
    assert await steps(tmp_path, state([odd])) == []
