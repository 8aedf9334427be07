"""Runs inside runs: which are in which, and the newest that are in no other."""

import pytest

from flujo_otel.errors import AmbiguousRun
from flujo_otel.model import Run, Span
from flujo_otel.model.record import Role
from flujo_otel.query.nesting import (
    Nesting,
    nesting_of,
    outermost,
    spans_with,
)
from flujo_otel.query.resolve import resolve
from unit.cli.scenes import TRACE_ID, ListReader, a_run, a_span


def a_root(number: int, run_id: str, parent: int | None = None) -> tuple[Run, Span]:
    """A run that begins with span `number`, which starts `number` ms after the others."""
    span = a_span(number, run_id, number, 900, parent, run_id=run_id, role=Role.RUN_ROOT)
    return a_run([span], run_id=run_id, start_time_ns=span.start_time_ns), span


def a_reader(*begun: tuple[Run, Span]) -> ListReader:
    return ListReader([run for run, _ in begun], [span for _, span in begun])


@pytest.fixture
def reader() -> ListReader:
    """c in b in a, two of them side by side; d beside a in the same trace."""
    return a_reader(
        a_root(1, "a"), a_root(2, "b", 1), a_root(3, "c1", 2), a_root(4, "c2", 2), a_root(5, "d")
    )


def ids(runs: object) -> list[str]:
    return [run.run_id for run in runs]  # type: ignore[attr-defined]


def nesting(reader: ListReader, run_id: str) -> tuple[str | None, list[str]]:
    run = reader.get_run(run_id)
    assert run is not None
    found = nesting_of(reader, run)
    return found.outer_run_id, ids(found.inside)


def test_a_run_has_those_in_it_at_any_depth(reader: ListReader) -> None:
    assert (None, ["b", "c1", "c2"]) == nesting(reader, "a")
    assert ("a", ["c1", "c2"]) == nesting(reader, "b")
    assert ("b", []) == nesting(reader, "c1")


def test_two_runs_side_by_side_in_a_trace_are_in_none(reader: ListReader) -> None:
    assert (None, []) == nesting(reader, "d")


def test_the_outermost_of_a_run_is_found_step_by_step(reader: ListReader) -> None:
    run = reader.get_run("c2")
    assert run is not None
    assert "a" == outermost(reader, run).run_id
    assert "b" == outermost(reader, run, lambda outer: outer.run_id != "a").run_id


def test_runs_that_are_in_each_other_end_the_search() -> None:
    reader = a_reader(a_root(1, "a", 2), a_root(2, "b", 1))
    run = reader.runs[0]
    assert ("b", ["b"]) == nesting(reader, "a")
    assert "b" == outermost(reader, run).run_id


def test_spans_come_together_in_order_of_start(reader: ListReader) -> None:
    run = reader.runs[0]
    inside = nesting_of(reader, run).inside
    assert ["a", "b", "c1", "c2"] == [span.name for span in spans_with(reader, run, inside)]


def test_a_run_without_spans_is_in_none() -> None:
    assert Nesting() == nesting_of(ListReader([a_run()]), a_run())


def test_last_and_prev_pass_by_the_runs_that_are_in_others() -> None:
    inner = [a_root(number, f"in-{number}", 2) for number in range(10, 60)]
    reader = a_reader(a_root(1, "older"), a_root(2, "outer"), *inner)
    assert ["outer", "older"] == [resolve(reader, name).run_id for name in ("last", "prev")]


def test_a_trace_id_names_the_run_that_holds_the_others(reader: ListReader) -> None:
    with pytest.raises(AmbiguousRun) as caught:
        resolve(reader, TRACE_ID)
    assert {"a", "d"} == set(caught.value.candidates)
