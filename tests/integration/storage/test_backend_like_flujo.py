"""SQLiteBackend answers as flujo 0.4's own: both are driven with the same calls."""

import asyncio
import math
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from flujo_otel import redaction
from flujo_otel.storage.sqlite import SQLiteBackend

pytestmark = [
    pytest.mark.flujo,
    pytest.mark.skipif(
        sys.version_info >= (3, 13), reason="flujo 0.6's backend has another interface"
    ),
]

Calls = Callable[[Any], Awaitable[Any]]


@pytest.fixture(autouse=True, scope="module")
def nothing_is_redacted() -> Iterator[None]:
    """flujo redacts nothing, and Hypothesis takes words like PASSWD from our own code."""
    redaction.use(redaction.Redactor(enabled=False))
    yield
    redaction.use(None)


def flujos(path: Path) -> Any:
    from flujo.state.backends.sqlite import SQLiteBackend as FlujosBackend

    return FlujosBackend(path)


def answers(*calls: Calls) -> tuple[list[Any], list[Any]]:
    """What ours and flujo's answer to the same calls, each on a file of its own."""

    async def ask(backend: Any) -> list[Any]:
        return [await call(backend) for call in calls]

    with tempfile.TemporaryDirectory() as folder:
        ours = asyncio.run(ask(SQLiteBackend(Path(folder) / "ours.db")))
        theirs = asyncio.run(ask(flujos(Path(folder) / "flujos.db")))
    return ours, theirs


class Colour(Enum):
    RED = "red"


class Level(int, Enum):
    HIGH = 3


@dataclass
class Point:
    x: int
    inner: Any


class Context(BaseModel):
    name: str
    when: datetime
    extra: dict[str, Any]


def a_function() -> None: ...


VALUES = [
    None,
    "text",
    "",
    "ünïcödé \u2028 🎉",
    "nan",
    0,
    True,
    10**30,
    1.5,
    [1, [2, (3,)]],
    {"b": 1, "a": {"nested": [None]}},
    {1: "integer key", None: "none key", Colour.RED: "enum key"},
    {3, 1, 2},
    frozenset({"b", "a"}),
    datetime(2026, 11, 21, 3, 4, 5, 6),
    date(2026, 11, 21),
    b"\x00\xff",
    1 + 2j,
    Colour.RED,
    Level.HIGH,
    Point(1, [Point(2, None)]),
    Context(name="n", when=datetime(2026, 1, 1, tzinfo=UTC), extra={"k": {1}}),
    a_function,
    object(),
]

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.none() | st.integers(0, 10**9) | st.floats(0, 1e6)
MOMENTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)) | (
    st.datetimes(
        min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
    )
)
SECONDS = st.integers(10**15, 2 * 10**18).map(lambda time_ns: time_ns / 10**9)
STATUSES = st.sampled_from(["running", "completed", "failed", "error"])


