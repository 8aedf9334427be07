"""What is read of a run before it is shown: the spans of its root, its steps and its parts."""

from collections.abc import Sequence

from flujo_otel.model import Run, Span, Step
from flujo_otel.model.record import Role
from flujo_otel.query.exchange import Exchange, exchange_of
from flujo_otel.query.resume import Wait, last_part, waits_of
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel.spanstore.api import Root, SpanFilter
from flujo_otel_cli.session import Session


def root_span_of(session: Session, run: Run, root: Root | None) -> Span | None:
    """The span that `root` speaks of, with all that is recorded of it."""
    return session.reader.root_spans([root]).get(run.run_id) if root is not None else None


def exchange_within(session: Session, run: Run, root: Span) -> Exchange:
    """What went into the run; what came out of it in the end, where it was gone on with."""
    found = exchange_of(root.attributes)
    if root.name != PIPELINE_RUN:
        return found
    last = last_part(session.reader.spans(run.run_id, SpanFilter(name=PIPELINE_RUN)))
    return found if last is None else found._replace(output=exchange_of(last.attributes).output)


def plain_spans_of(session: Session, run: Run, root: Span | None) -> list[Span]:
    """The top-level spans that are no steps, in order of start."""
    if root is None:
        return []
    parts = session.reader.spans(run.run_id, SpanFilter(name=root.name))
    parents = tuple(span.span_id for span in parts if span.role & Role.RUN_ROOT)
    return list(session.reader.spans(run.run_id, SpanFilter(plain_beneath=parents)))


def spans_of(session: Session, run: Run, steps: list[Step]) -> dict[str, Span]:
    """By id, the spans that `steps` were made of."""
    wanted = tuple(step.span_id for step in steps if step.span_id is not None)
    spans = session.reader.spans(run.run_id, SpanFilter(span_ids=wanted)) if wanted else ()
    return {span.span_id: span for span in spans}


def waits_within(session: Session, run: Run, steps: Sequence[Step]) -> list[Wait]:
    """When the run stood still for a human, where any of `steps` asked one."""
    if not any(step.status == "paused" for step in steps):
        return []
    return waits_of(session.reader.spans(run.run_id, SpanFilter(name=PIPELINE_RUN)))
