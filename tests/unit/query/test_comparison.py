"""What is different between two nodes, and what is only noise."""

from typing import Any

import pytest

from flujo_otel.model import Span
from flujo_otel.query.alignment import align
from flujo_otel.query.comparison import Comparison, Difference, Fact, Particulars, is_noticeable
from flujo_otel.query.condensation import Several, condensed
from flujo_otel.query.mover import movers
from flujo_otel.query.rounds import group_rounds
from flujo_otel.query.spending import spending_of
from flujo_otel.query.tree import build_tree
from flujo_otel.semconv import flujo, gen_ai
from unit.cli.scenes import MS, a_span, a_step, exception


def compared(base: list[Span], other: list[Span], *ids: str) -> Comparison:
    trees = build_tree(base), build_tree(other)
    spent = [spending_of(roots).by_span for roots in trees]
    for roots in trees:
        group_rounds(roots)
    particulars = [Particulars(of, [each]) for of, each in zip(spent, ids or ("", ""), strict=True)]
    return Comparison(align(*trees), *particulars)


def difference(base: Span, other: Span, *ids: str) -> Difference:
    comparison = compared([base], [other], *ids)
    return comparison.differences[comparison.roots[0]]


def a_node(**attributes: Any) -> Span:
    return a_step(1, "step", 0, 20, 0, attributes=attributes)


@pytest.mark.parametrize(
    ("base_ms", "other_ms", "expected"),
    [
        (20, 29, False),  # less than 10 ms, whatever part of it that is
        (1, 10.9, False),
        (20, 30, True),
        (0, 10, True),
        (30, 20, True),
        (1000, 1090, False),  # less than a tenth
        (1000, 1120, True),
        (1120, 1000, True),
    ],
)
def test_a_change_in_time_is_noticeable_from_10_ms_and_a_tenth_on(
    base_ms: float, other_ms: float, expected: bool
) -> None:
    assert expected is is_noticeable(int(base_ms * MS), int(other_ms * MS))
    found = difference(a_span(1, "s", 0, base_ms), a_span(1, "s", 0, other_ms))
    assert expected is found.is_longer_or_shorter is found.is_any
    assert found.duration_ns == int(other_ms * MS) - int(base_ms * MS)


def test_of_what_is_not_over_nobody_knows_how_much_longer_it_takes() -> None:
    found = difference(a_span(1, "s", 0, 10), a_span(1, "s", 0, None))
    assert (found.duration_ns, found.is_longer_or_shorter, found.status) == (None, False, True)


def test_facts_that_explain_how_it_ran() -> None:
    base = {flujo.BRANCH_KEY: "a", flujo.STEP_ATTEMPTS: 1, gen_ai.REQUEST_MODEL: "m-1"}
    base |= {
        "gen_ai.request.temperature": 0.2,
        flujo.CACHE_HIT: True,
        flujo.STEP_LATENCY_SECONDS: 1,
    }
    other = {flujo.BRANCH_KEY: "b", flujo.STEP_ATTEMPTS: 3, gen_ai.REQUEST_MODEL: "m-2"}
    other |= {"gen_ai.request.temperature": 0.9, flujo.STEP_LATENCY_SECONDS: 2}
    assert {
        Fact("branch", "a", "b"),
        Fact("attempts", None, 3),
        Fact("model", "m-1", "m-2"),
        Fact("temperature", 0.2, 0.9),
        Fact("cached", True, None),
    } == set(difference(a_node(**base), a_node(**other)).facts)


def test_a_loop_s_rounds_are_no_attempts() -> None:
    loops = [
        a_node(**{flujo.STEP_TYPE: "LoopStep", flujo.STEP_ATTEMPTS: n, flujo.LOOP_ITERATIONS: n})
        for n in (3, 5)
    ]
    assert [Fact("rounds", 3, 5)] == list(difference(*loops).facts)


def test_input_and_output_differ_where_both_runs_recorded_them() -> None:
    base = a_node(**{"input.value": "1", "output.value": "2"})
    found = difference(base, a_node(**{"input.value": "1", "output.value": "3"}))
    assert (found.input, found.output) == (False, True)
    assert not difference(base, a_node(**{"input.value": "1"})).is_any


def test_a_value_that_names_its_own_run_is_the_same_value() -> None:
    base, other = (a_node(**{"output.value": f"see {run}"}) for run in ("run_1", "run_2"))
    assert difference(base, other).output
    assert not difference(base, other, "run_1", "run_2").output


def test_an_error_is_told_where_it_is_not_the_same() -> None:
    failed = [
        a_span(1, "s", 0, 9, status="failed", events=(exception("ValueError", text),))
        for text in ("sour", "sweet")
    ]
    assert difference(a_span(1, "s", 0, 9), failed[0]).errors == (None, "ValueError: sour")
    assert difference(*failed).errors == ("ValueError: sour", "ValueError: sweet")
    assert not difference(failed[0], failed[0]).is_any


