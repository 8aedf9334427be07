"""Tokens and cost as `lens` shows them, on a real store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model import Span
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from flujo_otel.wire.projection import project
from unit.cli.lens import ROOT, answer, document
from unit.cli.scenes import TRACE_ID, a_span, a_step, store

ASKED = "gen_ai.request.model"
PRICED = 910 * 0.15e-6 + 120 * 0.6e-6


def metered(span: Span, **more: Any) -> Span:
    """As the exporter projects it."""
    facts = project(span.attributes, is_root=False, ended=True, is_error=False)
    return span._replace(cost_usd=facts.cost_usd, tokens=facts.tokens, **more)


def call(number: int, parent: int, model: str, **more: Any) -> Span:
    attributes = {
        ASKED: model,
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": 910,
        "gen_ai.usage.output_tokens": 120,
        **more.pop("attributes", {}),
    }
    return metered(a_span(number, f"chat {model}", 20, 30, parent, attributes=attributes, **more))


@pytest.fixture
def spent(here: Path) -> Iterator[Path]:
    """A step whose agent repeats the tokens of its two calls; one has no price, the other comes
    from a cache in part. Inside, a run with a call of its own."""
    agent = {"gen_ai.usage.input_tokens": 1820, "gen_ai.usage.output_tokens": 240}
    inner = {"flujo.pipeline.name": "inner", "flujo.run_id": "inner-run"}
    cached = {"gen_ai.usage.cache_read.input_tokens": 800}
    spans = [
        a_span(1, "pipeline_run", 0, 99, role=Role.RUN_ROOT),
        a_step(2, "answer", 10, 90, 1, attributes={flujo.STEP_INDEX: 0}),
        metered(a_span(3, "agent", 11, 80, 2, attributes=agent)),
        call(4, 3, "gpt-4o-mini", attributes=cached),
        call(5, 3, "my-own"),
    ]
    db = here / "flujo_otel.db"
    store(db, spans, **ROOT)
    below = [
        a_span(6, "inner", 40, 60, 2, role=Role.RUN_ROOT, run_id="inner-run"),
        call(7, 6, "gpt-4o-mini", run_id="inner-run"),
    ]
    store(db, below, **inner)
    yield db


CACHED = (110 + 800 / 2) * 0.15e-6 + 120 * 0.6e-6


def test_list_counts_each_call_in_one_run(spent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = answer(capsys, "list", "--inside")
    _, *rows, _ = out.splitlines()
    assert sorted(["$0.00015+", "$0.00021"]) == sorted(
        word for row in rows for word in row.split() if word.startswith("$")
    )
    _, found = document(capsys, "list", "--inside")
    assert {
        TRACE_ID: (2060, 1, pytest.approx(CACHED)),
        "inner-run": (1030, 0, pytest.approx(PRICED)),
    } == {
        run["run_id"]: (run["total_tokens"], run["unpriced_count"], run["total_cost_usd"])
        for run in found["runs"]
    }


def test_list_has_with_an_outer_run_what_those_in_it_spent(
    spent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, row, _, whose = answer(capsys, "list")[1].splitlines()
    assert {"$0.00036+", "3,090"} <= set(row.split())
    assert whose.startswith("Cost and tokens are with those of the runs inside")


def test_trace_says_what_each_call_used_and_what_all_cost(
    spent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "trace", TRACE_ID)
    heading, *lines = out.splitlines()
    assert "$0.00036+ · 3,090 tokens" in heading
    assert any("chat gpt-4o-mini  910→120 tok  800 cached  $0.00" in line for line in lines)
    assert any("chat my-own  910→120 tok" in line for line in lines)


def test_trace_as_json_has_the_split(spent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "trace", TRACE_ID)
    assert {
        "input_tokens": 2730,
        "output_tokens": 360,
        "cache_read_tokens": 800,
        "cache_write_tokens": None,
        "total_tokens": 3090,
        "cost_usd": pytest.approx(CACHED + PRICED),
        "unpriced_count": 1,
    } == found["usage"]
    [chat] = [span["usage"] for span in found["spans"] if span["name"] == "chat my-own"]
    assert (910, 120, None) == (chat["input_tokens"], chat["output_tokens"], chat["cost_usd"])


def test_show_says_what_a_step_used(spent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = answer(capsys, "show", TRACE_ID)
    assert "$0.00015+, 2,060 tokens; with the runs inside $0.00036+, 3,090 tokens" in out
    assert "$0.00036+ · 3,090 tokens" in out
    _, found = document(capsys, "show", TRACE_ID)
    [step] = found["steps"]
    assert (3090, pytest.approx(CACHED + PRICED)) == (step["tokens"], step["cost_usd"])
    assert (2730, 360) == (step["usage"]["input_tokens"], step["usage"]["output_tokens"])
    assert 3090 == found["usage"]["total_tokens"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("chat gpt-4o-mini", "910→120 tok  800 cached  $0.00015"),
        ("chat my-own", "910→120 tok"),
        ("agent", "1,820→240 tok"),
    ],
)
def test_a_model_s_call_that_is_opened_says_what_it_used(
    spent: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    heading = answer(capsys, "show", TRACE_ID, "--step", name)[1].partition("\n")[0]
    took = "69 ms" if name == "agent" else "10 ms"
    assert heading == f"✔ {name}  {took}  {said}"


def test_stats_add_up_by_name(spent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "stats", "--hours", "900000", "--sort", "tokens")
    rows = {row["name"]: (row["tokens"], row["unpriced_count"]) for row in found["statistics"]}
    assert (2060, 0) == rows["chat gpt-4o-mini"]
    assert (1030, 1) == rows["chat my-own"]
    assert (None, 0) == rows["answer"]
    _, out, _ = answer(capsys, "stats", "--hours", "900000")
    assert "TOKENS" in out.splitlines()[0] and "COST" in out.splitlines()[0]


def test_stats_without_usage_have_no_columns_for_it(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "stats", "--hours", "900000")
    assert "TOKENS" not in out


def test_a_run_whose_cost_nobody_knows_has_none(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(here / "flujo_otel.db", [a_span(1, "r", 0, 9, role=Role.RUN_ROOT), call(2, 1, "mine")])
    _, out, _ = answer(capsys, "list")
    assert "$" not in out and "1,030" in out
    assert document(capsys, "list")[1]["runs"][0]["total_cost_usd"] is None
