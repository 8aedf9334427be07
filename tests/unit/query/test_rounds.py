"""A loop's children by round."""

from flujo_otel.query.rounds import group_rounds
from flujo_otel.query.tree import Node, build_tree, walk
from flujo_otel.semconv.flujo import ITERATION_NUMBER
from unit.cli.scenes import MS, START_NS, a_span


def grouped(*body: tuple[str, int, str]) -> list[Node]:
    """A loop with the children (name, round, status), a millisecond each."""
    spans = [a_span(1, "loop", 0, 100)]
    for index, (name, number, status) in enumerate(body):
        attributes = {ITERATION_NUMBER: number}
        spans.append(
            a_span(index + 2, name, index, index + 1, 1, status=status, attributes=attributes)
        )
    roots = build_tree(spans)
    group_rounds(roots)
    return roots


def shape(roots: list[Node]) -> list[tuple[int, int | None, str]]:
    return [(depth, node.iteration, node.name) for node, depth in walk(roots)]


def test_a_round_of_one_step_is_that_steps_node() -> None:
    roots = grouped(("up", 1, "completed"), ("up", 2, "completed"))
    assert shape(roots) == [(0, None, "loop"), (1, 1, "up"), (1, 2, "up")]


def test_a_round_of_several_steps_is_a_node_with_the_steps_beneath() -> None:
    roots = grouped(("up", 1, "completed"), ("down", 1, "completed"), ("up", 2, "completed"))
    assert shape(roots) == [
        (0, None, "loop"),
        (1, 1, ""),
        (2, None, "up"),
        (2, None, "down"),
        (1, 2, "up"),
    ]


def test_a_round_lasts_from_its_first_start_to_its_last_end() -> None:
    group = grouped(("up", 1, "completed"), ("down", 1, "completed"))[0].children[0]
    assert (group.start_time_ns, group.end_time_ns) == (START_NS, START_NS + 2 * MS)


def test_a_round_with_a_failed_step_is_failed() -> None:
    group = grouped(("up", 1, "failed"), ("down", 1, "completed"))[0].children[0]
    assert group.status == "failed"


def test_children_without_a_round_stay_where_they_are() -> None:
    roots = build_tree([a_span(1, "step", 0, 9), a_span(2, "call", 1, 2, 1)])
    group_rounds(roots)
    assert shape(roots) == [(0, None, "step"), (1, None, "call")]
