"""How `lens` draws what was decided: in trees, in steps, item by item."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from flujo_otel.model import Span
from flujo_otel.model.record import Role
from flujo_otel.query.decision import Decision, decision_of
from flujo_otel.query.tree import build_tree
from flujo_otel.semconv import flujo, xray
from flujo_otel_cli.decision import account, glance
from flujo_otel_cli.drawing import draw
from flujo_otel_cli.evaluated import evaluated
from flujo_otel_cli.picture import Drawing
from flujo_otel_cli.terminal import Terminal
from unit.cli.lens import ROOT, answer, document, on_a_terminal
from unit.cli.scenes import START_NS, a_run, a_span, a_step, store
from unit.cli.screen import screen, shown

REASON = "Material and capacity narrow a search most; the colour would cut it to a handful."


def an_item(number: int) -> dict[str, Any]:
    price, rating = number % 3 != 0, number % 4 != 0
    filters = [
        {"name": "price_range", "passed": price, "detail": f"${number}"},
        {"name": "rating", "passed": rating, "detail": ""},
    ]
    data = {"title": f"Bottle {number}"}
    return {"item_id": f"B{number}", "item_data": data, "filters": filters, "qualified": None}


def a_candidate(rank: int, score: float | None) -> dict[str, Any]:
    return {"item_id": f"B{rank}", "rank": rank, "score": score, "reason": "closest in price"}


FILTERED = {
    xray.EVALUATIONS: json.dumps([an_item(number) for number in range(12)]),
    xray.REASONING: REASON,
}
RANKED = {
    xray.RANKED_CANDIDATES: json.dumps(
        [a_candidate(rank, 1.0 - rank / 5) for rank in (2, 1, 3, 4)]
    ),
    xray.METADATA: json.dumps({"weights": {"price": 0.4}}),
}
ASKED = {xray.LLM: json.dumps({"model": "gpt-4o", "temperature": 0.2, "top_p": None})}


def spans() -> list[Span]:
    return [
        a_span(1, flujo.PIPELINE_RUN, 0, 1000, role=Role.RUN_ROOT),
        a_step(2, "ask", 0, 300, 1, attributes=ASKED),
        a_step(3, "filter", 300, 700, 1, attributes=FILTERED),
        a_span(4, "SELECT", 400, 500, 3),
        a_step(5, "rank", 700, 1000, 1, attributes=RANKED),
    ]


def drawn(given_spans: list[Span], to: Terminal) -> str:
    run = a_run(given_spans)
    drawing = Drawing("7f3a91c2", "last")
    return shown(to, draw(run, build_tree(given_spans), drawing, to, START_NS))


def test_of_filters_that_all_cut_as_many_none_cut_most() -> None:
    passed = [{"name": name, "passed": True} for name in ("price", "rating")]
    refused = [each | {"passed": False} for each in passed]
    items = [{"item_id": "a", "item_data": {}, "filters": each} for each in (passed, refused)]
    given_spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 1000, role=Role.RUN_ROOT),
        a_step(2, "filter", 0, 300, 1, attributes={xray.EVALUATIONS: json.dumps(items)}),
    ]
    text = drawn(given_spans, screen())
    assert (2, 0) == (text.count("█████·····  1 of 2"), text.count("cut most"))


def decided(attributes: dict[str, Any]) -> Decision:
    found = decision_of(attributes)
    assert found is not None
    return found


def test_a_tree_has_filters_candidates_and_reasons_beneath_their_spans() -> None:
    assert (
        drawn(spans(), screen())
        == """\
✔ support-triage 1.2  completed in 1.00 s · 5 spans · run 7f3a91c2
                                        0 s         0.2         0.4         0.6         0.8   1.00 s
├─ ✔ ask                        300 ms  ██████████████████
│  temperature=0.2
├─ ✔ filter  6 of 12 passed     400 ms                    ████████████████████████
│  │  price_range  ██████▋···   8 of 12  cut most
│  │  rating       ███████▌··   9 of 12
│  │  because Material and capacity narrow a search most; the colour would cut it to a handful.
│  └─ ✔ SELECT                  100 ms                          ██████
└─ ✔ rank  → B1                 300 ms                                            ██████████████████
   1 B1  ██████████  0.8     closest in price
   2 B2  ███████▌··  0.6     closest in price
   3 B3  █████·····  0.4     closest in price
   and 1 more candidate
   weights={"price": 0.4}
