"""SQLiteBackend is asked what flujo's own backend is asked, of the version at hand, and answers
with its keys, in its order, and its values."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flujo", reason="these tests need the real flujo: pip install .[flujo]")

from flujo_otel import SQLiteBackend

pytestmark = pytest.mark.flujo
IS_06 = tuple(map(int, version("flujo").split(".")[:2])) >= (0, 5)
only_on_06 = pytest.mark.skipif(not IS_06, reason="flujo 0.4 has nothing like it")

Calls = Callable[[Any], Awaitable[Any]]
NOW = datetime.now(UTC) if IS_06 else datetime.now()


def answers(*calls: Calls) -> list[tuple[Any, Any]]:
    """What ours and flujo's answer to the same calls, each on a file of its own."""
    from flujo.state.backends.sqlite import SQLiteBackend as FlujosBackend

    async def ask(backend: Any) -> list[Any]:
        async with backend:
            return [await call(backend) for call in calls]

    with tempfile.TemporaryDirectory() as folder:
        ours = asyncio.run(ask(SQLiteBackend(Path(folder) / "ours.db")))
        theirs = asyncio.run(ask(FlujosBackend(Path(folder) / "flujos.db")))
    return list(zip(ours, theirs, strict=True))


def assert_alike(ours: Any, theirs: Any) -> None:
    """flujo's keys first and in its order; ours may know more (FSD-08's names on 0.6)."""
    if isinstance(theirs, list):
        assert isinstance(ours, list)
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_alike(mine, other)
    elif isinstance(theirs, dict):
        assert list(ours)[: len(theirs)] == list(theirs)
        assert {key: ours[key] for key in theirs} == theirs
        if not IS_06:
            assert list(ours) == list(theirs)
    else:
        assert ours == theirs


# Times lie further than a day from every limit asked for: flujo compares "…T…" with "… …" as text,
# which is wrong for all of the limit's day.
def state(number: int = 0, **given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "pipeline_id": f"pipe-{number % 2}",
        "pipeline_name": "demo",
        "pipeline_version": "1.2",
        "current_step_index": number,
        "pipeline_context": {"initial_prompt": "x", "nested": {"a": [1, None, 2.5, "é\u2028"]}},
        "last_step_output": {"n": number},
        "step_history": [{"name": f"s{n}", "output": n} for n in range(number)],
        "status": ("running", "failed", "paused", "completed")[number % 4],
        "created_at": NOW - timedelta(hours=60 * number),
        "updated_at": NOW - timedelta(hours=60 * number),
        "total_steps": 5,
        "execution_time_ms": 10 * number,
        "memory_usage_mb": 0.5,
    }
    if IS_06:
        values["metadata"] = {"tag": number, "deep": {"er": [1], "x": 2}}
        values["is_background_task"] = number % 2 == 1
        values["parent_run_id"] = "run-0"
        values["task_id"] = f"task-{number}"
    return values | given


def saves(count: int) -> list[Calls]:
    return [lambda b, n=n: b.save_state(f"run-{n}", state(n)) for n in range(count)]  # type: ignore[misc]


def test_every_method_of_the_abstract_interface_is_there_with_its_arguments() -> None:
    from flujo.state import StateBackend

    for name, method in vars(StateBackend).items():
        if iscoroutinefunction(method):
            ours = getattr(SQLiteBackend, name)
            assert iscoroutinefunction(ours)
            assert list(signature(ours).parameters) == list(signature(method).parameters)


def test_every_public_method_of_flujos_own_backend_is_there() -> None:
    from flujo.state.backends.sqlite import SQLiteBackend as FlujosBackend

    theirs = {name for name in dir(FlujosBackend) if not name.startswith("_")}
    assert theirs - set(dir(SQLiteBackend)) - {"shutdown_all"} == set()


def test_it_is_a_state_backend_in_flujos_eyes(tmp_path: Path) -> None:
    import flujo.application.runner  # noqa: F401
    from flujo.state import StateBackend

    assert isinstance(SQLiteBackend(tmp_path / "a.db"), StateBackend)


def test_a_state_comes_back_as_from_flujos() -> None:
    calls = [*saves(4), *(lambda b, n=n: b.load_state(f"run-{n}") for n in range(5))]  # type: ignore[misc]
    for ours, theirs in answers(*calls):
        assert_alike(ours, theirs)


@pytest.mark.parametrize(
    "value",
    [None, 0, "", [], {}, {1: "integer key"}, {"real": 1.0, "imag": 2.0}, 2**62, [[]], True],
    ids=repr,
)
def test_an_output_and_a_context_come_back_as_from_flujos(value: Any) -> None:
    given = state(1, last_step_output=value, pipeline_context={"v": value}, step_history=[])
    for ours, theirs in answers(lambda b: b.save_state("r", given), lambda b: b.load_state("r")):
        assert_alike(ours, theirs)


def test_saving_again_replaces_a_longer_history_by_a_shorter() -> None:
    for ours, theirs in answers(
        lambda b: b.save_state("r", state(4)),
        lambda b: b.save_state("r", state(2)),
        lambda b: b.load_state("r"),
        lambda b: b.save_state("r", state(2, step_history=[])),
        lambda b: b.load_state("r"),
        lambda b: b.delete_state("r"),
        lambda b: b.load_state("r"),
        lambda b: b.delete_state("r"),
    ):
        assert_alike(ours, theirs)


