"""A run that was gone on with, or begun again under its id: what follows its first root."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flujo_otel.model import RunStatus, Span
from flujo_otel.model.record import Role
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv.flujo import EVENT_PAUSED, MESSAGE, PIPELINE_RUN, RESUMED
from flujo_otel.spanstore.api import RESUMED_PART

AGAIN = "run again"
_UNFINISHED = (RunStatus.PAUSED, RunStatus.RUNNING, RunStatus.DIED)


class Wait(NamedTuple):
    """A run stood still for a human from `start_ns` to `end_ns`, when `part`, whose input is the
    human's answer, went on."""

    start_ns: int
    end_ns: int
    part: Span

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.start_ns


def waits_of(parts: Iterable[Span]) -> list[Wait]:
    """From the `pipeline_run` spans of one run, in order of time; one that still lasts is none."""
    found: list[Wait] = []
    ordered = sorted(parts, key=lambda part: part.start_time_ns)
    ends = [part.end_time_ns for part in ordered if part.status == RunStatus.PAUSED]
    since_ns = 0
    for index, part in enumerate(ordered):
        again = index > 0 and bool(part.role & Role.RUN_ROOT)
        if not again and part.attributes.get(RESUMED) is not True:
            continue
        paused = [ns for ns in ends if ns is not None and since_ns <= ns <= part.start_time_ns]
        if paused:
            found.append(Wait(max(paused), part.start_time_ns, part))
            since_ns = part.start_time_ns
    return found


def wait_after(waits: Sequence[Wait], paused_ns: int) -> Wait | None:
    """The one of `waits`, in order of time, that what paused at `paused_ns` began."""
    return next((each for each in waits if each.end_ns >= paused_ns), None)


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
        node.name = RESUMED_PART
    continuations += _name_later_roots(roots)
    last_ns = max((node.start_time_ns for node in continuations), default=None)
    if last_ns is None:
        return
    waits = _waits_by_run(nodes)
    for node in nodes:
        node.went_on = node.status == RunStatus.PAUSED and node.start_time_ns < last_ns
        if node.went_on and node.span is not None:
            wait = wait_after(waits[node.span.run_id], node.end_time_ns or node.start_time_ns)
            node.waited_ns = None if wait is None else wait.length_ns


def _waits_by_run(nodes: list[Node]) -> dict[str, list[Wait]]:
    parts: dict[str, list[Span]] = {}
    for node in nodes:
        if node.span is not None:
            of_run = parts.setdefault(node.span.run_id, [])
            if node.span.name == PIPELINE_RUN:
                of_run.append(node.span)
    return {run_id: waits_of(of_run) for run_id, of_run in parts.items()}


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
            node.name = RESUMED_PART if previous.status in _UNFINISHED else AGAIN
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
