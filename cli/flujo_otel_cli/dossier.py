"""A run in one document, whole: what `lens show --json` answers."""

from collections.abc import Sequence

from flujo_otel.model import Run, Step
from flujo_otel.query.context import changes_of
from flujo_otel.query.exchange import Exchange
from flujo_otel.query.nesting import nesting_of, spans_with
from flujo_otel.query.spending import Spending, spending_of
from flujo_otel.query.tree import build_tree
from flujo_otel_cli.changes import changed_document
from flujo_otel_cli.content import parsed
from flujo_otel_cli.document import (
    Document,
    decided,
    root_document,
    run_document,
    span_document,
    step_document,
    usage_document,
)
from flujo_otel_cli.run_spans import (
    exchange_within,
    plain_spans_of,
    root_span_of,
    spans_of,
    waits_within,
)
from flujo_otel_cli.session import Session


def dossier_of(session: Session, run: Run, steps: list[Step]) -> Document:
    """The run, its steps and the spans beside them, with what each used and changed."""
    spans = spans_of(session, run, steps)
    root = session.reader.roots([run.run_id]).get(run.run_id)
    nesting = nesting_of(session.reader, run)
    spending = _spending(session, run, nesting.inside)
    root_span = root_span_of(session, run, root)
    changes = changes_of(root_span, list(spans.values()))
    exchange = exchange_within(session, run, root_span) if root_span is not None else Exchange()
    return {
        "run": run_document(run) | root_document(root),
        "input": parsed(exchange.input),
        "output": parsed(exchange.output),
        "runs_inside": [each.run_id for each in nesting.inside],
        "resource": dict(root.resource) if root else None,
        **decided(root_span),
        "final_context": parsed(run.final_context),
        "usage": usage_document(spending.whole),
        "waited_ns": sum(w.length_ns for w in waits_within(session, run, steps)),
        "steps": [
            step_document(step)
            | decided(spans.get(step.span_id or ""))
            | changed_document(changes, step)
            | {"usage": usage_document(spending.by_span.get(step.span_id or ""))}
            for step in steps
        ],
        "spans": [span_document(span) for span in plain_spans_of(session, run, root_span)],
    }


def _spending(session: Session, run: Run, inside: Sequence[Run]) -> Spending:
    """With the runs inside; all its spans are read for it, so only where any tells of usage."""
    runs = (run, *inside)
    if all(each.total_tokens is None and each.total_cost_usd is None for each in runs):
        return Spending()
    return spending_of(build_tree(spans_with(session.reader, run, inside)))
