"""`lens show` of runs with more spans than anyone looks at, and of what failed among them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from flujo_otel.model import Span
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from flujo_otel.spanstore.api import SpanFilter
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from flujo_otel_cli import run_spans
from unit.cli.lens import ROOT, answer, document
from unit.cli.scenes import STACK, a_span, a_step, exception, store


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Shortens what is read of a run to 30 spans of a kind; the names of spans as they are read."""
    names: list[str] = []
    spans_of = SQLiteTraceReader.spans

    def noted(reader: SQLiteTraceReader, run_id: str, where: SpanFilter = SpanFilter()) -> object:  # noqa: B008
        found = list(spans_of(reader, run_id, where))
        names.extend(span.name for span in found)
        return iter(found)

    monkeypatch.setattr(run_spans, "READ", 30)
    monkeypatch.setattr(SQLiteTraceReader, "spans", noted)
    return names


def _calls(count: int, *, failing: Sequence[int]) -> list[Span]:
    """`count` spans beneath the first, one a millisecond."""
    return [
        a_span(
            10 + number,
            "call",
            number,
            number + 0.5,
            1,
            status="failed" if number in failing else None,
            events=(exception("ValueError", f"sour {number}", STACK),) if number in failing else (),
        )
        for number in range(count)
    ]


def test_of_many_top_level_spans_the_first_are_read_and_the_rest_are_counted(
    here: Path, capsys: pytest.CaptureFixture[str], read: list[str]
) -> None:
    root = a_span(1, flujo.PIPELINE_RUN, 0, 200, role=Role.RUN_ROOT)
    spans = [root, a_step(2, "climb", 0, 1, 1), *_calls(100, failing=(50, 60))]
    store(here / "flujo_otel.db", spans, **ROOT)
    lines = answer(capsys, "show")[1].partition("╯\n")[2].splitlines()
    assert [line for line in lines if line[0] not in " s"] == [
        "✔ 0 climb  1 ms",
        "✔ call ×30  30 ms  added up 15 ms  worst 500 µs  --all unfolds",
        "70 more top-level spans, 2 failed: --all shows them.",
        'final context  {"n": 3}',
    ]
    assert read.count("call") == 30 + 2  # what failed is looked through for where it belongs
    assert answer(capsys, "show", "--all")[1].count(" call  ") == 100
    assert len(document(capsys, "show")[1]["spans"]) == 100


def test_of_a_run_without_steps_the_first_spans_are_read_and_what_failed(
    here: Path, capsys: pytest.CaptureFixture[str], read: list[str]
) -> None:
    root = a_span(1, "GET /orders", 0, 200, role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [root, *_calls(100, failing=(50, 60, 70, 80))])
    lines = answer(capsys, "show")[1].partition("╯\n")[2].splitlines()
    opens = "at /srv/app.py:41 in answer   lens show 7f3a91c2 --step"
    assert lines == [
        "sender  service.name=app",
        "✘ call",
        "  ValueError: sour 50",
        f"  {opens} {10 + 50:016x}",
        "✘ call",
        "  ValueError: sour 60",
        f"  {opens} {10 + 60:016x}",
        "✘ call",
        "  ValueError: sour 70",
        f"  {opens} {10 + 70:016x}",
        "1 more failed: lens trace 7f3a91c2 --errors",
        "✔ GET /orders  200 ms",
        "✔ call ×29  28 ms  added up 14 ms  worst 500 µs  --all unfolds",
        "71 more spans, 4 failed: --all shows them.",
        "As a tree, with all attributes:  lens trace 7f3a91c2 --attributes",
    ]
    assert read.count("call") == 29 + 4
    assert answer(capsys, "show", "--all")[1].count(" call  ") == 100


def test_what_failed_is_said_with_the_name_of_its_span_but_for_the_run_itself(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sour = exception("ValueError", "sour", STACK)
    busy = exception("ConnectionError", "busy", STACK)
    spans = [
        a_span(1, "GET /orders", 0, 9, status="failed", events=(sour,), role=Role.RUN_ROOT),
        a_span(2, "pay", 2, 3, 1, status="failed", events=(busy,)),
    ]
    store(here / "flujo_otel.db", spans)
    lines = answer(capsys, "show")[1].partition("╯\n")[2].splitlines()
    assert lines[1:6] == [
        "ValueError: sour",
        "at /srv/app.py:41 in answer",
        "✘ pay",
        "  ConnectionError: busy",
        "  at /srv/app.py:41 in answer   lens show 7f3a91c2 --step pay",
    ]
