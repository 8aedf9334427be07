"""A run that went on after a pause: its continuation, and what no longer waits."""

from flujo_otel.model import RunStatus
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv.flujo import PIPELINE_RUN, RESUMED

CONTINUATION = "resumed"


def mark_resumed(roots: list[Node]) -> None:
    """Name each continuation, and mark what paused before the last of them; alters the nodes."""
    nodes = [node for node, _ in walk(roots)]
    continuations = [node for node in nodes if _is_continuation(node)]
    for node in continuations:
        node.name = CONTINUATION
    last_ns = max((node.start_time_ns for node in continuations), default=None)
    if last_ns is None:
        return
    for node in nodes:
        node.went_on = node.status == RunStatus.PAUSED and node.start_time_ns < last_ns


def _is_continuation(node: Node) -> bool:
    span = node.span
    return span is not None and span.name == PIPELINE_RUN and span.attributes.get(RESUMED) is True