def test_the_lists_are_the_same() -> None:
    for ours, theirs in answers(
        *saves(6),
        lambda b: b.list_states(),
        lambda b: b.list_states(status="failed"),
        lambda b: b.list_workflows(),
        lambda b: b.list_workflows(status="paused"),
        lambda b: b.list_workflows(pipeline_id="pipe-1"),
        lambda b: b.list_workflows(limit=2, offset=1),
        lambda b: b.get_workflow_stats(),
        lambda b: b.get_failed_workflows(),
        lambda b: b.get_failed_workflows(hours_back=1000),
        lambda b: b.cleanup_old_workflows(days_old=6.25),
        lambda b: b.list_states(),
    ):
        assert_alike(ours, theirs)


def test_runs_are_listed_the_same() -> None:
    key = "created_at" if IS_06 else "start_time"
    calls: list[Calls] = []
    for n in range(4):
        moment = NOW - timedelta(hours=n)
        data = {
            "run_id": f"run-{n}",
            "pipeline_name": f"p{n % 2}",
            "pipeline_version": "1",
            "status": ("running", "completed")[n // 2],
            key: moment.isoformat() if IS_06 else moment,
        }
        calls.append(lambda b, data=data: b.save_run_start(data))  # type: ignore[misc]
    listed = [
        lambda b: b.list_runs(),
        lambda b: b.list_runs(status="running"),
        lambda b: b.list_runs(pipeline_name="p1"),
        lambda b: b.list_runs(status="completed", pipeline_name="p1", limit=1),
        lambda b: b.list_runs(limit=2, offset=1),
        lambda b: b.get_run_details("run-1"),
    ]
    for ours, theirs in answers(*calls, *listed):
        # 0.6 says when a run was last touched where FSD-08 says when it ended, and 0 for no cost.
        for each in theirs if isinstance(theirs, list) and IS_06 else ():
            each |= {"end_time": None, "total_cost": None}
        assert_alike(ours, theirs)


@only_on_06
def test_what_06_alone_keeps_comes_back_the_same() -> None:
    for ours, theirs in answers(
        *saves(4),
        lambda b: b.list_background_tasks(),
        lambda b: b.list_background_tasks(parent_run_id="run-0", status="failed"),
        lambda b: b.list_background_tasks(limit=1, offset=1),
        lambda b: b.get_failed_background_tasks(),
        lambda b: b.get_failed_background_tasks(parent_run_id="other"),
        lambda b: b.set_system_state("mark", {"at": [1, None]}),
        lambda b: b.get_system_state("none"),
        lambda b: b.persist_evaluation("run-0", 0.25, "fine", "s", {"a": 1}),
        lambda b: b.save_run_start({"run_id": "run-0"}),
        lambda b: b.list_runs(metadata_filter={"tag": 1}),
    ):
        assert_alike(ours, theirs)
    [*_, ours_and_theirs, runs] = answers(
        lambda b: b.set_system_state("mark", {"at": [1, None]}),
        lambda b: b.persist_evaluation("run-0", 0.25, "fine", "s", {"a": 1}),
        lambda b: b.get_system_state("mark"),
        lambda b: b.list_evaluations(run_id="run-0"),
    )
    for ours, theirs in (ours_and_theirs, (runs[0][0], runs[1][0])):
        assert list(ours) == list(theirs)
        moments = ("updated_at", "created_at")
        assert {k: v for k, v in ours.items() if k not in moments} == {
            k: v for k, v in theirs.items() if k not in moments
        }


@only_on_06
def test_runs_are_found_by_the_metadata_of_their_state() -> None:
    start = {"created_at": NOW.isoformat(), "pipeline_name": "demo", "status": "running"}
    for ours, theirs in answers(
        lambda b: b.save_run_start({**start, "run_id": "run-1"}),
        lambda b: b.save_state("run-1", state(0)),
        lambda b: b.list_runs(metadata_filter={"deep": {"x": 2}}),
        lambda b: b.list_runs(metadata_filter={"deep": {"x": 3}}),
    ):
        for each in theirs or ():
            each |= {"end_time": None, "total_cost": None, "pipeline_version": "latest"}
        assert_alike([{**o, "pipeline_version": "latest"} for o in ours or ()], theirs or [])


@only_on_06
def test_steps_and_spans_come_back_with_06s_names() -> None:
    step = {
        "run_id": "run-1",
        "step_run_id": "run-1:0",
        "step_name": "s",
        "step_index": 0,
        "output": {"a": 1},
        "raw_response": ["r"],
        "cost_usd": 0.5,
        "token_counts": 7,
        "execution_time_ms": 12,
        "created_at": NOW.isoformat(),
    }
    span = {"span_id": "a", "name": "n", "start_time": 1.0, "end_time": 2.0, "status": "completed"}
    child = {**span, "span_id": "b", "parent_span_id": "a", "start_time": 1.5}
    for ours, theirs in answers(
        lambda b: b.save_run_start({"run_id": "run-1", "created_at": NOW.isoformat()}),
        lambda b: b.save_step_result(step),
        lambda b: b.list_run_steps("run-1"),
        lambda b: b.save_spans("run-1", [span]),
        lambda b: b.save_spans("run-1", [child]),
        lambda b: b.get_spans("run-1"),
        lambda b: b.get_trace("run-1"),
    ):
        assert_alike(ours, theirs)


@only_on_06
def test_stale_tasks_are_marked_as_failed() -> None:
    old = NOW - timedelta(hours=30)
    task = state(0, is_background_task=True, updated_at=old)
    (_, changed, failed) = answers(
        lambda b: b.save_state("run-1", task),
        lambda b: b.cleanup_stale_background_tasks(24),
        lambda b: b.list_background_tasks(status="failed"),
    )
    assert changed == (1, 1)
    ours, theirs = failed[0][0], failed[1][0]
    assert ours["background_error"] == theirs["background_error"]
