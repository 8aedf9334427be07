"""Many equal siblings are one node."""

from flujo_otel.query.fold import FOLD_ABOVE, SIBLINGS_SHOWN, fold
from flujo_otel.query.tree import Node, build_tree
from unit.cli.scenes import MS, a_span


def children_of(names: list[str], failed: frozenset[int] = frozenset()) -> list[Node]:
    """The folded children of one parent; child n takes n milliseconds."""
    spans = [a_span(1, "parent", 0, 1)]
    for index, name in enumerate(names):
        status = "failed" if index in failed else "completed"
        spans.append(a_span(index + 2, name, index, index * 2, 1, status=status))
    return fold(build_tree(spans))[0].children


def test_10_000_equal_children_are_one_node_with_count_sum_and_the_worst() -> None:
    (node,) = children_of(["item"] * 10_000)
    assert node.fold is not None
    assert len(node.fold.members) == 10_000
    assert node.fold.total_ns == sum(range(10_000)) * MS
    assert node.fold.worst_ns == 9_999 * MS


def test_as_many_as_fit_a_glance_are_shown_one_by_one() -> None:
    assert len(children_of(["item"] * FOLD_ABOVE)) == FOLD_ABOVE


def test_names_that_differ_in_their_digits_alone_are_equal() -> None:
    (node,) = children_of([f"item {n}" for n in range(100)])
    assert node.name == "item *"


def test_failed_ones_are_not_hidden_among_the_others() -> None:
    nodes = children_of(["item"] * 100, failed=frozenset({50}))
    assert sorted((node.status, node.fold is None) for node in nodes) == [
        ("completed", False),
        ("failed", True),
    ]


def test_running_ones_fold_apart_from_those_that_have_ended() -> None:
    spans = [a_span(1, "parent", 0, None)]
    for index in range(60):
        spans.append(a_span(index + 2, "item", index, None if index % 2 else index + 1, 1))
    nodes = fold(build_tree(spans))[0].children
    assert ["completed", "running"] == sorted(node.status for node in nodes)
    assert [30, 30] == [len(node.fold.members) for node in nodes if node.fold is not None]


def siblings_with_a_failure_beneath(which: frozenset[int], names: list[str]) -> list[Node]:
    """The folded top level: siblings that completed, some with a failed span two levels down."""
    spans = []
    for index, name in enumerate(names):
        spans.append(a_span(10 * index + 1, name, index, index + 1))
        spans.append(a_span(10 * index + 2, "try", index, index + 1, 10 * index + 1))
        status = "failed" if index in which else "completed"
        spans.append(
            a_span(10 * index + 3, "chat", index, index + 1, 10 * index + 2, status=status)
        )
    return fold(build_tree(spans))


def test_one_with_a_failure_anywhere_beneath_stays_out_of_the_fold() -> None:
    nodes = siblings_with_a_failure_beneath(frozenset({7}), [f"item {n}" for n in range(30)])
    assert [(node.name, node.fold is None) for node in nodes] == [
        ("item *", False),
        ("item 7", True),
    ]


def test_of_very_many_with_failures_beneath_the_first_are_shown_one_by_one() -> None:
    every = frozenset(range(1_000))
    nodes = siblings_with_a_failure_beneath(every, ["item"] * 1_000)
    assert [node.fold is None for node in nodes] == [True] * FOLD_ABOVE + [False]


def test_of_many_that_are_all_different_one_with_a_failure_beneath_is_shown() -> None:
    names = ["".join(chr(97 + int(d)) for d in str(n)) for n in range(1_000)]
    nodes = siblings_with_a_failure_beneath(frozenset({900}), names)
    assert [node.name for node in nodes[SIBLINGS_SHOWN:]] == [names[900], "others"]


def test_of_many_that_are_all_different_the_rest_is_one_node() -> None:
    names = ["".join(chr(97 + int(d)) for d in str(n)) for n in range(1_000)]
    nodes = children_of(names)
    assert len(nodes) == SIBLINGS_SHOWN + 1
    assert nodes[-1].fold is not None
    assert len(nodes[-1].fold.members) == 1_000 - SIBLINGS_SHOWN


def test_a_fold_spans_from_the_first_start_to_the_last_end() -> None:
    (node,) = children_of(["item"] * 100)
    assert node.duration_ns == 198 * MS
