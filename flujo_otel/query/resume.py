"""A run that was gone on with, or begun again under its id: what follows its first root."""

from collections.abc import Iterable

from flujo_otel.model import RunStatus, Span
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv.flujo import EVENT_PAUSED, MESSAGE, PIPELINE_RUN, RESUMED

CONTINUATION = "resumed"
AGAIN = "run again"
_UNFINISHED = (RunStatus.PAUSED, RunStatus.RUNNING, RunStatus.DIED)


def question_of(span: Span) -> str | None:
    """What a paused step asks the human that it waits for; None where that was not recorded."""
    asked = (each.attributes.get(MESSAGE) for each in span.events if each.name == EVENT_PAUSED)
    return next((str(each) for each in asked if each), None)


def last_part(spans: Iterable[Span]) -> Span | None:
    """Of a run that was gone on with, the span of its last part; None of any other."""
    parts = [span for span in spans if span.attributes.get(RESUMED) is True]
    return max(parts, key=lambda span: span.start_time_ns, default=None)


def mark_resumed(roots: list[Node]) -> None:
    """Name each continuation, and mark what paused before the last of them; alters the nodes."""
    nodes = [node for node, _ in walk(roots)]
    continuations = [node for node in nodes if _is_continuation(node)]
    for node in continuations:
        node.name = CONTINUATION
    continuations += _name_later_roots(roots)
    last_ns = max((node.start_time_ns for node in continuations), default=None)
    if last_ns is None:
        return
    for node in nodes:
        node.went_on = node.status == RunStatus.PAUSED and node.start_time_ns < last_ns


def _is_continuation(node: Node) -> bool:
    span = node.span
    return span is not None and span.name == PIPELINE_RUN and span.attributes.get(RESUMED) is True


def _name_later_roots(roots: list[Node]) -> list[Node]:
    """Another process that goes on with a run, or runs it once more, begins a trace of its own."""
    before: dict[str, Node] = {}
    later = []
    for node in sorted(roots, key=lambda node: node.start_time_ns):
        if node.span is None or not node.is_run_root or node.span.name != PIPELINE_RUN:
            continue
        previous = before.get(node.span.run_id)
        before[node.span.run_id] = node
        if previous is not None and not _is_continuation(node):
            node.name = CONTINUATION if previous.status in _UNFINISHED else AGAIN
            _left_open(previous)
            later.append(node)
    return later


def _left_open(root: Node) -> None:
    """Its process is gone, else nobody would have gone on with it: it lived to the last that is
    known of it, at least."""
    nodes = [node for node, _ in walk([root])]
    last_ns = max(max(node.start_time_ns, node.end_time_ns or 0) for node in nodes)
    for node in nodes:
        if node.status == RunStatus.RUNNING:
            node.status, node.end_time_ns = RunStatus.DIED, last_ns
