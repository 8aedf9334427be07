"""What is read of a run before it is shown: the spans of its root, its steps and its parts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flujo_otel.model import Run, Span, Step
from flujo_otel.model.record import Role
from flujo_otel.query.exchange import Exchange, exchange_of
from flujo_otel.query.resume import Wait, last_part, waits_of
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel.spanstore.api import Root, SpanFilter
from flujo_otel_cli.session import Session

READ = 10_000
"""Steps, or spans of one kind, that are read of a run; `--all` shows the rest too."""

_FAILED_READ = 1_000
"""Failed spans that are looked through for why a run failed."""


class FirstSpans(NamedTuple):
    """Spans in order of start; how many `more` there are after them, and how many of those
    failed."""

    spans: list[Span]
    more: int = 0
    more_failed: int = 0


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
    where = _plain_beneath(session, run, root)
    return list(session.reader.spans(run.run_id, where)) if where is not None else []


def first_plain_spans_of(session: Session, run: Run, root: Span | None) -> FirstSpans:
    """The same, where there are many the first of them."""
    where = _plain_beneath(session, run, root)
    return FirstSpans([]) if where is None else first_spans(session, run, where)


def first_spans(session: Session, run: Run, where: SpanFilter) -> FirstSpans:
    """The first of those that `where` asks for, and how many more there are."""
    found = list(session.reader.spans(run.run_id, where._replace(first=READ)))
    if len(found) < READ:
        return FirstSpans(found)
    more = session.reader.count_spans(run.run_id, where) - len(found)
    failed = session.reader.count_spans(run.run_id, where._replace(status="failed"))
    return FirstSpans(found, more, failed - sum(span.status == "failed" for span in found))


def failed_spans(session: Session, run: Run) -> Iterator[Span]:
    """Those that failed, the first of many."""
    return session.reader.spans(run.run_id, SpanFilter(status="failed", first=_FAILED_READ))


def _plain_beneath(session: Session, run: Run, root: Span | None) -> SpanFilter | None:
    if root is None:
        return None
    parts = session.reader.spans(run.run_id, SpanFilter(name=root.name))
    parents = tuple(span.span_id for span in parts if span.role & Role.RUN_ROOT)
    return SpanFilter(plain_beneath=parents)


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
