"""The JSON shapes of docs/lens.md. Their names and meanings stay as they are; more may join."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from flujo_otel.model import Run, Span, Step
from flujo_otel.query.decision import decision_of, tallies
from flujo_otel.query.spending import Spent, of_span
from flujo_otel.query.tree import Node, walk
from flujo_otel.spanstore.api import NameStatistics, Root
from flujo_otel_cli.content import parsed
from flujo_otel_cli.times import iso

if TYPE_CHECKING:
    from flujo_otel.spanstore.destinations import Cursor
    from flujo_otel.spanstore.maintenance import Health

Document = dict[str, Any]


def write_document(document: Mapping[str, Any], stream: TextIO) -> None:
    """One document, in ASCII, so that no terminal code in a value is ever obeyed. Piece by piece:
    to have all pieces of 120,000 spans at once took 500 MB."""
    stream.writelines(json.JSONEncoder(indent=2, default=str).iterencode(document))
    stream.write("\n")


def write_line(document: Mapping[str, Any], stream: TextIO) -> None:
    """One document on a line of its own."""
    stream.write(json.dumps(document, default=str) + "\n")


def times(start_ns: int, end_ns: int | None) -> Document:
    """Each null where it is not known: a step that only its run's state knows has no start."""
    known_ns = start_ns or None
    return {
        "start_time_ns": known_ns,
        "start_time": iso(known_ns),
        "end_time_ns": end_ns,
        "end_time": iso(end_ns),
        "duration_ns": None if end_ns is None or known_ns is None else end_ns - known_ns,
    }


def run_document(run: Run) -> Document:
    return {
        "run_id": run.run_id,
        "trace_id": run.trace_id,
        "pipeline_name": run.pipeline_name,
        "pipeline_version": run.pipeline_version,
        "status": str(run.status),
        **times(run.start_time_ns, run.end_time_ns),
        "last_time_ns": run.last_time_ns,
        "last_time": iso(run.last_time_ns),
        "total_cost_usd": run.total_cost_usd,
        "total_tokens": run.total_tokens,
        "unpriced_count": run.unpriced_count,
        "span_count": run.span_count,
        "error_count": run.error_count,
        "is_left_open": run.is_left_open,
        "writer": asdict(run.writer) if run.writer else None,
        "origin": run.origin,
    }


def root_document(root: Root | None) -> Document:
    """What a run began with, beside the run."""
    return {
        "root_name": root.name if root else None,
        "outer_run_id": root.outer_run_id if root else None,
    }


def span_document(span: Span) -> Document:
    return {
        "span_id": span.span_id,
        "run_id": span.run_id,
        "trace_id": span.trace_id,
        "otel_span_id": span.otel_span_id,
        "otel_parent_id": span.otel_parent_id,
        "name": span.name,
        "kind": span.kind,
        "status": span.status,
        "status_message": span.status_message,
        **times(span.start_time_ns, span.end_time_ns),
        "cost_usd": span.cost_usd,
        "tokens": span.tokens,
        "usage": usage_document(of_span(span)),
        "attributes": dict(span.attributes),
        "events": [
            {
                "name": event.name,
                "time_ns": event.time_ns,
                "time": iso(event.time_ns),
                "attributes": dict(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "trace_id": link.trace_id,
                "span_id": link.span_id,
                "attributes": dict(link.attributes),
            }
            for link in span.links
        ],
    }


def usage_document(spent: Spent | None) -> Document | None:
    """Tokens with their split, and cost; null where nothing is told."""
    return spent._asdict() if spent is not None and spent != Spent() else None


def trace_document(run: Run, roots: list[Node], depth: int | None = None) -> Document:
    """The tree as a flat list, parents before children: nesting 10,000 deep breaks JSON parsers."""
    spans = [
        span_document(node.span) | decided(node.span) | {"depth": level, "fault": node.fault}
        for node, level in walk(roots)
        if node.span is not None and (depth is None or level < depth)
    ]
    return {"run": run_document(run), "spans": spans}


def step_document(step: Step) -> Document:
    return {
        "step_run_id": step.step_run_id,
        "run_id": step.run_id,
        "step_name": step.step_name,
        "step_index": step.step_index,
        "status": step.status,
        **times(step.start_time_ns, step.end_time_ns),
        "duration_ns": step.duration_ns,
        "duration_ms": step.duration_ms,
        "cost_usd": step.cost_usd,
        "tokens": step.tokens,
        "unpriced_count": step.unpriced_count,
        "input": parsed(step.input),
        "output": parsed(step.output),
        "error": parsed(step.error),
        "span_id": step.span_id,
    }


def decided(span: Span | None) -> Document:
    """How it was decided, as `decision`: null where nothing is said of it."""
    found = decision_of(span.attributes) if span is not None else None
    if found is None:
        return {"decision": None}
    counts = {"evaluated": len(found.evaluations), "passed": found.qualified_count}
    filters = [tally._asdict() for tally in tallies(found.evaluations)]
    evaluations = [
        each._asdict() | {"verdicts": [verdict._asdict() for verdict in each.verdicts]}
        for each in found.evaluations
    ]
    return {
        "decision": {
            "reasoning": found.reasoning or None,
            **counts,
            "filters": filters,
            "evaluations": evaluations,
            "not_understood": found.misshapen_evaluations + found.misshapen_candidates,
            "ranked_candidates": [candidate._asdict() for candidate in found.candidates],
            "llm": found.llm or None,
            "metadata": found.metadata or None,
        }
    }


def statistics_document(row: NameStatistics) -> Document:
    return {
        "name": row.name,
        "pipeline": row.pipeline,
        "count": row.count,
        "error_count": row.error_count,
        "mean_ns": row.mean_ns,
        "p50_ns": row.p50_ns,
        "p95_ns": row.p95_ns,
        "p99_ns": row.p99_ns,
        "total_ns": row.total_ns,
        "buckets": list(row.buckets),
        "tokens": row.tokens,
        "cost_usd": row.cost_usd,
        "unpriced_count": row.unpriced_count,
    }


def health_document(health: "Health") -> Document:
    backlog = health.backlog
    return asdict(health) | {
        "backlog": {
            "requests": backlog.requests,
            "spans": backlog.spans,
            "attendant": None if backlog.attendant is None else asdict(backlog.attendant),
            "elsewhere": None if backlog.elsewhere is None else asdict(backlog.elsewhere),
        },
        "losses": [
            asdict(loss)
            | {"first_time": iso(loss.first_time_ns), "last_time": iso(loss.last_time_ns)}
            for loss in health.losses
        ],
    }


def cursor_document(cursor: "Cursor") -> Document:
    """A destination of forwarding."""
    return asdict(cursor) | {
        "state": str(cursor.state),
        "rejected_at": iso(cursor.rejected_at_ns),
        "error_at": iso(cursor.error_at_ns),
        "sent_at": iso(cursor.sent_at_ns),
    }
