"""Whatever their parents are, every span is in the tree once."""

from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.model import Span
from flujo_otel.query.tree import Fault, Node, build_tree, walk
from unit.cli.scenes import a_span


def shape(roots: list[Node]) -> list[tuple[int, str]]:
    return [(depth, node.name) for node, depth in walk(roots)]


def test_children_stand_below_their_parents_in_order_of_start() -> None:
    spans = [a_span(1, "root", 0, 9), a_span(2, "a", 1, 2, 1), a_span(3, "b", 3, 4, 1)]
    assert shape(build_tree(spans)) == [(0, "root"), (1, "a"), (1, "b")]


def test_a_span_whose_parent_never_came_is_a_root_that_says_so() -> None:
    (root,) = build_tree([a_span(2, "orphan", 0, 1, parent=1)])
    assert root.fault is Fault.PARENT_MISSING


def test_the_root_of_a_run_may_have_a_remote_parent_without_a_word() -> None:
    (root,) = build_tree([a_span(2, "pipeline_run", 0, 1, parent=1, role=2)])
    assert root.fault is None


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    (root,) = build_tree([a_span(1, "self", 0, 1, parent=1)])
    assert (root.fault, root.children) == (Fault.OWN_PARENT, [])


def test_a_cycle_is_cut_above_its_earliest_span() -> None:
    spans = [
        a_span(1, "one", 0, 9, parent=3),
        a_span(2, "two", 1, 8, parent=1),
        a_span(3, "three", 2, 7, parent=2),
        a_span(4, "below", 3, 4, parent=3),
    ]
    roots = build_tree(spans)
    assert shape(roots) == [(0, "one"), (1, "two"), (2, "three"), (3, "below")]
    assert roots[0].fault is Fault.CYCLE


def test_a_child_of_a_repeated_id_stands_below_the_newest_span_that_had_it() -> None:
    spans = [
        a_span(1, "yesterday", 0, 1),
        a_span(1, "today", 10, 20)._replace(span_id="other"),
        a_span(2, "child", 11, 12, parent=1),
    ]
    assert shape(build_tree(spans)) == [(0, "yesterday"), (0, "today"), (1, "child")]


def test_equal_span_ids_of_two_traces_are_two_spans() -> None:
    other = a_span(2, "theirs", 0, 1, parent=1)._replace(trace_id="other")
    roots = build_tree([a_span(1, "ours", 0, 1), other])
    assert shape(roots) == [(0, "ours"), (0, "theirs")]


def test_a_child_that_starts_before_its_parent_stays_its_child() -> None:
    spans = [a_span(2, "child", 0, 1, parent=1), a_span(1, "parent", 5, 9)]
    assert shape(build_tree(spans)) == [(0, "parent"), (1, "child")]


def test_a_chain_of_10_000_spans_needs_no_recursion() -> None:
    spans = [a_span(n, "link", n, None, parent=n - 1 if n > 1 else None) for n in range(1, 10_001)]
    assert shape(build_tree(spans))[-1] == (9_999, "link")


numbers = st.integers(min_value=1, max_value=8)
any_span = st.builds(
    a_span,
    numbers,
    st.just("any"),
    st.integers(0, 50),
    st.none() | st.integers(-50, 50),
    st.none() | numbers,
)


@given(st.lists(any_span, max_size=20))
def test_every_span_is_in_the_tree_exactly_once(spans: list[Span]) -> None:
    placed = [id(node.span) for node, _ in walk(build_tree(spans))]
    assert sorted(placed) == sorted(id(span) for span in spans)
