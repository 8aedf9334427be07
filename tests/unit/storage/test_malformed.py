"""What SQLiteBackend refuses, and that what was there before stays."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.errors import MalformedTrace
from flujo_otel.storage.sqlite import SQLiteBackend
from support.handed_in import START, STEP, node, table

MALFORMED: list[tuple[str, Any, str]] = [
    ("a list", [node("a")], "trace is list"),
    ("nothing", {}, "trace has no span_id"),
    ("no dict", None, "trace is NoneType None; it must be a dict"),
    ("no name", {"span_id": "a"}, "trace has no name"),
    ("a child that is text", node("a", node("b"), "c"), r"trace.children\[1\] is str 'c'"),
    ("children that are a dict", node("a", children={"b": 1}), "trace.children is dict"),
    ("a child without an id", node("a", node("b", {"name": "x"})), r"children\[0\] has no span_id"),
    ("an id twice", node("a", node("b"), node("b")), r"children\[1\]: span_id 'b' occurs twice"),
    ("a time that is text", node("a", start_time="now"), "start_time is str 'now'"),
    ("a time that is no number", node("a", end_time=float("nan")), "end_time is nan"),
    ("a time before 1970", node("a", start_time=-1.0), "it must be seconds of Unix time"),
    ("a time in nanoseconds", node("a", start_time=1e18), "it must be seconds of Unix time"),
    ("attributes that are a list", node("a", attributes=[1]), "attributes is list"),
]
STATE = {
    **dict.fromkeys(("pipeline_id", "pipeline_name", "pipeline_version"), "x"),
    **dict.fromkeys(("created_at", "updated_at"), START),
    "status": "running",
    "pipeline_context": {},
}


class TestMalformedData:
    @pytest.mark.parametrize(("_", "trace", "says"), MALFORMED, ids=[m[0] for m in MALFORMED])
    async def test_a_trace_is_refused_where_it_is_wrong_and_the_one_before_it_stays(
        self, backend: SQLiteBackend, path: Path, _: str, trace: Any, says: str
    ) -> None:
        await backend.save_run_start({"run_id": "run-1", "start_time": START})
        await backend.save_trace("run-1", node("old", node("child")))
        everything = "SELECT * FROM spans ORDER BY rowid"
        before = table(path, everything), table(path, "SELECT * FROM runs")
        with pytest.raises(MalformedTrace, match=says):
            await backend.save_trace("run-1", trace)
        assert (table(path, everything), table(path, "SELECT * FROM runs")) == before

    async def test_a_tree_that_contains_itself_is_refused(self, backend: SQLiteBackend) -> None:
        trace = node("a", node("b"))
        trace["children"][0]["children"].append(trace)
        with pytest.raises(MalformedTrace, match=r"trace.children\[0\].children\[0\] is trace"):
            await backend.save_trace("run-1", trace)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"step_run_id": None}, "step_run_id is None"),
            ({"run_id": ""}, "run_id is ''"),
            ({"step_name": 3}, "step_name is 3"),
            ({"step_index": "0"}, "step_index is '0'"),
            ({"step_index": 1 << 63}, "it must be a whole number"),
            ({"start_time": None}, "no start_time"),
            ({"start_time": "soon"}, "start_time is 'soon'"),
            ({"cost": "1 $"}, "cost is '1 \\$'"),
            ({"cost": float("nan")}, "cost is nan"),
            ({"tokens": 1 << 63}, "below 2\\*\\*63"),
            ({"start_time": datetime.min}, "it must be from 1678 to 2262"),
            ({"end_time": datetime.max}, "it must be from 1678 to 2262"),
            ({"end_time": "9999-12-31T00:00:00"}, "it must be from 1678 to 2262"),
        ],
    )
    @pytest.mark.parametrize("has_state", [False, True])
    async def test_a_step_is_refused_by_its_key_at_once(
        self, backend: SQLiteBackend, change: Mapping[str, Any], says: str, has_state: bool
    ) -> None:
        if has_state:  # then it would be written later
            await backend.save_state("run-1", STATE)
        with pytest.raises(MalformedTrace, match=says):
            await backend.save_step_result({**STEP, **change})
        assert await backend.list_run_steps("run-1") == []

    @pytest.mark.parametrize("data", [{}, {"run_id": 3}, {"run_id": "r", "start_time": 3}])
    async def test_a_run_is_refused_without_an_id_or_a_time(
        self, backend: SQLiteBackend, data: Mapping[str, Any]
    ) -> None:
        with pytest.raises(MalformedTrace):
            await backend.save_run_start(data)


@pytest.mark.parametrize("given", [(float("nan"), 1.0), (1.0, None), (1.0,), ("a", "b"), 5])
async def test_a_range_of_times_that_is_none_is_refused_by_its_name(
    backend: SQLiteBackend, given: Any
) -> None:
    await backend.save_run_start({"run_id": "r"})
    with pytest.raises(MalformedTrace, match="time_range is "):
        await backend.get_span_statistics(None, given)


async def test_whatever_cannot_be_stored_is_said_to_be_malformed(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "a.db")
    await backend.save_run_start({"run_id": "r"})
    step = {"step_run_id": "a", "run_id": "r", "step_name": "s", "step_index": 0}
    for call in (
        lambda: backend.save_step_result({**step, "start_time": datetime.max, "cost": 10**400}),
        lambda: backend.save_run_start(None),  # type: ignore[arg-type]
        lambda: backend.get_trace("\udc80"),
        lambda: backend.get_spans("r", 5, [1]),  # type: ignore[arg-type]
        lambda: backend.get_span_statistics(None, (float("nan"), 1e30)),
    ):
        with pytest.raises(MalformedTrace):
            await call()
