"""A run that went on after a pause."""

from flujo_otel.model.record import Role
from flujo_otel.query.resume import mark_resumed
from flujo_otel.query.tree import build_tree, walk
from flujo_otel.semconv import flujo
from unit.cli.scenes import a_span, a_step


def marked(*continuations: int) -> list[tuple[str, bool]]:
    """Name and `went_on` of a run's nodes that paused at 5 ms and went on at these times."""
    root = a_span(1, flujo.PIPELINE_RUN, 0, 5, status="paused", role=Role.RUN_ROOT)
    again = {flujo.RESUMED: True}
    more = (
        a_span(3 + n, flujo.PIPELINE_RUN, at, at + 1, 1, attributes=again)
        for n, at in enumerate(continuations)
    )
    roots = build_tree([root, a_step(2, "ask", 1, 5, 1, status="paused"), *more])
    mark_resumed(roots)
    return [(node.name, node.went_on) for node, _ in walk(roots)]


def test_what_paused_and_was_not_resumed_still_waits() -> None:
    assert marked() == [("pipeline_run", False), ("ask", False)]


def test_a_continuation_is_named_and_what_paused_before_it_went_on() -> None:
    assert marked(9, 20) == [
        ("pipeline_run", True),
        ("ask", True),
        ("resumed", False),
        ("resumed", False),
    ]
