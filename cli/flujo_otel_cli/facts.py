"""What `lens show` says of a run before its steps: the facts of its box, and who sent it."""

import json as as_json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flujo_otel.model import Run
from flujo_otel.query.nesting import nesting_of
from flujo_otel.query.resume import Wait
from flujo_otel.spanstore.api import Root
from flujo_otel_cli import amounts
from flujo_otel_cli.content import content_lines
from flujo_otel_cli.decision import facts_text
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.runs import (
    began_with,
    process_of,
    short_id,
    spent,
    title,
    took,
    waited,
    waiting,
)
from flujo_otel_cli.session import Session
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape, head
from flujo_otel_cli.times import ago, iso, local

_OF_EVERY_SENDER = ("telemetry.sdk.", "telemetry.auto.", "service.instance.id")
_INSIDE_SHOWN = 3
"""Runs inside the run that are named."""


def facts(
    session: Session, run: Run, root: Root | None, waits: Sequence[Wait]
) -> Iterator[tuple[str, Line]]:
    """Name and value of each; `waits`: when the run stood still for a human."""
    now_ns, theme = session.now_ns, session.to.theme
    when, age = local(run.start_time_ns, now_ns), ago(run.start_time_ns, now_ns)
    started = when if age == when else f"{when} ({age})"
    yield "run", [Piece(escape(run.run_id))]
    if run.trace_id and run.trace_id != run.run_id:
        yield "trace", [Piece(escape(run.trace_id))]
    if root is not None:
        yield from _began(session, run, root)
    yield "started", [Piece(started), Piece(f"  {iso(run.start_time_ns)}", "dim")]
    of_which = waited(waits, theme.micro) if waits else ""
    so_far = took(run, now_ns, theme), of_which, waiting(run, now_ns, theme)
    yield "took", [Piece(", ".join(filter(None, so_far)))]
    inside = nesting_of(session.reader, run).inside if root is not None else ()
    own, whole = _spent_text([run]), _spent_text([run, *inside])
    if whole:
        with_inside = f"; with the runs inside {whole}" if whole != own else ""
        yield "spent", [Piece((own + with_inside).removeprefix("; "))]
    failed = f", {run.error_count:,} failed" if run.error_count else ""
    yield "spans", [Piece(f"{run.span_count:,}{failed}")]
    if run.writer is not None:
        gone = " is gone" if run.status == "died" else ""
        # Of what came over OTLP the writer is not the process that made it.
        name = "received by" if run.writer.command == "lens serve" else "process"
        yield name, [Piece(process_of(run) + gone)]
    if run.origin:
        yield "from", [Piece(head(run.origin, None))]


def _spent_text(runs: Sequence[Run]) -> str:
    """Cost and tokens of all of them; "" where none is known."""
    tokens, cost = sum(run.total_tokens or 0 for run in runs), spent(*runs)
    return ", ".join(filter(None, (cost, amounts.plural(tokens, "token") if tokens else "")))


def sender(resource: Mapping[str, Any], to: Terminal, *, full: bool) -> Iterator[Line]:
    """Its OTLP resource, without what every sender's says."""
    if full:
        yield from content_lines("sender", as_json.dumps(_service_first(resource)), to, full=True)
        return
    telling = {
        key: value
        for key, value in _service_first(resource).items()
        if not key.startswith(_OF_EVERY_SENDER) and not str(value).startswith("unknown_service")
    }
    if telling:
        yield [Piece("sender  ", "dim"), Piece(facts_text(telling, to), "dim")]


def _service_first(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What is the sender's own before what every sender says."""
    keys = sorted(resource, key=lambda key: (not key.startswith("service."), key))
    return {key: resource[key] for key in keys}


def _began(session: Session, run: Run, root: Root) -> Iterator[tuple[str, Line]]:
    """What it began with; the run around it, and how many are in it."""
    name = began_with(run, root)
    if name:
        yield "root", [Piece(name)]
    nesting = nesting_of(session.reader, run)
    if nesting.outer_run_id is not None:
        yield "in", [Piece(escape(nesting.outer_run_id))]
    if nesting.inside:
        most = nesting.inside[:_INSIDE_SHOWN]
        named = [f"{short_id(session.reader, each.run_id)} {title(each)}" for each in most]
        if len(most) < len(nesting.inside):
            named.append(f"and {len(nesting.inside) - len(most):,} more")
        yield "contains", [Piece(session.to.theme.dot.join(named))]
