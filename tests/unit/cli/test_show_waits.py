"""`lens show` of runs that waited, or wait, for a human."""

import time
from pathlib import Path

import pytest

from flujo_otel.model import Event
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from unit.cli.lens import ROOT, answer, document
from unit.cli.scenes import MS, START_NS, a_span, a_step, store


@pytest.fixture
def asked(here: Path) -> Path:
    """A run that asked a human 10 ms after its start, and went on after 5 s; a loop before."""
    waits = {flujo.STEP_TYPE: "HumanInTheLoopStep", flujo.STEP_INDEX: 1}
    question = Event(flujo.EVENT_PAUSED, START_NS, {flujo.MESSAGE: "Publish this?"})
    again = {flujo.RESUMED: True, "input.value": '"yes"', "input.mime_type": "application/json"}
    first = {flujo.ITERATION_NUMBER: 1, flujo.STEP_INDEX: 3}
    second = {flujo.ITERATION_NUMBER: 2, flujo.STEP_INDEX: 4}
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 10, status="paused", role=Role.RUN_ROOT),
        a_step(2, "improve", 0, 5, 1, attributes={flujo.STEP_TYPE: "LoopStep"}),
        a_step(3, "draft", 0, 2, 2, attributes=first),
        a_step(4, "draft", 2, 4, 2, attributes=second),
        a_step(5, "approve", 6, 9, 1, status="paused", attributes=waits, events=(question,)),
        a_span(6, flujo.PIPELINE_RUN, 5010, 5020, 1, attributes=again, role=Role.RUN_ROOT),
        a_step(7, "publish", 5011, 5019, 6, attributes={flujo.STEP_INDEX: 2}),
    ]
    store(here / "flujo_otel.db", spans, **ROOT)
    return here


def test_show_tells_how_long_a_human_took_and_what_was_answered(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answer(capsys, "show")[1]
    assert "│ took     5.02 s, waited 5.00 s for a human " in out
    told = "approve  3 ms · waited 5.00 s for a human\n   asks   Publish this?\n   reply  "
    assert f'⏸ 1 {told}"yes"\n✔ 2 publish' in out
    assert f"⏸ 1 {told}yes\n" in answer(capsys, "show", "--step", "approve")[1]
    assert document(capsys, "show")[1]["waited_ns"] == 5_000_000_000


def test_a_run_that_still_waits_for_a_human_says_for_how_long(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = a_span(1, flujo.PIPELINE_RUN, 0, 10, status="paused", role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [paused], **ROOT)
    monkeypatch.setattr(time, "time_ns", lambda: START_NS + 184_010 * MS)
    assert "│ took     10 ms, waiting 3:04 for a human " in answer(capsys, "show")[1]
    drawn = answer(capsys, "trace")[1]
    assert "paused after 10 ms · 1 span · waiting 3:04 for a human" in drawn
    assert 1 == drawn.count("paused")
    assert "   ⏸ paused for 3:04   " in answer(capsys, "list")[1]


def test_a_run_that_went_on_without_saying_so_waits_no_more(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paused = a_span(1, flujo.PIPELINE_RUN, 0, 10, status="paused", role=Role.RUN_ROOT)
    after = a_step(2, "publish", 900, 910, 1)
    store(here / "flujo_otel.db", [paused, after], **ROOT)
    assert "waiting" not in answer(capsys, "show")[1] + answer(capsys, "trace")[1]


def test_a_run_that_nobody_was_asked_in_waited_for_nobody(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "human" not in answer(capsys, "show")[1]
    assert document(capsys, "show")[1]["waited_ns"] == 0


def test_the_row_resumed_of_the_tree_can_be_opened(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert '└─ ✔ resumed  reply: "yes"  ' in answer(capsys, "trace")[1]
    code, out, _ = answer(capsys, "show", "--step", "resumed")
    assert code == 0
    assert out.startswith("✔ resumed  10 ms\n   in     yes\n")


def test_a_step_says_which_round_of_its_loop_it_is_of(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answer(capsys, "show")[1]
    assert "✔ 0 improve" in out
    assert "  ✔ 3 #1 draft  2 ms\n" in out and "  ✔ 4 #2 draft  2 ms\n" in out
