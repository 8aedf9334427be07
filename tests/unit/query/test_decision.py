"""What spans say of decisions, read from attributes that may come from anywhere."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.query.decision import (
    Candidate,
    Decision,
    Evaluation,
    FilterTally,
    FilterVerdict,
    decision_of,
    tallies,
)
from flujo_otel.semconv import xray

NAMES = [xray.REASONING, xray.EVALUATIONS, xray.RANKED_CANDIDATES, xray.LLM, xray.METADATA]


def an_item(item_id: str, **passed: bool) -> dict[str, Any]:
    filters = [{"name": name, "passed": each, "detail": ""} for name, each in passed.items()]
    return {"item_id": item_id, "item_data": {}, "filters": filters, "qualified": None}


def read(name: str, value: Any) -> Decision | None:
    return decision_of({name: json.dumps(value)})


def test_a_span_without_any_of_it_has_no_decision() -> None:
    assert None is decision_of({"http.method": "GET"})


def test_evaluations_are_read_as_recorded() -> None:
    item = {
        "item_id": "B1",
        "item_data": {"price": 3},
        "filters": [{"name": "price", "passed": False, "detail": "3 < 10"}],
        "qualified": False,
        "reasoning": "too cheap",
    }
    found = read(xray.EVALUATIONS, [item])
    expected = Evaluation(
        "B1", {"price": 3}, [FilterVerdict("price", False, "3 < 10")], False, "too cheap"
    )
    assert found == Decision(evaluations=[expected], read=frozenset({xray.EVALUATIONS}))


def test_an_item_that_is_not_judged_passed_if_all_filters_let_it_through() -> None:
    found = read(xray.EVALUATIONS, [an_item("a", x=True, y=True), an_item("b", x=True, y=False)])
    assert found is not None
    assert [True, False] == [each.qualified for each in found.evaluations]
    assert 1 == found.qualified_count


def test_filters_are_tallied_and_the_one_that_kept_out_most_comes_first() -> None:
    found = read(
        xray.EVALUATIONS,
        [an_item("a", x=True, y=False), an_item("b", x=False, y=False), an_item("c", x=True)],
    )
    assert found is not None
    assert [FilterTally("y", 0, 2), FilterTally("x", 2, 3)] == tallies(found.evaluations)
    assert [2, 1] == [tally.cut for tally in tallies(found.evaluations)]


def test_a_ranking_without_ranks_is_in_the_order_in_which_it_was_recorded() -> None:
    found = read(xray.RANKED_CANDIDATES, [{"item_id": "a", "score": 2}, {"item_id": "b"}])
    assert found is not None
    assert [Candidate("a", 1, 2.0, "", None), Candidate("b", 2, None, "", None)] == found.candidates


@pytest.mark.parametrize("score", ["NaN", "high", None, True, 10**400, [1]])
def test_a_score_that_is_no_finite_number_is_none(score: Any) -> None:
    found = read(xray.RANKED_CANDIDATES, [{"item_id": "a", "score": score}])
    assert found is not None and None is found.candidates[0].score
    said = {"NaN": "NaN", "high": "high"}.get(str(score))
    if score is None or said:
        assert found.candidates[0].score_text == said
    else:
        assert found.candidates[0].score_text == json.dumps(score)


def test_the_values_themselves_are_read_like_their_json() -> None:
    found = decision_of({xray.EVALUATIONS: [an_item("a", x=True)], xray.METADATA: {"k": 1}})
    assert found is not None
    assert (1, {"k": 1}) == (found.qualified_count, found.metadata)


@pytest.mark.parametrize(
    "value",
    [
        "no JSON",
        "{",
        "[" * 100_000,
        "null",
        "[]",
        "{}",
        "[1]",
        "9" * 5000,
        '[{"item_data": ' + "[" * 60 + "]" * 60 + "}]",
    ],
)
def test_what_is_not_of_the_documented_shape_is_not_read(value: str) -> None:
    found = decision_of({xray.EVALUATIONS: value}) or Decision()
    assert not (found.evaluations or found.candidates or found.read)


def test_items_are_counted_where_none_is_understood() -> None:
    found = decision_of({xray.EVALUATIONS: '[1, "B3"]', xray.RANKED_CANDIDATES: "[2]"})
    assert found is not None
    assert (found.misshapen_evaluations, found.misshapen_candidates) == (2, 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    ["item_id", "item_data", "filters", "qualified", "reasoning", "rank", "score", "reason"]
)
shaped = st.lists(st.dictionaries(keys, json_values, max_size=5), max_size=3)


@given(st.dictionaries(st.sampled_from(NAMES), json_values | shaped | shaped.map(json.dumps)))
def test_reading_never_fails(attributes: dict[str, Any]) -> None:
    found = decision_of(attributes)
    assert found is None or found.read <= set(attributes)


def test_items_that_are_not_of_the_shape_are_counted_and_leave_the_others_readable() -> None:
    found = read(xray.EVALUATIONS, [an_item("B1", price=True), 7, "B3"])
    assert found is not None
    assert (["B1"], 2) == ([e.item_id for e in found.evaluations], found.misshapen_evaluations)
    assert frozenset() == found.read  # the attribute stays to be looked at


@pytest.mark.parametrize("told", [True, 1, 1.0, 2, False, 0, 0.0])
def test_numbers_say_passed_or_not_as_python_takes_them(told: Any) -> None:
    filters = [{"name": "x", "passed": told}]
    found = read(xray.EVALUATIONS, [{"filters": filters}, {"filters": filters, "qualified": told}])
    assert found is not None
    assert [bool(told)] * 2 == [each.qualified for each in found.evaluations]
    assert [bool(told)] * 2 == [each.verdicts[0].passed for each in found.evaluations]


@pytest.mark.parametrize(
    ("filters", "odd"),
    [
        ({"price": True}, [{"price": True}]),
        (3, [3]),
        (["price"], ["price"]),
        ([{"name": "x"}], [{"name": "x"}]),
        ([{"passed": "yes"}, {"name": "y", "passed": True}], [{"passed": "yes"}]),
    ],
)
def test_an_item_whose_filters_say_nothing_is_counted_by_its_own_word(
    filters: Any, odd: list[Any]
) -> None:
    items = [{"filters": filters, "qualified": told} for told in (True, False, None)]
    found = read(xray.EVALUATIONS, items)
    assert found is not None
    assert [True, False, False] == [each.qualified for each in found.evaluations]
    assert [{"filters": odd}] * 3 == [each.not_understood for each in found.evaluations]
    assert (3, 0) == (found.half_understood_count, found.misshapen_evaluations)


def test_a_word_for_qualified_is_not_understood_and_lets_nothing_pass() -> None:
    found = read(xray.EVALUATIONS, [an_item("a", x=True) | {"qualified": "no"}])
    assert found is not None
    assert (False, {"qualified": "no"}) == found.evaluations[0][3::2]
