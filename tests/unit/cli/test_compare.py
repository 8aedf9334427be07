"""`lens compare` on real stores."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model import Span
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo, gen_ai
from unit.cli.lens import ROOT, answer, document, on_a_terminal
from unit.cli.scenes import SECOND, a_span, a_step, exception, store, support_triage

ONE, TWO, THREE = ("a1" * 16, "b2" * 16, "c3" * 16)
Capture = pytest.CaptureFixture[str]


def as_run(spans: Iterable[Span], run_id: str, at_seconds: int = 0) -> list[Span]:
    """`spans` as those of another run, so much later."""
    later_ns = at_seconds * SECOND
    return [
        span._replace(
            run_id=run_id,
            trace_id=run_id,
            start_time_ns=span.start_time_ns + later_ns,
            end_time_ns=None if span.end_time_ns is None else span.end_time_ns + later_ns,
        )
        for span in spans
    ]


def a_pipeline(answer_ms: float, **last: Any) -> list[Span]:
    return [
        a_span(
            1,
            flujo.PIPELINE_RUN,
            0,
            100 + answer_ms,
            role=Role.RUN_ROOT,
            status=last.get("status"),
        ),
        a_step(2, "classify", 0, 30, 1),
        a_step(3, "route", 30, 60, 1),
        a_step(4, "gather", 60, 100, 1),
        a_step(5, "answer", 100, 100 + answer_ms, 1, **last),
    ]


def put(here: Path, *runs: list[Span], **root: Any) -> None:
    for number, spans in enumerate(runs):
        run_id = (ONE, TWO, THREE)[number]
        store(here / "flujo_otel.db", as_run(spans, run_id, number * 10), **(root or ROOT))


@pytest.fixture
def good_and_bad(here: Path) -> None:
    """A run that was fine, and one that was slow, dear and failed."""
    sour = exception("ValueError", "sour milk", at_ms=800)
    said = {"input.value": "hi", "output.value": "yes"}
    good = a_pipeline(50, attributes=said)
    bad = a_pipeline(
        800,
        status="failed",
        events=(sour,),
        attributes={**said, "output.value": "no", flujo.STEP_ATTEMPTS: 3},
    )
    bad.append(a_step(6, "repair", 900, 920, 1))
    put(here, good, bad)


@pytest.mark.usefixtures("good_and_bad")
def test_what_is_different_is_told_and_the_rest_is_one_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = answer(capsys, "compare")
    assert code == 0
    table, tree, time, values = out.split("\n\n")
    assert table.startswith("support-triage 1.2\n")
    assert [
        ["BASE", "OTHER", "CHANGE"],
        ["run", ONE, TWO],
    ] == [line.split() for line in table.splitlines()[1:3]]
    assert ["status", "✔", "completed", "✘", "failed", "worse"] in [
        line.split() for line in table.splitlines()
    ]
    assert "150 ms" in table and "900 ms" in table and "+750 ms  6×  slower" in table
    assert [
        "                                                 BASE   OTHER   CHANGE",
        "├─ 3 alike  added up                           100 ms  100 ms",
        "├─ ✔→✘ answer  attempts 1 → 3  output differs   50 ms  800 ms  +750 ms",
        "│  ValueError: sour milk",
        "│  lens show b2b2b2b2 --step answer",
        "└─ + ✔ repair                                       –   20 ms   +20 ms",
    ] == tree.splitlines()
    assert [
        "Most of the change in time, each without what ran beneath it:",
        "  +750 ms  answer  50 ms → 800 ms",
        "   +20 ms  repair  only in OTHER",
    ] == time.splitlines()
    shown = "lens compare a1a1a1a1 b2b2b2b2 --values"
    assert values == f"Inputs and outputs that differ:  {shown}\n"


@pytest.mark.usefixtures("good_and_bad")
def test_the_other_way_round_it_is_better(capsys: Capture) -> None:
    _, out, _ = answer(capsys, "compare", "last", "prev")
    assert "better" in out and "-750 ms" in out and "faster" in out
    assert "✘→✔ answer" in out and "was ValueError: sour milk" in out
    assert "- ✔ repair" in out


@pytest.mark.usefixtures("good_and_bad")
def test_values_are_shown_on_demand(capsys: Capture) -> None:
    assert "- yes" not in answer(capsys, "compare")[1]
    _, out, _ = answer(capsys, "compare", "--values")
    assert "output  - yes\n" in out and "        + no\n" in out
    assert "--values" not in out


@pytest.mark.usefixtures("good_and_bad")
def test_all_unfolds(capsys: Capture) -> None:
    _, out, _ = answer(capsys, "compare", "--all")
    assert "├─ ✔ classify " in out and "├─ ✔ route " in out and "alike" not in out


@pytest.mark.usefixtures("good_and_bad")
def test_a_narrow_terminal_loses_nothing_and_is_not_overrun(here: Path) -> None:
    for columns, theme in (("40", {}), ("40", {"LC_ALL": "C"}), ("60", {}), ("100", {})):
        out = on_a_terminal("compare", COLUMNS=columns, NO_COLOR="1", **theme)
        lines = out.replace("\r", "").splitlines()
        assert [] == [line for line in lines if len(line) > int(columns) and "lens " not in line]
        words = " ".join(out.split())
        for said in ("attempts 1", "output differs", "ValueError: sour milk", "slower", "worse"):
            assert said in words
        assert out.isascii() is bool(theme)


@pytest.mark.usefixtures("good_and_bad")
def test_as_json(capsys: Capture) -> None:
    code, found = document(capsys, "compare", "--values")
    assert code == 0
    assert (found["base"]["run_id"], found["other"]["run_id"]) == (ONE, TWO)
    nodes = [(node["depth"], node["name"], node["alike"]) for node in found["nodes"]]
    assert nodes == [
        (0, "pipeline_run", False),
        (1, "classify", True),
        (1, "route", True),
        (1, "gather", True),
        (1, "answer", False),
        (1, "repair", False),
    ]
    last, only = found["nodes"][-2:]
    assert last["change"]["duration_ns"] == 750_000_000
    assert last["change"]["facts"] == [{"name": "attempts", "base": None, "other": 3}]
    assert last["change"]["errors"] == {"base": None, "other": "ValueError: sour milk"}
    assert last["output"] == {"base": "yes", "other": "no"}
    assert only["base"] is None and only["other"]["status"] == "completed"
    assert [mover["path"] for mover in found["movers"]] == [["answer"], ["repair"]]


def test_without_a_name_the_last_is_compared_with_the_one_before_of_its_pipeline(
    here: Path, capsys: Capture
) -> None:
    put(here, a_pipeline(50))
    between = as_run(a_pipeline(50), TWO, 10)
    store(here / "flujo_otel.db", between, **{flujo.PIPELINE_NAME: "nightly"})
    store(here / "flujo_otel.db", as_run(a_pipeline(50), THREE, 20), **ROOT)
    for names in ((), ("last",), ("c3",)):
        _, found = document(capsys, "compare", *names)
        assert (found["base"]["run_id"], found["other"]["run_id"]) == (ONE, THREE)
    _, found = document(capsys, "compare", "prev", "last")
    assert (found["base"]["run_id"], found["other"]["run_id"]) == (TWO, THREE)
    assert "pipeline   nightly " in answer(capsys, "compare", "prev", "last")[1]


def test_the_first_run_of_its_pipeline_has_none_to_be_compared_with(
    filled: Path, capsys: Capture
) -> None:
    code, _, err = answer(capsys, "compare")
    assert code == 1
    assert err.startswith("Run 7f3a91c2 is the first of support-triage 1.2: there is none to")
    assert "lens compare RUN OTHER" in err
    assert document(capsys, "compare")[1]["error"]["code"] == "no_earlier_run"


@pytest.mark.usefixtures("good_and_bad")
def test_names_that_are_none(capsys: Capture) -> None:
    for names in (("nope",), ("last", "nope")):
        code, found = document(capsys, "compare", *names)
        assert (code, found["error"]["code"]) == (1, "no_such_run")


def test_a_run_beside_itself(filled: Path, capsys: Capture) -> None:
    _, out, _ = answer(capsys, "compare", "last", "last")
    assert "Both are the same run.\nNo step or span is different.  --all shows them\n" in out


def test_noise_is_not_shouted_about(here: Path, capsys: Capture) -> None:
    put(here, a_pipeline(50), a_pipeline(58))
    _, out, _ = answer(capsys, "compare")
    assert "about the same" in out and "No step or span is different." in out


def test_a_run_that_still_runs_has_no_verdict(here: Path, capsys: Capture) -> None:
    running = [
        a_span(1, flujo.PIPELINE_RUN, 0, None, role=Role.RUN_ROOT),
        a_step(2, "classify", 0, None, 1),
    ]
    put(here, a_pipeline(50), running)
    code, out, _ = answer(capsys, "compare")
    assert code == 0
    assert "- ✔ answer" in out
    for verdict in ("worse", "slower", "faster", "only in BASE"):
        assert verdict not in out
    _, out, _ = answer(capsys, "compare", "last", "prev")
    assert "+ ✔ answer" in out and "better" not in out and "only in OTHER" not in out


def test_what_an_open_span_has_not_said_yet_is_no_difference(here: Path, capsys: Capture) -> None:
    def asked(end_ms: float | None, tokens: int | None, **more: Any) -> list[Span]:
        call = a_step(2, "ask", 0, end_ms, 1, attributes=more)
        root = a_span(1, flujo.PIPELINE_RUN, 0, end_ms, role=Role.RUN_ROOT)
        return [root, call._replace(tokens=tokens)]

    put(here, asked(50, 90, **{gen_ai.REQUEST_MODEL: "small"}), asked(None, None))
    _, out, _ = answer(capsys, "compare")
    assert "✔→● ask" in out
    assert "model" not in out and "-90 tok" not in out


def test_runs_that_have_nothing_in_common(here: Path, capsys: Capture) -> None:
    put(here, a_pipeline(50))
    plain = [a_span(1, "GET /", 0, 900, role=Role.RUN_ROOT), a_span(2, "SELECT", 0, 300, 1)]
    store(here / "flujo_otel.db", as_run(plain, TWO, 10))
    _, out, _ = answer(capsys, "compare", "prev", "last")
    assert "├─ - ✔ classify" in out
    assert "└─ + ✔ GET /" in out and "   └─ + ✔ SELECT" in out


async def test_runs_without_spans_are_compared_by_their_steps(here: Path, capsys: Capture) -> None:
    from flujo_otel.storage.sqlite import SQLiteBackend

    backend = SQLiteBackend(here / "flujo_otel.db")
    when = datetime.now(UTC)
    for run_id, status in (("bare", "completed"), ("first", "completed"), ("second", "failed")):
        run = {"run_id": run_id, "pipeline_name": "p", "pipeline_version": "1"}
        await backend.save_run_start({**run, "start_time": when, "status": "running"})
        if run_id == "bare":
            continue
        for index, name in enumerate(("one", "two")):
            step = {"step_run_id": f"{run_id}:{index}", "run_id": run_id, "step_name": name}
            step |= {"step_index": index, "status": status if index else "completed"}
            step |= {"start_time": when, "end_time": when, "error": "sour" if index else None}
            await backend.save_step_result({**step, "output": f"of the {run_id[:3]}"})
    code, out, _ = answer(capsys, "compare", "first", "second")
    assert code == 0
    assert "─ ✔ one  output differs" in out and "└─ ✔→✘ two" in out and "sour" in out
    code, out, _ = answer(capsys, "compare", "bare", "first")
    assert code == 0
    assert "Of run bare no spans and no steps are known." in out and "└─ + ✔ two" in out
    assert answer(capsys, "compare", "bare", "bare")[0] == 0


def test_cost_tokens_and_the_model(here: Path, capsys: Capture) -> None:
    def asked(model: str, tokens: int, cost: float) -> list[Span]:
        used = {gen_ai.REQUEST_MODEL: model, gen_ai.INPUT_TOKENS[0]: tokens}
        call = a_span(9, "chat", 100, 140, 5, attributes=used)
        return [*a_pipeline(50), call._replace(tokens=tokens, cost_usd=cost)]

    put(here, asked("small", 100, 0.01), asked("large", 350, 0.02))
    _, out, _ = answer(capsys, "compare")
    assert "+250  3.5×  more" in out and "+$0.010  +100 %  more" in out
    assert "✔ chat  model small → large  +250 tok  +$0.010" in out
    assert "\n+250 tok" not in out  # of the whole run the table says it


def in_round(number: int) -> dict[str, Any]:
    return {flujo.ITERATION_NUMBER: number}


def test_loops_of_thousands_of_rounds_and_deep_chains_stay_short(
    here: Path, capsys: Capture
) -> None:
    def long(rounds: int, body_ms: int) -> list[Span]:
        steps = [
            a_step(n + 10, "up", n * 100, n * 100 + body_ms, 2, attributes=in_round(n + 1))
            for n in range(rounds)
        ]
        end = rounds * 100
        root = a_span(1, flujo.PIPELINE_RUN, 0, end, role=Role.RUN_ROOT)
        deep = [a_span(9000 + n, "deep", 0, body_ms, 8999 + n if n else 1) for n in range(200)]
        return [root, a_step(2, "loop", 0, end, 1), *steps, *deep]

    put(here, long(2000, 20), long(2500, 60))
    code, out, _ = answer(capsys, "compare")
    assert code == 0
    loop = [line for line in out.splitlines() if "up" in line]
    assert any("✔ up ×1,997  added up" in line for line in loop)
    assert any("+ ✔ up ×497  added up" in line for line in loop)
    assert len(loop) < 12
    assert "┊199 └─ ✔ deep" in out


def test_each_fact_is_told_of_both_runs(here: Path, capsys: Capture) -> None:
    one = {flujo.LOOP_ITERATIONS: 1, flujo.CACHE_HIT: True, flujo.STEP_ATTEMPTS: 2}
    two = {flujo.LOOP_ITERATIONS: 3, flujo.FALLBACK_TRIGGERED: True, flujo.STEP_ATTEMPTS: 1}
    put(here, a_pipeline(50, attributes=one), a_pipeline(50, attributes=two))
    _, out, _ = answer(capsys, "compare")
    (line,) = (line for line in out.splitlines() if "answer" in line)
    assert "✔ answer  rounds 1 → 3  not cached  attempts 2 → 1  fallback  " in line


def test_final_contexts_that_differ(here: Path, capsys: Capture) -> None:
    contexts = (
        '{"run_id": "run_1", "topic": "cats", "seen": [1], "scratchpad": {"status": "completed"}}',
        '{"run_id": "run_2", "topic": "\\u202edogs", "seen": [1, 2], "scratchpad": {"n": 3}}',
    )
    for number, (context, run_id) in enumerate(zip(contexts, (ONE, TWO), strict=True)):
        named = {**ROOT, flujo.FINAL_CONTEXT: context}
        store(here / "flujo_otel.db", as_run(a_pipeline(50), run_id, number * 10), **named)
    _, out, _ = answer(capsys, "compare")
    assert [
        'final context  topic "cats" → "\\u202edogs"',
        "final context  seen + 2",
        "final context  scratchpad.n = 3",
    ] == [line for line in out.splitlines() if line.startswith("final context")]
    changes = document(capsys, "compare")[1]["context_changes"]
    assert [change["path"] for change in changes] == ["topic", "seen", "scratchpad.n"]


def test_hostile_names_are_shown_and_not_obeyed(here: Path, capsys: Capture) -> None:
    evil = "\x1b[31mevil\u202e"
    spans = a_pipeline(50, attributes={"output.value": evil, flujo.BRANCH_KEY: evil})
    other = a_pipeline(500, attributes={"output.value": "x", flujo.BRANCH_KEY: "x"})
    other.append(a_step(9, evil, 0, 300, 1))
    put(here, spans, other)
    for arguments in ((), ("--values",), ("--all",)):
        _, out, _ = answer(capsys, "compare", *arguments)
        assert "\x1b" not in out and "\u202e" not in out and "\\x1b[31mevil\\u202e" in out


def test_the_run_of_the_looks_beside_a_slower_one(here: Path, capsys: Capture) -> None:
    _, spans = support_triage()
    slower = [
        span._replace(end_time_ns=(span.end_time_ns or 0) + SECOND)
        if span.name in ("history", "chat gpt-4o-mini", "gather")
        else span
        for span in spans
    ]
    put(here, spans, slower)
    _, out, _ = answer(capsys, "compare")
    assert "history" in out and "+1.00 s  gather / history / chat gpt-4o-mini" in out


@pytest.mark.skipif(sys.platform == "win32", reason="no terminal to open")
def test_worse_and_better_are_coloured_on_a_terminal(good_and_bad: None) -> None:
    out = on_a_terminal("compare", COLUMNS="100")
    assert "\x1b[31mworse" in out and "\x1b[32mfaster" not in out
    assert "\x1b[32mbetter" in on_a_terminal("compare", "last", "prev", COLUMNS="100")
