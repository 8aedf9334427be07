"""Parts of a tree."""

from flujo_otel.query.fold import fold
from flujo_otel.query.prune import only_failed, sizes
from flujo_otel.query.tree import build_tree, walk
from unit.cli.scenes import a_span, support_triage


def test_only_failed_spans_and_the_way_to_them_stay() -> None:
    spans = [
        a_span(1, "root", 0, 9),
        a_span(2, "fine", 1, 2, 1),
        a_span(3, "way", 1, 2, 1),
        a_span(4, "bad", 1, 2, 3, status="failed"),
    ]
    kept = [node.name for node, _ in walk(only_failed(build_tree(spans)))]
    assert kept == ["root", "way", "bad"]


def test_nothing_stays_where_nothing_failed() -> None:
    assert only_failed(build_tree([a_span(1, "fine", 0, 1)])) == []


def test_folded_spans_count_as_many_as_they_are() -> None:
    spans = [a_span(1, "root", 0, 9), *(a_span(n, "x", n, n, 1) for n in range(2, 102))]
    roots = fold(build_tree(spans))
    assert sizes(roots)[roots[0]] == 100


def test_all_spans_of_a_run_lie_below_its_root() -> None:
    _, spans = support_triage()
    roots = build_tree(spans)
    assert sizes(roots)[roots[0]] == len(spans) - 1
