"""Which rows of `steps` a run's step spans fill."""

from typing import Any

import pytest

from conformance.conftest import Store
from flujo_otel.model import SpanRecord
from support.records import TRACE, record, root, step


def test_only_step_spans_fill_steps(store: Store) -> None:
    more = {"input.value": '"in"', "output.value": '"out"'}
    store.write(
        root(1, "r1"),
        step(2, 1, 0, run_id="r1", more=more, cost_usd=0.1, tokens=5),
        record(3, 2, run_id="r1"),
        step(4, 1, 1, run_id="r1", status="failed", more={"flujo.error": "sour milk"}),
    )
    first, second = store.steps("r1")
    assert ("r1:0", "span-2", 0, "completed") == (
        first.step_run_id,
        first.step_name,
        first.step_index,
        first.status,
    )
    assert ('"in"', '"out"', 1, 0.1, 5) == (
        first.input,
        first.output,
        first.duration_ms,
        first.cost_usd,
        first.tokens,
    )
    assert ("r1:1", "failed", "sour milk") == (second.step_run_id, second.status, second.error)


def test_a_failed_step_that_names_no_error_of_flujos_has_its_spans(store: Store) -> None:
    failed = {"run_id": "r1", "status": "failed", "status_message": "sour milk"}
    store.write(root(1, "r1"), step(2, 1, 0, **failed))
    assert ["sour milk"] == [step.error for step in store.steps("r1")]


@pytest.mark.parametrize("stated", ["\x1b[31mred", "1", 1.5, True, None, [1], {}])
def test_an_index_that_is_no_integer_is_none(store: Store, stated: Any) -> None:
    store.write(root(1, "r1"), step(2, 1, 0, run_id="r1"), step(3, 1, stated, run_id="r1"))
    assert [0, 1] == [step.step_index for step in store.steps("r1")]


def test_a_running_step_becomes_the_ended_one(store: Store) -> None:
    store.write(root(1, "r1", status="running"), step(2, 1, 0, run_id="r1", status="running"))
    assert ["running"] == [s.status for s in store.steps("r1")]
    store.write(step(2, 1, 0, run_id="r1"))
    assert ["completed"] == [s.status for s in store.steps("r1")]


def test_nested_steps_are_numbered_without_gaps_where_they_come_in_many_batches(
    store: Store,
) -> None:
    store.write(root(1, "r1"), *steps("r1", 2, 4, status="running"))
    store.write(*steps("r1", 2, 5))
    store.write(*steps("r1", 6, 6))
    assert [0, 1, 2, 3, 4] == [step.step_index for step in store.steps("r1")]


def steps(run_id: str, first: int, last: int, **given: Any) -> list[SpanRecord]:
    """The spans of these numbers, each a step within the one before it, but for the 2nd."""
    return [
        step(number, number - 1, 0 if number == 2 else None, run_id=run_id, **given)
        for number in range(first, last + 1)
    ]


def test_a_step_that_ran_again_after_a_pause_is_one_row(store: Store) -> None:
    store.write(root(1, "r1", status="paused"), step(2, 1, 0, run_id="r1", status="paused"))
    store.write(step(12, 1, 0, run_id="r1"))
    assert ["completed"] == [s.status for s in store.steps("r1")]


def test_of_a_step_that_ran_again_the_later_is_told_though_it_came_first(store: Store) -> None:
    store.write(root(1, "r1"), step(12, 1, 0, run_id="r1"))
    store.write(step(2, 1, 0, run_id="r1", status="paused"))
    assert [("span-12", "completed")] == [(s.step_name, s.status) for s in store.steps("r1")]


def test_a_step_moves_with_its_span(store: Store) -> None:
    store.write(step(2, 1, 0), step(3, 1, 1))
    store.write(root(1, "r1"))
    assert ["r1:0", "r1:1"] == [s.step_run_id for s in store.steps("r1")]
    assert [] == store.steps(TRACE)


def test_a_step_that_moves_as_it_arrives_gets_its_row_under_the_run_it_ends_up_in(
    store: Store,
) -> None:
    store.write(step(3, 2, 0), record(2, 1), root(1, "r1"))
    assert ["r1:0"] == [s.step_run_id for s in store.steps("r1")]
    assert [] == store.steps(TRACE)