"""
    )


def test_the_same_without_unicode() -> None:
    text = drawn(spans(), screen(100, unicode=False))
    assert text.isascii()
    assert "|   |   price_range  #######---   8 of 12  cut most\n" in text
    assert "`-- ok rank  -> B1 " in text


def test_below_80_columns_figures_stand_alone() -> None:
    lines = drawn(spans(), screen(79)).splitlines()
    assert "│  │  price_range   8 of 12  cut most" in lines
    assert "   1 B1  0.8     closest in price" in lines


@pytest.mark.parametrize("width", [20, 40, 59, 60, 79, 80, 100, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    wide = {xray.REASONING: "宽" * 300, **FILTERED, **RANKED}
    to = screen(width)
    lines = [
        *drawn([*spans(), a_step(6, "wide", 0, 1, 1, attributes=wide)], to).splitlines(),
        *shown(to, account(decided(wide), to, full=True)).splitlines(),
        *shown(to, evaluated(decided(wide), to, full=False)).splitlines(),
    ]
    assert max(map(cell_len, lines)) <= width


def test_candidates_whose_titles_differ_at_their_ends_look_different() -> None:
    title = "Insulated Steel Water Bottle with a Wide Mouth, {} oz"
    ranked = [a_candidate(n, 0.9) | {"item_data": {"title": title.format(n)}} for n in (1, 2)]
    to = screen(60)
    attributes = {xray.RANKED_CANDIDATES: json.dumps(ranked)}
    out = shown(to, evaluated(decided(attributes), to, full=False))
    assert "B1 Insulated Stee…th, 1 oz  " in out and "B2 Insulated Stee…th, 2 oz  " in out


def test_a_step_is_told_at_length() -> None:
    to = screen(60)
    attributes = FILTERED | RANKED | ASKED
    assert (
        shown(to, account(decided(attributes), to, full=False))
        == """\
   why    Material and capacity narrow a search most; the
          colour would cut it to a handful.
   eval   6 of 12 passed
          price_range   8 of 12  cut most
          rating        9 of 12
   rank   1 B1  0.8     closest in price
          2 B2  0.6     closest in price
          3 B3  0.4     closest in price
          4 B4  0.2     closest in price
   llm    model=gpt-4o  temperature=0.2
   meta   weights={"price": 0.4}
