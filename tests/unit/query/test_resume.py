"""A run that went on after a pause, or was begun again."""

import pytest

from flujo_otel.model.record import Role
from flujo_otel.query.resume import Wait, mark_resumed, wait_after, waits_of
from flujo_otel.query.tree import build_tree, walk
from flujo_otel.semconv import flujo
from unit.cli.scenes import MS, START_NS, a_span, a_step


def marked(*continuations: int) -> list[tuple[str, bool]]:
    """Name and `went_on` of a run's nodes that paused at 5 ms and went on at these times."""
    root = a_span(1, flujo.PIPELINE_RUN, 0, 5, status="paused", role=Role.RUN_ROOT)
    again = {flujo.RESUMED: True}
    more = (
        a_span(3 + n, flujo.PIPELINE_RUN, at, at + 1, 1, attributes=again)
        for n, at in enumerate(continuations)
    )
    roots = build_tree([root, a_step(2, "ask", 1, 5, 1, status="paused"), *more])
    mark_resumed(roots)
    return [(node.name, node.went_on) for node, _ in walk(roots)]


def test_what_paused_and_was_not_resumed_still_waits() -> None:
    assert marked() == [("pipeline_run", False), ("ask", False)]


def test_a_continuation_is_named_and_what_paused_before_it_went_on() -> None:
    assert marked(9, 20) == [
        ("pipeline_run", True),
        ("ask", True),
        ("resumed", False),
        ("resumed", False),
    ]


def test_a_wait_is_from_the_end_of_a_part_to_the_start_of_the_next() -> None:
    again = {flujo.RESUMED: True}
    first = a_span(1, flujo.PIPELINE_RUN, 0, 5, status="paused", role=Role.RUN_ROOT)
    inner = a_span(2, flujo.PIPELINE_RUN, 1, 4, 1, status="paused")  # a pipeline in a step
    second = a_span(3, flujo.PIPELINE_RUN, 9, 11, 1, status="paused", attributes=again)
    third = a_span(4, flujo.PIPELINE_RUN, 30, 31, 3, attributes=again)
    at = [START_NS + ms * MS for ms in (5, 9, 11, 30)]
    waits = waits_of([third, second, inner, first])
    assert waits == [Wait(at[0], at[1], second), Wait(at[2], at[3], third)]
    assert [wait.length_ns for wait in waits] == [4 * MS, 19 * MS]
    assert [wait_after(waits, START_NS + ms * MS) for ms in (4, 10, 30, 31)] == [
        waits[0],
        waits[1],
        waits[1],
        None,
    ]


def test_what_still_waits_or_was_cut_short_is_no_wait_for_a_human() -> None:
    first = a_span(1, flujo.PIPELINE_RUN, 0, 5, status="paused", role=Role.RUN_ROOT)
    assert waits_of([first]) == []
    killed = first._replace(status="running", end_time_ns=None)
    assert waits_of([killed, a_span(2, flujo.PIPELINE_RUN, 9, 12, role=Role.RUN_ROOT)]) == []


def test_each_step_that_paused_knows_how_long_the_run_then_stood_still() -> None:
    again = {flujo.RESUMED: True}
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 5, status="paused", role=Role.RUN_ROOT),
        a_step(2, "ask", 1, 4, 1, status="paused"),
        a_span(3, flujo.PIPELINE_RUN, 9, 20, 1, status="paused", attributes=again),
        a_step(4, "ask again", 10, 19, 3, status="paused"),
        a_span(5, flujo.PIPELINE_RUN, 50, 51, 3, status="paused", attributes=again),
        a_step(6, "ask for good", 50, 51, 5, status="paused"),
    ]
    roots = build_tree(spans)
    mark_resumed(roots)
    waited = {node.span.name: node.waited_ns for node, _ in walk(roots) if node.span}
    assert waited["ask"] == 4 * MS
    assert (waited["ask again"], waited["ask for good"]) == (30 * MS, None)


def named(first_status: str, *, other_run: bool = False) -> list[tuple[str, str, bool]]:
    """Id, name and `went_on` of two roots, the first of which ended so, each in its own trace."""
    first = a_span(1, flujo.PIPELINE_RUN, 0, 5, status=first_status, role=Role.RUN_ROOT)
    second = a_span(2, flujo.PIPELINE_RUN, 9, 12, role=Role.RUN_ROOT)
    roots = build_tree([first, second._replace(run_id="other") if other_run else second])
    mark_resumed(roots)
    return [(node.span.span_id[-1], node.name, node.went_on) for node in roots if node.span]


@pytest.mark.parametrize(
    ("first_status", "name", "went_on"),
    [
        ("completed", "run again", False),
        ("failed", "run again", False),
        ("paused", "resumed", True),
        ("running", "resumed", False),
    ],
)
def test_a_second_root_of_the_same_run_is_its_continuation_or_the_run_once_more(
    first_status: str, name: str, went_on: bool
) -> None:
    assert named(first_status) == [("1", "pipeline_run", went_on), ("2", name, False)]


def test_a_root_of_another_run_keeps_its_name() -> None:
    assert named("completed", other_run=True) == [
        ("1", "pipeline_run", False),
        ("2", "pipeline_run", False),
    ]


def test_what_the_first_root_left_open_died_with_its_process() -> None:
    first = a_span(1, flujo.PIPELINE_RUN, 0, None, status="running", role=Role.RUN_ROOT)
    step = a_step(2, "cut short", 1, None, 1, status="running")
    roots = build_tree([first, step, a_span(3, flujo.PIPELINE_RUN, 9, 12, role=Role.RUN_ROOT)])
    mark_resumed(roots)
    assert [(node.name, node.status) for node, _ in walk(roots)] == [
        ("pipeline_run", "died"),
        ("cut short", "died"),
        ("resumed", "completed"),
    ]