def test_tokens_and_cost_are_of_all_beneath_a_node_a_round_s_too() -> None:
    def loop(tokens: int, cost: float) -> list[Span]:
        first = {flujo.ITERATION_NUMBER: 1}
        used = {gen_ai.INPUT_TOKENS[0]: tokens}
        call = a_span(4, "chat", 0, 9, 3, attributes=used)
        return [
            a_step(1, "loop", 0, 9, 0),
            a_step(2, "a", 0, 9, 1, attributes=first),
            a_step(3, "b", 0, 9, 1, attributes=first),
            call._replace(tokens=tokens, cost_usd=cost),
        ]

    comparison = compared(loop(100, 0.1), loop(140, 0.3))
    (top,) = comparison.roots
    (number,) = top.children
    for pair in (top, number, number.children[1]):
        found = comparison.differences[pair]
        assert (found.tokens, round(found.cost_usd, 6)) == (40, 0.2)
    assert number.children[0] in comparison.alike
    assert top not in comparison.alike


def test_movers_are_told_without_what_runs_beneath_them_and_rounds_together() -> None:
    def run(rounds: int, first_ms: int) -> list[Span]:
        body = [
            a_step(10 + n, "up", first_ms + n * 50, first_ms + n * 50 + 50, 2)._replace(
                attributes={flujo.ITERATION_NUMBER: n + 1}
            )
            for n in range(rounds)
        ]
        end = first_ms + rounds * 50
        return [
            a_step(1, "outer", 0, end + 5, 0),
            a_step(3, "first", 0, first_ms, 1),
            a_step(2, "loop", first_ms, end, 1),
            *body,
        ]

    found = movers(compared(run(2, 100), run(4, 400)), 3)
    assert [("outer", "first"), ("outer", "loop", "up")] == [tuple(each.path) for each in found]
    assert [300 * MS, 100 * MS] == [each.change_ns for each in found]
    assert (found[1].base_count, found[1].other_count) == (2, 4)


def test_neighbours_without_a_difference_are_one_entry() -> None:
    def steps(last_ms: int) -> list[Span]:
        ends = [9] * 5 + [last_ms]
        return [a_span(n, f"s{n}", 0, end) for n, end in enumerate(ends, 1)]

    comparison = compared(steps(9), steps(900))
    several, pair = condensed(comparison.roots, comparison)
    assert isinstance(several, Several) and several.is_alike and len(several.pairs) == 5
    assert pair is comparison.roots[-1]


def test_many_of_one_kind_are_one_entry_but_for_those_that_changed_most_and_new_errors() -> None:
    sour = exception("ValueError", "sour")
    base = [a_span(n, f"item {n}", 0, 100) for n in range(1, 1001)]
    other = [a_span(n, f"item {n}", 0, 100 + n) for n in range(1, 1001)]
    other[499] = other[499]._replace(status="failed", events=(sour,))
    comparison = compared(base, other)
    found = condensed(comparison.roots, comparison)
    shown = [each.node.name for each in found if not isinstance(each, Several)]
    assert shown == ["item 500", "item 998", "item 999", "item 1000"]
    alike, changed = (each for each in found if isinstance(each, Several))
    assert (alike.is_alike, len(alike.pairs)) == (True, 11)  # up to 11 ms are no tenth
    assert (changed.is_alike, len(changed.pairs), changed.name) == (False, 985, "item *")


def test_what_failed_in_one_run_alone_is_never_only_one_of_many() -> None:
    sour = exception("ValueError", "sour")

    def run(*, fails: bool) -> list[Span]:
        spans = [a_span(n, f"item {n}", 0, 100 + 50 * fails) for n in range(1, 101)]
        below = a_span(200, "below", 0, 1, 50)
        spans.append(below._replace(status="failed", events=(sour,)) if fails else below)
        letters = [chr(97 + n % 26) * (n // 26 + 1) for n in range(400)]
        alone = [a_span(300 + n, name, 0, 200 + 90 * fails) for n, name in enumerate(letters)]
        if fails:
            alone[-1] = alone[-1]._replace(status="failed", events=(sour,))
        return spans + alone

    comparison = compared(run(fails=False), run(fails=True))
    found = condensed(comparison.roots, comparison)
    shown = [each.node.name for each in found if not isinstance(each, Several)]
    assert "item 50" in shown and "j" * 16 in shown
    assert len(found) < 210
    hidden = [pair for each in found if isinstance(each, Several) for pair in each.pairs]
    assert len(shown) + len(hidden) == len(comparison.roots)
