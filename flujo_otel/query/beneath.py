"""Steps within steps, and what failed beneath a step that is no step itself."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from flujo_otel.model import Run, Span, Step
from flujo_otel.model.record import Role
from flujo_otel.spanstore.api import SpanFilter, TraceReader

_LEVELS = 50
"""Of ancestors that are asked for; what lies deeper counts as beneath nothing."""
_FAILED_SPANS = 1_000
"""Failed spans that are looked at; of a run with more, the tree tells."""


class Placed(NamedTuple):
    """A step in its place: `depth` 0 is within no other; the failed spans beneath it."""

    step: Step
    depth: int
    failed: Sequence[Span]


def placed(
    reader: TraceReader, run: Run, steps: Sequence[Step], spans: Mapping[str, Span]
) -> list[Placed]:
    """`steps` with those within each beneath it, else in their order; `spans` are theirs, by id."""
    failed = _failed(reader, run)
    known = {span.otel_span_id: span for span in (*spans.values(), *failed)}
    _fetch_ancestors(reader, run, known)
    owners = {
        spans[step.span_id].otel_span_id: step
        for step in steps
        if step.span_id is not None and step.span_id in spans
    }
    within: dict[str | None, list[Step]] = {}
    for step in steps:
        span = spans.get(step.span_id or "")
        within.setdefault(_owner(span, known, owners), []).append(step)
    beneath: dict[str | None, list[Span]] = {}
    for span in failed:
        beneath.setdefault(_owner(span, known, owners), []).append(span)
    found = _in_order(within, beneath)
    reached = {each.step.step_run_id for each in found}  # none is in a ring of ancestors
    return found + [Placed(step, 0, ()) for step in steps if step.step_run_id not in reached]


def _in_order(
    within: Mapping[str | None, list[Step]], beneath: Mapping[str | None, list[Span]]
) -> list[Placed]:
    found: list[Placed] = []
    stack = [(step, 0) for step in reversed(within.get(None, ()))]
    while stack:
        step, depth = stack.pop()
        found.append(Placed(step, depth, beneath.get(step.step_run_id, ())))
        inner = within.get(step.step_run_id, ())
        stack.extend((each, depth + 1) for each in reversed(inner))
    return found


def _owner(span: Span | None, known: Mapping[str, Span], owners: Mapping[str, Step]) -> str | None:
    """The step that `span` is within."""
    passed: set[str] = set()
    parent = span.otel_parent_id if span is not None else None
    while parent is not None and parent not in passed:
        if parent in owners:
            return owners[parent].step_run_id
        passed.add(parent)
        above = known.get(parent)
        parent = above.otel_parent_id if above is not None else None
    return None


def _failed(reader: TraceReader, run: Run) -> list[Span]:
    """Failed spans that are neither steps nor the run, each the innermost of its failure."""
    if not run.error_count:
        return []
    failed = SpanFilter(status="failed", first=_FAILED_SPANS)
    found = list(reader.spans(run.run_id, failed))
    parents = {span.otel_parent_id for span in found}
    return [s for s in found if s.otel_span_id not in parents and s.role == Role.PLAIN]


def _fetch_ancestors(reader: TraceReader, run: Run, known: dict[str, Span]) -> None:
    """Add to `known` what is above it in `run`, level by level."""
    asked: set[str] = set()
    for _ in range(_LEVELS):
        wanted = _parents(known.values()) - known.keys() - asked
        if not wanted:
            return
        asked |= wanted
        above = reader.spans(run.run_id, SpanFilter(span_ids=tuple(sorted(wanted))))
        known.update((span.otel_span_id, span) for span in above)


def _parents(spans: Iterable[Span]) -> set[str]:
    return {span.otel_parent_id for span in spans if span.otel_parent_id is not None}
