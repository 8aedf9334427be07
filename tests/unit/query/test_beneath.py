"""Steps in their places, with what failed beneath them."""

from pathlib import Path

import pytest

from flujo_otel.model import Span
from flujo_otel.model.record import Role
from flujo_otel.query.beneath import Placed, placed
from flujo_otel.semconv import flujo
from flujo_otel.spanstore.api import SpanFilter
from flujo_otel.spanstore.factory import open_reader
from unit.cli.scenes import TRACE_ID, a_span, a_step, store


def placed_in(path: Path, spans: list[Span]) -> list[Placed]:
    """The steps of a stored run, as they are placed."""
    root = a_span(1, flujo.PIPELINE_RUN, 0, 900, role=Role.RUN_ROOT)
    store(path, [root, *spans], **{flujo.PIPELINE_NAME: "shop"})
    reader = open_reader(path)
    run = reader.get_run(TRACE_ID)
    assert run is not None
    steps = reader.steps(TRACE_ID)
    where = SpanFilter(span_ids=tuple(step.span_id for step in steps if step.span_id))
    found = placed(reader, run, steps, {s.span_id: s for s in reader.spans(TRACE_ID, where)})
    reader.close()
    return found


def told(found: list[Placed]) -> list[tuple[str, int, list[str]]]:
    return [
        (each.step.step_name, each.depth, [span.name for span in each.failed]) for each in found
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flujo_otel.db"


def test_steps_within_a_step_follow_it_also_where_plain_spans_are_between(path: Path) -> None:
    spans = [
        a_step(2, "gather", 0, 500, 1, attributes={flujo.STEP_INDEX: 0}),
        a_step(3, "answer", 500, 900, 1, attributes={flujo.STEP_INDEX: 1}),
        a_span(4, "pool", 0, 500, 2),
        a_step(5, "orders", 0, 500, 4, attributes={flujo.STEP_INDEX: 2}),
    ]
    assert [("gather", 0, []), ("orders", 1, []), ("answer", 0, [])] == told(placed_in(path, spans))


def test_what_failed_beneath_a_step_is_the_innermost_step_s(path: Path) -> None:
    spans = [
        a_step(2, "gather", 0, 500, 1, attributes={flujo.STEP_INDEX: 0}),
        a_step(3, "orders", 0, 500, 2, attributes={flujo.STEP_INDEX: 1}),
        a_span(4, "agent", 0, 500, 3, status="failed"),
        a_span(5, "chat", 0, 500, 4, status="failed"),
    ]
    assert [("gather", 0, []), ("orders", 1, ["chat"])] == told(placed_in(path, spans))


def test_steps_in_a_ring_of_ancestors_are_not_lost(path: Path) -> None:
    spans = [
        a_step(2, "hen", 0, 500, 3, attributes={flujo.STEP_INDEX: 0}),
        a_step(3, "egg", 0, 500, 2, attributes={flujo.STEP_INDEX: 1}),
    ]
    assert [("hen", 0, []), ("egg", 0, [])] == told(placed_in(path, spans))
