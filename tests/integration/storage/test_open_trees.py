"""What a handed-in tree left open ends with its run, whichever of the two is saved first."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flujo_otel import SQLiteBackend
from flujo_otel.model import Span
from flujo_otel.spanstore.api import RunFilter, SpanFilter
from flujo_otel.spanstore.factory import open_reader

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ENDED = datetime(2026, 1, 1, 12, 1, tzinfo=UTC)
STEP = {"span_id": "s", "name": "left", "start_time": BEGAN.timestamp() + 2}
TREE = {
    "span_id": "r",
    "name": "pipeline_root",
    "start_time": BEGAN.timestamp() + 1,
    "children": [STEP],
}


async def stored(path: Path, status: str, *, tree_first: bool) -> list[Span]:
    async with SQLiteBackend(path) as backend:
        await backend.save_run_start({"run_id": "run-1", "start_time": BEGAN})

        async def save_tree() -> None:
            await backend.save_trace("run-1", TREE)

        async def save_end() -> None:
            await backend.save_run_end("run-1", {"status": status, "end_time": ENDED})

        calls: list[Callable[[], Awaitable[None]]] = [save_tree, save_end]
        for call in calls if tree_first else reversed(calls):
            await call()
    with closing(open_reader(path)) as reader:
        return list(reader.spans("run-1"))


@pytest.mark.parametrize("tree_first", [True, False], ids=["tree first", "end first"])
@pytest.mark.parametrize(
    ("status", "shown", "failed"),
    [
        ("completed", "completed", 0),
        ("failed", "failed", 2),
        ("paused", "paused", 0),
        ("cancelled", "failed", 2),
    ],
)
async def test_what_is_open_takes_the_runs_status_and_end(
    tmp_path: Path, status: str, shown: str, failed: int, *, tree_first: bool
) -> None:
    path = tmp_path / "traces.db"
    spans = await stored(path, status, tree_first=tree_first)
    end_ns = int(ENDED.timestamp()) * 10**9
    assert [("pipeline_root", shown, end_ns), ("left", shown, end_ns)] == [
        (span.name, span.status, span.end_time_ns) for span in spans
    ]
    with closing(open_reader(path)) as reader:
        [run] = reader.list_runs(RunFilter(), 10)
        assert list(reader.spans("run-1", SpanFilter(status="running"))) == []
    assert (2, failed) == (run.span_count, run.error_count)


async def test_until_the_run_ends_what_is_open_stays_open(tmp_path: Path) -> None:
    async with SQLiteBackend(tmp_path / "traces.db") as backend:
        await backend.save_run_start({"run_id": "run-1", "start_time": BEGAN})
        await backend.save_trace("run-1", TREE)
        assert [("running", None)] * 2 == [
            (span["status"], span["end_time"]) for span in await backend.get_spans("run-1")
        ]


async def test_what_had_ended_keeps_its_own_end(tmp_path: Path) -> None:
    ended = {**STEP, "end_time": BEGAN.timestamp() + 3, "status": "completed"}
    async with SQLiteBackend(tmp_path / "traces.db") as backend:
        await backend.save_run_start({"run_id": "run-1", "start_time": BEGAN})
        await backend.save_trace("run-1", {**TREE, "children": [ended]})
        await backend.save_run_end("run-1", {"status": "failed", "end_time": ENDED})
        root, step = await backend.get_spans("run-1")
    assert ("failed", ENDED.timestamp()) == (root["status"], root["end_time"])
    assert ("completed", BEGAN.timestamp() + 3) == (step["status"], step["end_time"])