"""
    )


def test_each_item_has_a_mark_for_each_filter_and_why_it_was_kept_out() -> None:
    to = screen(80)
    assert shown(to, evaluated(decided(FILTERED), to, full=False)).splitlines()[:4] == [
        "ITEM            PASSED   price_range   rating   WHY",
        "B0 Bottle 0     ✘        ✘             ✘        price_range failed: $0; rating …",
        "B1 Bottle 1     ✔        ✔             ✔",
        "B2 Bottle 2     ✔        ✔             ✔",
    ]


def test_an_item_that_never_came_before_a_filter_has_no_mark_for_it() -> None:
    items = [an_item(1), an_item(2) | {"filters": an_item(2)["filters"][:1]}]
    to = screen(80)
    lines = shown(to, evaluated(decided({xray.EVALUATIONS: items}), to, full=False)).splitlines()
    assert "B2 Bottle 2   ✔        ✔             –" == lines[2].rstrip()


def test_ten_thousand_items_are_counted_and_full_shows_all() -> None:
    many = {xray.EVALUATIONS: json.dumps([an_item(number) for number in range(10_000)])}
    to = screen(80)
    short = shown(to, evaluated(decided(many), to, full=False)).splitlines()
    assert (22, "and 9,980 more items: --full shows all, with DATA") == (len(short), short[-1])
    to = screen(80)
    shown_all = shown(to, evaluated(decided(many), to, full=True))
    assert (10_000, 10_000) == (shown_all.count("\nB"), shown_all.count("\n    DATA "))


@pytest.mark.parametrize("attributes", [FILTERED, {xray.RANKED_CANDIDATES: [
    a_candidate(1, 0.9) | {"item_data": {"price": 12}}]}])  # fmt: skip
def test_data_that_a_terminal_leaves_out_is_not_left_out_without_a_word(
    attributes: dict[str, Any],
) -> None:
    to = screen(80)
    lines = shown(to, evaluated(decided(attributes), to, full=False)).splitlines()
    assert (0, "--full shows DATA too") == (sum("{" in line for line in lines), lines[-1])
    for to, full in ((screen(80), True), (screen(80, cuts=False), False)):
        assert "--full" not in shown(to, evaluated(decided(attributes), to, full=full))


def test_nothing_is_said_of_data_where_there_is_none() -> None:
    items = [an_item(1) | {"item_data": empty} for empty in (None, {}, "")]
    attributes = {xray.EVALUATIONS: items, xray.RANKED_CANDIDATES: [a_candidate(1, 0.9)]}
    to = screen(80)
    assert "DATA" not in shown(to, evaluated(decided(attributes), to, full=False))


def test_in_a_narrow_terminal_what_was_said_of_each_stands_beneath_it() -> None:
    to = screen(45)
    lines = shown(to, evaluated(decided(FILTERED | RANKED), to, full=False)).splitlines()
    assert lines[:3] == [
        "ITEM            PASSED   price_range   rating",
        "B0 Bottle 0     ✘        ✘             ✘",
        "    WHY price_range failed: $0; rating failed",
    ]


def test_more_filters_than_there_is_room_for_are_counted() -> None:
    filters = [{"name": f"f{n}", "passed": n > 2, "detail": ""} for n in range(500)]
    many = decided({xray.EVALUATIONS: [{"item_id": "a", "filters": filters}]})
    to = screen(80)
    assert "and 492 more filters" in shown(to, account(many, to, full=False))
    assert "and 492 more filters" in shown(to, evaluated(many, to, full=False))


def test_a_pipe_gets_all_items_all_of_a_reason_and_the_items_data() -> None:
    to = screen(80, cuts=False)
    many = {
        xray.EVALUATIONS: json.dumps([an_item(number) for number in range(50)]),
        xray.RANKED_CANDIDATES: json.dumps([a_candidate(rank, 0.5) for rank in range(50)]),
    }
    lines = shown(to, evaluated(decided(many), to, full=False)).splitlines()
    assert 2 * (1 + 50) == len(lines)
    to = screen(80, cuts=False)
    assert "B49 " in shown(to, account(decided(many), to, full=False))
    to = screen(80, cuts=False)
    long = "because of this and that " * 40
    assert long.strip() in shown(to, account(decided({xray.REASONING: long}), to, full=False))
    to = screen(80, cuts=False)
    assert '{"title": "Bottle 7"}' in shown(to, evaluated(decided(FILTERED), to, full=False))


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(["[" * 5000, '[{"filters":[{}]}]', "[{}]", '[{"rank":1e999}]', "9" * 5000]),
    st.lists(st.dictionaries(st.sampled_from(["item_id", "score", "filters"]), st.text())),
    st.integers(),
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from([xray.EVALUATIONS, xray.RANKED_CANDIDATES, xray.LLM,
                                        xray.METADATA, xray.REASONING]), HOSTILE))  # fmt: skip
def test_nothing_in_an_attribute_breaks_the_drawing(attributes: dict[str, Any]) -> None:
    text = drawn([*spans(), a_step(6, "hostile", 0, 1, 1, attributes=attributes)], screen(80))
    assert "hostile" in text and "\x1b" not in text


@pytest.fixture
def decisions(here: Path) -> Path:
    path = here / "flujo_otel.db"
    store(path, spans(), **ROOT)
    return path


def test_show_draws_each_step(decisions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show")
    assert code == 0
    assert (
        "   eval   6 of 12 passed\n          price_range  ██████▋···   8 of 12  cut most\n" in out
    )


def test_show_opens_a_step(decisions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show", "last", "--step", "filter")
    assert code == 0
    assert "B11 Bottle 11" in out
    assert "xray.evaluations" not in out  # it is drawn


def test_what_cannot_be_drawn_is_shown_as_the_attribute_that_it_is(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {xray.EVALUATIONS: '[{"item_id":', xray.REASONING: "so it is"}
    root = a_span(1, flujo.PIPELINE_RUN, 0, 9, role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [root, a_step(2, "odd", 0, 9, 1, attributes=broken)], **ROOT)
    _, out, _ = answer(capsys, "show", "last", "--step", "odd")
    assert "   why    so it is\n" in out
    assert 'xray.evaluations = [{"item_id":' in out


def test_json_has_the_decision_of_each_step_and_span(
    decisions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, of_show = document(capsys, "show")
    _, of_trace = document(capsys, "trace")
    found = next(step["decision"] for step in of_show["steps"] if step["step_name"] == "filter")
    assert (12, 6) == (found["evaluated"], found["passed"])
    assert {"filter": "price_range", "passed": 8, "seen": 12} == found["filters"][0]
    assert REASON == found["reasoning"]
    in_trace = {span["name"]: span["decision"] for span in of_trace["spans"]}
    assert (found, None) == (in_trace["filter"], in_trace["SELECT"])


def test_on_a_terminal_it_has_colours_and_with_no_color_none(decisions: Path) -> None:
    assert "\x1b[33m██████▋···\x1b[0m" in on_a_terminal("trace", COLUMNS="100", TERM="xterm")
    assert "\x1b" not in on_a_terminal("trace", COLUMNS="100", TERM="xterm", NO_COLOR="1")


def test_why_has_the_filters_in_the_order_of_the_columns_and_says_that_they_failed() -> None:
    item = an_item(0) | {"filters": list(reversed(an_item(0)["filters"]))}
    attributes = {xray.EVALUATIONS: json.dumps([item, an_item(3), an_item(6)])}
    to = screen(120)
    text = shown(to, evaluated(decided(attributes), to, full=False))
    assert text.splitlines()[1].endswith("✘        price_range failed: $0; rating failed")


def test_an_item_that_is_not_understood_is_counted_and_the_others_are_drawn() -> None:
    attributes = {xray.EVALUATIONS: json.dumps([an_item(1), "B9"])}
    to = screen()
    lines = shown(to, account(decided(attributes), to, full=False)).splitlines()
    assert lines[0] == "   eval   1 of 1 passed"
    assert lines[-1] == "          1 item not understood: no object"


def test_an_item_says_on_its_line_what_of_it_was_not_understood() -> None:
    odd = {"item_id": "B9", "filters": {"price": True}, "qualified": True, "reasoning": "cheap"}
    worse = {"item_id": "B8", "filters": [], "qualified": "perhaps"}
    found = decided({xray.EVALUATIONS: json.dumps([an_item(1), odd, worse])})
    to = screen()
    lines = shown(to, account(found, to, full=False)).splitlines()
    assert (lines[0], lines[-1]) == (
        "   eval   2 of 3 passed",
        "          2 items partly understood",
    )
    to = screen(120, cuts=False)
    of_odd, of_worse = shown(to, evaluated(found, to, full=False)).splitlines()[2:]
    assert ["B9", "✔", "–", "–"] == of_odd.split()[:4]
    assert 'filters not understood: [{"price": true}]; cheap' in of_odd
    assert ["B8", "✘", "–", "–"] == of_worse.split()[:4]
    assert "qualified not understood: perhaps" in of_worse


def test_scores_that_are_no_numbers_are_shown_as_they_are_without_bars() -> None:
    scores = ["high", "A+", None]
    span = a_span(1, "pick", 0, 1, attributes=ranked(scores))
    out = ranking_of(span)
    assert [line.split()[:3] for line in out] == [
        ["1", "B1", "high"],
        ["2", "B2", "A+"],
        ["3", "B3", "–"],
    ]
    assert not any("·" in line for line in out)


def test_a_score_in_thousands_has_no_exponent() -> None:
    out = ranking_of(a_span(1, "pick", 0, 1, attributes=ranked([12345.6, 2, "n/a"])))
    assert "12,346" in out[0] and "█" in out[0]
    assert out[2].split()[:3] == ["3", "B3", "n/a"]


def ranked(scores: list[Any]) -> dict[str, Any]:
    found = [
        {"item_id": f"B{n}", "rank": n, "score": score} for n, score in enumerate(scores, start=1)
    ]
    return {"xray.ranked_candidates": json.dumps(found)}


def ranking_of(span: Span) -> list[str]:
    decision = decision_of(span.attributes)
    assert decision is not None
    to = screen(100)
    return shown(to, glance(decision, to)).splitlines()
