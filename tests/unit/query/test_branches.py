"""A parallel step's children by branch."""

import pytest

from flujo_otel.query.branches import group_branches
from flujo_otel.query.tree import Node, build_tree, walk
from flujo_otel.semconv.flujo import PARALLEL_BRANCH, STEP_TYPE
from unit.cli.scenes import MS, START_NS, a_span


def grouped(*steps: tuple[str, str | None, str], kind: str = "ParallelStep") -> list[Node]:
    """A step of that kind with the children (name, branch, status), a millisecond each."""
    spans = [a_span(1, "gather", 0, 100, attributes={STEP_TYPE: kind})]
    for index, (name, branch, status) in enumerate(steps):
        attributes = {} if branch is None else {PARALLEL_BRANCH: branch}
        spans.append(
            a_span(index + 2, name, index, index + 1, 1, status=status, attributes=attributes)
        )
    roots = build_tree(spans)
    group_branches(roots)
    return roots


def shape(roots: list[Node]) -> list[tuple[int, str]]:
    return [(depth, node.name) for node, depth in walk(roots)]


MIXED = (
    ("a1", "a", "completed"),
    ("b1", "b", "completed"),
    ("b2", "b", "failed"),
    ("a2", "a", "completed"),
    ("c1", "c", "completed"),
)


@pytest.mark.parametrize("kind", ["ParallelStep", "DynamicParallelRouterStep"])
def test_each_branch_of_several_steps_has_them_beneath_it(kind: str) -> None:
    assert shape(grouped(*MIXED, kind=kind)) == [
        (0, "gather"),
        (1, "branch a"),
        (2, "a1"),
        (2, "a2"),
        (1, "branch b"),
        (2, "b1"),
        (2, "b2"),
        (1, "c1"),
    ]


def test_a_branch_lasts_from_its_first_start_to_its_last_end_and_fails_with_a_step() -> None:
    a, b, _ = grouped(*MIXED)[0].children
    assert (a.start_time_ns, a.end_time_ns, a.status) == (START_NS, START_NS + 4 * MS, "completed")
    assert (b.start_time_ns, b.end_time_ns, b.status) == (
        START_NS + MS,
        START_NS + 3 * MS,
        "failed",
    )


def test_what_is_of_no_branch_stays_where_it_is() -> None:
    steps = ("a1", "a", "completed"), ("call", None, "completed"), ("a2", "a", "completed")
    assert shape(grouped(*steps)) == [
        (0, "gather"),
        (1, "branch a"),
        (2, "a1"),
        (2, "a2"),
        (1, "call"),
    ]


def test_forks_of_a_graph_whose_branches_are_called_alike_are_not_mixed() -> None:
    names = [name for name, _, _ in MIXED]
    assert shape(grouped(*MIXED, kind="graph_node"))[1:] == [(1, name) for name in names]
