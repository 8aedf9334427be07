"""`lens show`: a run's facts, its steps with what went in and came out, its final context."""

from collections.abc import Iterator
from typing import Annotated

import typer

from flujo_otel.model import Run, Step
from flujo_otel.query.decision import decision_of
from flujo_otel.query.tree import build_tree
from flujo_otel.spanstore.api import SpanFilter
from flujo_otel_cli.cause import cause_lines, failed_lines
from flujo_otel_cli.content import PIPED_MOST, content_lines
from flujo_otel_cli.conversation import told_exchange
from flujo_otel_cli.decision import account
from flujo_otel_cli.detail import original_lines
from flujo_otel_cli.facts import facts, sender
from flujo_otel_cli.failures import unexplained_failures
from flujo_otel_cli.final_context import own_first
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Name, Piece
from flujo_otel_cli.options import Db, Json, RunName
from flujo_otel_cli.panel import panel
from flujo_otel_cli.run_spans import (
    FirstSpans,
    exchange_within,
    failed_spans,
    first_spans,
    root_span_of,
    waits_within,
)
from flujo_otel_cli.runs import find_run, short_id, status_line, title
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.span import more_line, overview
from flujo_otel_cli.steps import placed_lines

_NO_STEPS: list[Line] = [[Piece("No steps.", "dim")]]


def command(
    *,
    name: RunName = "last",
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="NAME|INDEX|SPAN",
            help="Open one step, or any span by its name or id: everything about it.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Whole inputs, outputs and contexts.")
    ] = False,
    unfold: Annotated[
        bool, typer.Option("--all", help="Every step or span, also where many are alike.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """A run's facts, its steps with input and output, its context."""
    with open_session(db, json=json) as session:
        run = find_run(session.reader, name, session.now_ns, session.db)
        steps = session.reader.steps(run.run_id)
        if step is not None:
            from flujo_otel_cli.opening import open_named

            open_named(session, run, steps, step, full=full)
        elif json:
            from flujo_otel_cli.dossier import dossier_of

            session.answer(dossier_of(session, run, steps))
        else:
            session.show(_lines(session, run, steps, full=full, unfold=unfold))


def _lines(
    session: Session, run: Run, steps: list[Step], *, full: bool, unfold: bool
) -> Iterator[Line]:
    to = session.to
    heading = [Name(title(run), "bold"), Piece("  "), *status_line(run.status, to.theme)]
    root = session.reader.roots([run.run_id]).get(run.run_id)
    waits = waits_within(session, run, steps)
    yield from panel(heading, list(facts(session, run, root, waits)), to)
    if steps:  # else the overview says it
        yield from cause_lines(session, run)
    if root is not None:
        yield from sender(root.resource, to, full=full)
    root_span = root_span_of(session, run, root)
    if root_span is not None:
        yield from original_lines(root_span, to, to.width)
        yield from told_exchange(root_span, exchange_within(session, run, root_span), to, full=full)
    decision = decision_of(root_span.attributes) if root_span is not None else None
    if decision is not None:
        yield from account(decision, to, full=full)
    yield from placed_lines(session, run, steps, root_span, waits, full=full, unfold=unfold)
    if not steps:
        yield from _spans_lines(session, run, full=full, unfold=unfold or full)
    context = run.final_context if full else own_first(run.final_context)
    yield from content_lines("final context", context, to, full=full, piped=PIPED_MOST)


def _spans_lines(session: Session, run: Run, *, full: bool, unfold: bool) -> Iterator[Line]:
    """Of a run without steps."""
    everything = SpanFilter()
    if unfold:
        first = FirstSpans(list(session.reader.spans(run.run_id, everything)))
    else:
        first = first_spans(session, run, everything)
    if not first.spans:
        yield from _NO_STEPS
        return
    roots = build_tree(first.spans)
    failing = build_tree(failed_spans(session, run)) if first.more else roots
    yield from failed_lines(session, run, unexplained_failures(failing))
    yield from overview(run, roots, session.to, session.now_ns, full=full, unfold=unfold)
    yield from more_line(first, "more span")
    shown_id = short_id(session.reader, run.run_id)
    tree = hint("trace", shown_id, "--attributes", db=session.db)
    yield [Piece("As a tree, with all attributes:  ", "dim"), Command(tree, "dim")]