def leaving_some_out(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


STEPS = st.lists(
    st.builds(
        dict.__or__,
        st.fixed_dictionaries({"step_name": NAMES, "start_time": MOMENTS}),
        leaving_some_out(
            status=STATUSES,
            end_time=st.none() | MOMENTS,
            duration_ms=st.none() | st.integers(0, 10**9),
            cost=NUMBERS,
            tokens=st.none() | st.integers(0, 10**9),
            input=JSON,
            output=JSON,
            error=JSON,
        ),
    ),
    max_size=4,
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """A tree whose nodes have distinct ids and distinct starts: flujo's order of equal ones
    depends on its indexes."""
    count = draw(st.integers(1, 8))
    ids = draw(st.lists(NAMES | st.uuids().map(str), min_size=count, max_size=count, unique=True))
    starts = draw(st.lists(SECONDS, min_size=count, max_size=count, unique=True))
    nodes: list[dict[str, Any]] = []
    for span_id, start in zip(ids, starts, strict=True):
        node = {"span_id": span_id, "name": draw(st.sampled_from("xyz")), "start_time": start}
        node |= draw(
            leaving_some_out(
                end_time=st.none() | SECONDS,
                status=STATUSES,
                attributes=st.dictionaries(NAMES, JSON, max_size=3),
            )
        )
        if nodes:
            parent = nodes[draw(st.integers(0, len(nodes) - 1))]
            parent.setdefault("children", []).append(node)
        nodes.append(node)
    return nodes[0]


def run_start(run_id: str = "run-1", **more: Any) -> Calls:
    data = {"run_id": run_id, "start_time": datetime(2026, 1, 1), **more}
    return lambda backend: backend.save_run_start(data)


@settings(deadline=None, max_examples=25)
@given(
    leaving_some_out(pipeline_name=NAMES, pipeline_version=NAMES, status=STATUSES),
    MOMENTS,
    st.none() | st.tuples(MOMENTS, leaving_some_out(status=STATUSES, total_cost=NUMBERS), JSON),
    STEPS,
)
def test_runs_and_steps_come_back_the_same(
    start: dict[str, Any],
    moment: datetime,
    end: tuple[datetime, dict[str, Any], Any] | None,
    steps: list[dict[str, Any]],
) -> None:
    calls: list[Calls] = [
        lambda b: b.save_run_start({"run_id": "run-1", "start_time": moment, **start})
    ]
    for index, step in enumerate(steps):
        row = {"step_run_id": f"run-1:{index}", "run_id": "run-1", "step_index": index, **step}
        calls.append(lambda b, row=row: b.save_step_result(row))  # type: ignore[misc]
    if end is not None:
        data = {"end_time": end[0], "final_context": end[2], **end[1]}
        calls.append(lambda b: b.save_run_end("run-1", data))
    calls.append(lambda b: b.get_run_details("run-1"))
    calls.append(lambda b: b.list_run_steps("run-1"))
    ours, theirs = answers(*calls)
    assert ours == theirs
    assert list(ours[-2]) == list(theirs[-2])  # the order of the keys as well
    assert [list(step) for step in ours[-1]] == [list(step) for step in theirs[-1]]


@settings(deadline=None, max_examples=40)
@given(trees(), st.none() | STATUSES, st.none() | st.sampled_from("xyz"))
def test_a_trace_comes_back_the_same_as_a_tree_as_spans_and_as_statistics(
    tree: dict[str, Any], status: str | None, name: str | None
) -> None:
    ours, theirs = answers(
        run_start(),
        lambda b: b.save_trace("run-1", tree),
        lambda b: b.get_trace("run-1"),
        lambda b: b.get_spans("run-1", status=status, name=name),
        lambda b: b.get_run_details("run-1"),
        lambda b: b.get_span_statistics(),
    )
    assert ours[:-1] == theirs[:-1]
    assert list(ours[2]) == list(theirs[2])
    assert [list(span) for span in ours[3]] == [list(span) for span in theirs[3]]
    assert_same_statistics(ours[-1], theirs[-1])


def assert_same_statistics(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert list(ours) == list(theirs)
    assert {**ours, "avg_duration_by_name": None} == {**theirs, "avg_duration_by_name": None}
    mine, other = ours["avg_duration_by_name"], theirs["avg_duration_by_name"]
    assert mine.keys() == other.keys()
    for name, found in mine.items():
        assert list(found) == list(other[name])
        for key, value in found.items():
            # Ours are summed in nanoseconds, flujo's as floats.
            assert math.isclose(value, other[name][key], rel_tol=1e-9, abs_tol=1e-6)


def test_statistics_count_the_same_pipeline_and_window_ends_included() -> None:
    def tree(span_id: str, start: float) -> dict[str, Any]:
        return {"span_id": span_id, "name": "s", "start_time": start, "end_time": start + 0.25}

    starts = [1_795_231_490.1, 1_795_231_490.3778582, 1_795_231_491.7]
    calls: list[Calls] = []
    for number, start in enumerate(starts):
        run_id = f"run-{number}"
        calls.append(run_start(run_id, pipeline_name=f"p{number % 2}"))
        calls.append(lambda b, r=run_id, s=start: b.save_trace(r, tree(r, s)))  # type: ignore[misc]
    windows = [None, (starts[0], starts[1]), (starts[1], starts[2]), (starts[1], starts[1])]
    # Ends that are open, or beyond what a span's time may be.
    windows += [(starts[1], math.inf), (-math.inf, starts[1]), (0, 10**12), (-5, -1), (1e30, 1e31)]
    for window in windows:
        for pipeline in (None, "p0", "p1", "none"):
            calls.append(
                lambda b, p=pipeline, w=window: b.get_span_statistics(p, w)  # type: ignore[misc]
            )
    ours, theirs = answers(*calls)
    for mine, other in zip(ours[6:], theirs[6:], strict=True):
        assert_same_statistics(mine, other)


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_python_values_are_kept_in_flujos_words(value: Any) -> None:
    step = {
        "step_run_id": "run-1:0",
        "run_id": "run-1",
        "step_name": "s",
        "step_index": 0,
        "start_time": datetime(2026, 1, 1),
        "input": value,
        "output": [value],
        "error": value,
    }
    trace = {"span_id": "a", "name": "n", "end_time": 1.0, "status": "completed"}
    trace["attributes"] = {"value": value}
    big = isinstance(value, int) and value >= 1 << 63
    ours, theirs = answers(
        run_start(),
        lambda b: b.save_step_result(step),
        lambda b: b.save_run_end(
            "run-1", {"end_time": datetime(2026, 1, 2), "final_context": value}
        ),
        lambda b: b.save_trace("run-1", trace),
        lambda b: b.list_run_steps("run-1"),
        lambda b: b.get_run_details("run-1"),
        lambda b: b.get_trace("run-1"),
    )
    assert ours[4:6] == theirs[4:6]
    # OTLP's integers end at 2**63: there it is the number's text.
    attributes = {"value": str(value)} if big else theirs[6]["attributes"]
    assert ours[6] == {**theirs[6], "attributes": attributes}


def test_saving_again_replaces_the_run_the_step_and_the_trace() -> None:
    step = {
        "step_run_id": "run-1:0",
        "run_id": "run-1",
        "step_name": "first",
        "step_index": 0,
        "start_time": datetime(2026, 1, 1),
        "error": "once",
    }
    child = {"span_id": "c", "name": "child", "start_time": 2.0}
    ours, theirs = answers(
        run_start(pipeline_name="first"),
        lambda b: b.save_step_result(step),
        lambda b: b.save_trace("run-1", {"span_id": "r", "name": "root", "children": [child]}),
        lambda b: b.save_run_end("run-1", {"end_time": datetime(2026, 1, 2), "total_cost": 1.5}),
        run_start(pipeline_name="second"),
        lambda b: b.save_step_result({**step, "step_name": "second", "error": None}),
        lambda b: b.save_trace("run-1", {"span_id": "r", "name": "again", "start_time": 5.0}),
        lambda b: b.get_run_details("run-1"),
        lambda b: b.list_run_steps("run-1"),
        lambda b: b.get_trace("run-1"),
        lambda b: b.get_spans("run-1"),
    )
    assert ours == theirs


def test_what_does_not_exist_is_answered_the_same() -> None:
    ours, theirs = answers(
        lambda b: b.get_run_details("no"),
        lambda b: b.list_run_steps("no"),
        lambda b: b.get_trace("no"),
        lambda b: b.get_spans("no"),
        lambda b: b.get_span_statistics(),
        lambda b: b.save_run_end("no", {}),
        lambda b: b.get_run_details("no"),
        lambda b: b.delete_run("no"),
    )
    assert ours == theirs


def test_deleting_a_run_leaves_nothing_of_it_and_all_of_the_others() -> None:
    calls: list[Calls] = []
    for run_id in ("run-1", "run-2"):
        trace = {"span_id": f"s-{run_id}", "name": "n", "start_time": 1.0, "end_time": 2.0}
        calls += [run_start(run_id), lambda b, r=run_id, t=trace: b.save_trace(r, t)]  # type: ignore[misc]
    calls.append(lambda b: b.delete_run("run-1"))
    for run_id in ("run-1", "run-2"):
        calls.append(lambda b, r=run_id: b.get_run_details(r))  # type: ignore[misc]
        calls.append(lambda b, r=run_id: b.get_trace(r))  # type: ignore[misc]
    calls.append(lambda b: b.get_span_statistics())
    ours, theirs = answers(*calls)
    assert ours == theirs
    assert ours[5:7] == [None, None]
