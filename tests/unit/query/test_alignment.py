"""Which node of one run is which of another: each is in exactly one pair, like with like."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flujo_otel.model import Span
from flujo_otel.query.alignment import Pair, align, walk_pairs
from flujo_otel.query.branches import group_branches
from flujo_otel.query.comparison import Comparison, Particulars
from flujo_otel.query.rounds import group_rounds
from flujo_otel.query.tree import Node, build_tree, walk
from flujo_otel.semconv import flujo
from unit.cli.scenes import a_span, a_step

PARALLEL = {flujo.STEP_TYPE: "ParallelStep"}


def tree(*spans: Span) -> list[Node]:
    roots = build_tree(spans)
    group_rounds(roots)
    group_branches(roots)
    return roots


def shape(pairs: list[Pair]) -> list[str]:
    """`=` for what both have, by name and round, indented."""
    return ["  " * depth + sign(pair) + called(pair) for pair, depth, _ in walk_pairs(pairs)]


def sign(pair: Pair) -> str:
    return "+" if pair.base is None else "-" if pair.other is None else "="


def called(pair: Pair) -> str:
    number = pair.node.iteration
    return pair.node.name if number is None else f"#{number} {pair.node.name}".rstrip()


def names(*called: str) -> list[Node]:
    return tree(*(a_span(n, name, n, n + 1) for n, name in enumerate(called, 1)))


def test_like_names_are_paired_in_their_order_and_the_rest_stands_alone() -> None:
    pairs = align(
        names("a", "get", "get", "gone", "z"), names("a", "get", "new", "z", "get", "get")
    )
    assert ["=a", "=get", "-gone", "+new", "=z", "=get", "+get"] == shape(pairs)


def test_what_came_in_the_place_of_something_stands_behind_it() -> None:
    assert ["=a", "-x", "-y", "+n", "=z"] == shape(
        align(names("a", "x", "y", "z"), names("a", "n", "z"))
    )


def test_rounds_are_paired_by_their_number() -> None:
    def rounds(*numbers: int) -> list[Node]:
        steps = (
            a_step(10 * n + m, name, n, n + 1, 1, attributes={flujo.ITERATION_NUMBER: n})
            for n in numbers
            for m, name in enumerate(("up", "check"))
        )
        return tree(a_step(1, "loop", 0, 99, 0), *steps)

    assert [
        "=loop",
        "  -#1",
        "    -up",
        "    -check",
        "  =#2",
        "    =up",
        "    =check",
        "  +#3",
        "    +up",
        "    +check",
    ] == shape(align(rounds(1, 2), rounds(2, 3)))


def test_a_round_of_one_step_and_one_of_two_are_the_same_round() -> None:
    def loop(*body: str) -> list[Node]:
        first = {flujo.ITERATION_NUMBER: 1}
        steps = (a_step(n, each, n, n + 1, 1, attributes=first) for n, each in enumerate(body, 2))
        return tree(a_step(1, "loop", 0, 99, 0), *steps)

    expected = ["=loop", "  =#1", "    =up", "    +check"]
    assert expected == shape(align(loop("up"), loop("up", "check")))
    assert ["=loop", "  =#1", "    -up", "    +down"] == shape(align(loop("up"), loop("down")))
    assert ["=loop", "  =#1 up"] == shape(align(loop("up"), loop("up")))


def test_parallel_branches_are_paired_by_branch_whichever_began_first() -> None:
    def gather(*branches: tuple[str, str]) -> list[Node]:
        steps = (
            a_step(n, name, n, n + 1, 1, attributes={flujo.PARALLEL_BRANCH: branch})
            for n, (branch, name) in enumerate(branches, 2)
        )
        return tree(a_step(1, "gather", 0, 99, 0, attributes=PARALLEL), *steps)

    pairs = align(
        gather(("a", "read"), ("b", "read")), gather(("b", "read"), ("a", "read"), ("a", "sum"))
    )
    assert ["=gather", "  =read", "  =branch a", "    =read", "    +sum"] == shape(pairs)
    assert pairs[0].children[0].base is not None and pairs[0].children[0].base.span is not None
    assert pairs[0].children[0].base.span.attributes[flujo.PARALLEL_BRANCH] == "b"


def test_a_step_of_another_branch_of_a_condition_is_another_step() -> None:
    def route(branch: str) -> list[Node]:
        within = {flujo.PARALLEL_BRANCH: branch}
        return tree(a_step(1, "route", 0, 9, 0), a_step(2, "say", 0, 9, 1, attributes=within))

    assert ["=route", "  -say", "  +say"] == shape(align(route("yes"), route("no")))


@st.composite
def forests(draw: st.DrawFn) -> list[Span]:
    """Any spans: of few names, in rounds or branches, below any other or none."""
    count = draw(st.integers(0, 12))
    spans = []
    for number in range(1, count + 1):
        attributes = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    flujo.ITERATION_NUMBER: st.integers(1, 3),
                    flujo.PARALLEL_BRANCH: st.sampled_from("xy"),
                    flujo.STEP_TYPE: st.sampled_from(["ParallelStep", "LoopStep"]),
                    "output.value": st.sampled_from(["1", "2"]),
                },
            )
        )
        parent = draw(st.none() | st.integers(1, count))
        start = draw(st.integers(0, 100))
        end = draw(st.none() | st.integers(start, 200))
        status = draw(st.sampled_from(["completed", "failed"])) if end is not None else "running"
        name = draw(st.sampled_from(["a", "b", "branch x", ""]))
        spans.append(a_span(number, name, start, end, parent, attributes=attributes, status=status))
    return spans


def span_ids(nodes: list[Node]) -> list[str]:
    return sorted(node.span.span_id for node in nodes if node.span is not None)


@settings(max_examples=50)
@given(forests(), forests())
def test_every_node_of_both_is_in_exactly_one_pair(base: list[Span], other: list[Span]) -> None:
    pairs = [pair for pair, _, _ in walk_pairs(align(tree(*base), tree(*other)))]
    in_base = [pair.base for pair in pairs if pair.base is not None]
    in_other = [pair.other for pair in pairs if pair.other is not None]
    assert len(in_base) == len(set(in_base)) and len(in_other) == len(set(in_other))
    assert sorted(span.span_id for span in base) == span_ids(in_base)
    assert sorted(span.span_id for span in other) == span_ids(in_other)
    assert all(pair.base or pair.other for pair in pairs)


@settings(max_examples=50)
@given(forests(), forests())
def test_a_pair_s_children_are_its_nodes_children(base: list[Span], other: list[Span]) -> None:
    for pair, _, _ in walk_pairs(align(tree(*base), tree(*other))):
        for child in pair.children:
            assert child.base is None or is_below(child.base, pair.base)
            assert child.other is None or is_below(child.other, pair.other)


def is_below(node: Node, parent: Node | None) -> bool:
    """Itself, or as a round or branch that got a node of its own what is in that."""
    assert parent is not None
    return node in parent.children or all(child in parent.children for child in node.children)


@settings(max_examples=50)
@given(forests())
def test_a_run_beside_itself_has_no_change(spans: list[Span]) -> None:
    pairs = align(tree(*spans), tree(*spans))
    comparison = Comparison(pairs, Particulars({}), Particulars({}))
    placed = list(walk_pairs(pairs))
    assert all(sign(pair) == "=" and pair in comparison.alike for pair, _, _ in placed)
    assert not any(comparison.differences[pair].is_any for pair, _, _ in placed)


def test_a_chain_of_10_000_spans_is_aligned() -> None:
    spans = [a_span(n, "deep", 0, 1, n - 1) for n in range(1, 10_001)]
    pairs = align(tree(*spans), tree(*spans[:-1]))
    assert sum(1 for _ in walk_pairs(pairs)) == sum(1 for _ in walk(tree(*spans)))
