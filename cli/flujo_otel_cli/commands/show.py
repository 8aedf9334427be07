"""`lens show`: a run's facts, its steps with what went in and came out, its final context."""

import json as as_json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from flujo_otel.model import Run, Span, Step
from flujo_otel.query.decision import decision_of
from flujo_otel.query.nesting import nesting_of, spans_with
from flujo_otel.query.spending import Spending, spending_of
from flujo_otel.query.tree import build_tree
from flujo_otel.spanstore.api import Root, SpanFilter
from flujo_otel_cli import amounts
from flujo_otel_cli.content import content_lines
from flujo_otel_cli.decision import account, facts_text
from flujo_otel_cli.document import (
    Document,
    decided,
    parsed,
    root_document,
    run_document,
    span_document,
    step_document,
    usage_document,
)
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.options import Db, Json, RunName
from flujo_otel_cli.panel import panel
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.runs import (
    began_with,
    find_run,
    process_of,
    short_id,
    spent,
    status_line,
    title,
    took,
)
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.span import opened, overview
from flujo_otel_cli.step import one_step, step_lines
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape, head
from flujo_otel_cli.theme import Theme
from flujo_otel_cli.times import ago, iso, local

_NO_STEPS: list[Line] = [[Piece("No steps.", "dim")]]
_INSIDE_SHOWN = 3
"""Runs inside the run that are named."""
STEPS_SHOWN = 200
"""Of a run with more steps, `--full` shows the rest too."""


def command(
    *,
    name: RunName = "last",
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="NAME|INDEX", help="Open one step: everything about it."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Whole inputs, outputs and contexts.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """A run's facts, its steps with input and output, its context."""
    with open_session(db, json=json) as session:
        run = find_run(session.reader, name, session.now_ns)
        steps = session.reader.steps(run.run_id)
        if step is not None and not steps:
            _show_spans(session, run, step, full=full)
        elif step is not None:
            _show_steps(session, run, _chosen(steps, step), full=full)
        elif json:
            session.answer(_document(session, run, steps))
        else:
            session.show(_lines(session, run, steps, full=full))


def _document(session: Session, run: Run, steps: list[Step]) -> Document:
    spans = _spans_of(session, run, steps)
    root = session.reader.roots([run.run_id]).get(run.run_id)
    nesting = nesting_of(session.reader, run)
    spending = _spending(session, run, nesting.inside)
    return {
        "run": run_document(run) | root_document(root),
        "runs_inside": [each.run_id for each in nesting.inside],
        "resource": dict(root.resource) if root else None,
        **decided(_root_span(session, run, root)),
        "final_context": parsed(run.final_context),
        "usage": usage_document(spending.whole),
        "steps": [
            step_document(step)
            | decided(spans.get(step.span_id or ""))
            | {"usage": usage_document(spending.by_span.get(step.span_id or ""))}
            for step in steps
        ],
    }


def _spending(session: Session, run: Run, inside: Sequence[Run]) -> Spending:
    """With the runs inside; all its spans are read for it, so only where any tells of usage."""
    runs = (run, *inside)
    if all(each.total_tokens is None and each.total_cost_usd is None for each in runs):
        return Spending()
    return spending_of(build_tree(spans_with(session.reader, run, inside)))


def _chosen(steps: list[Step], name: str) -> list[Step]:
    """Steps of this name, else the ones at this index. Raises Problem with the names there are."""
    chosen = [step for step in steps if step.step_name == name]
    if not chosen and name.isdecimal():
        chosen = [step for step in steps if step.step_index == int(name)]
    if chosen:
        return chosen
    raise _no_such("step", name, [step.step_name for step in steps])


def _no_such(what: str, name: str, named: Iterable[str]) -> Problem:
    names = list(dict.fromkeys(named))
    known = f"Its {what}s: {', '.join(escape(each) for each in names[:30])}"
    return Problem(
        Exit.NOT_FOUND,
        "no_such_step",
        f"No {what} {escape(name)!r} in this run.",
        [known] if names else ["It has neither steps nor spans."],
        {f"{what}s": names},
    )


def _show_steps(session: Session, run: Run, steps: list[Step], *, full: bool) -> None:
    spans = _spans_of(session, run, steps)
    if session.json:
        shown = [
            step_document(step) | decided(span) | {"span": span_document(span) if span else None}
            for step, span in ((step, spans.get(step.span_id or "")) for step in steps)
        ]
        session.answer({"run": run_document(run), "steps": shown})
        return
    for step in steps:
        span = spans.get(step.span_id or "")
        session.show(one_step(run, step, span, session.to, session.now_ns, full=full))


def _show_spans(session: Session, run: Run, name: str, *, full: bool) -> None:
    """In a run without steps, the spans of this name. Raises Problem with the names there are."""
    spans = list(session.reader.spans(run.run_id, SpanFilter()))
    chosen = [span for span in spans if span.name == name]
    if not chosen:
        raise _no_such("span", name, [span.name for span in spans])
    if session.json:
        shown = [span_document(span) | decided(span) for span in chosen]
        session.answer({"run": run_document(run), "steps": [], "spans": shown})
        return
    for span in chosen:
        session.show(opened(run, span, session.to, session.now_ns, full=full))


def _spans_of(session: Session, run: Run, steps: list[Step]) -> dict[str, Span]:
    wanted = tuple(step.span_id for step in steps if step.span_id is not None)
    spans = session.reader.spans(run.run_id, SpanFilter(span_ids=wanted)) if wanted else ()
    return {span.span_id: span for span in spans}


def _lines(session: Session, run: Run, steps: list[Step], *, full: bool) -> Iterator[Line]:
    to = session.to
    heading = [Piece(title(run), "bold"), Piece("  "), *status_line(run.status, to.theme)]
    root = session.reader.roots([run.run_id]).get(run.run_id)
    yield from panel(heading, list(_facts(session, run, root)), to)
    if root is not None and root.resource:
        yield from _sender(_service_first(root.resource), to, full=full)
    shown = steps if full else steps[:STEPS_SHOWN]
    root_span = _root_span(session, run, root)
    decision = decision_of(root_span.attributes) if root_span is not None else None
    if decision is not None:
        yield from account(decision, to, full=full)
    of_steps = _spans_of(session, run, shown)
    for step in shown:
        span = of_steps.get(step.span_id or "")
        yield from step_lines(run, step, span, to, session.now_ns, full=full)
    if len(shown) < len(steps):
        yield [Piece(f"{len(steps) - len(shown):,} more steps: --full shows them.", "dim")]
    if not steps:
        spans = list(session.reader.spans(run.run_id, SpanFilter()))
        shown_id = short_id(session.reader, run.run_id)
        yield from overview(run, spans, shown_id, to, session.now_ns) if spans else _NO_STEPS
    yield from content_lines("final context", run.final_context, to, full=full)


def _facts(session: Session, run: Run, root: Root | None) -> Iterator[tuple[str, Line]]:
    now_ns, theme = session.now_ns, session.to.theme
    when, age = local(run.start_time_ns, now_ns), ago(run.start_time_ns, now_ns)
    started = when if age == when else f"{when} ({age})"
    yield "run", [Piece(escape(run.run_id))]
    if run.trace_id and run.trace_id != run.run_id:
        yield "trace", [Piece(escape(run.trace_id))]
    if root is not None:
        yield from _began(session, run, root)
    yield "started", [Piece(started), Piece(f"  {iso(run.start_time_ns)}", "dim")]
    yield "took", [Piece(took(run, now_ns, theme))]
    inside = nesting_of(session.reader, run).inside if root is not None else ()
    own, whole = _spent_text([run], theme), _spent_text([run, *inside], theme)
    if whole:
        with_inside = f"; with the runs inside {whole}" if whole != own else ""
        yield "spent", [Piece(f"{own or theme.none}{with_inside}")]
    failed = f", {run.error_count:,} failed" if run.error_count else ""
    yield "spans", [Piece(f"{run.span_count:,}{failed}")]
    if run.writer is not None:
        gone = " is gone" if run.status == "died" else ""
        # Of what came over OTLP the writer is not the process that made it.
        name = "received by" if run.writer.command == "lens serve" else "process"
        yield name, [Piece(process_of(run) + gone)]
    if run.origin:
        yield "from", [Piece(head(run.origin, None))]


def _spent_text(runs: Sequence[Run], theme: Theme) -> str:
    """Cost and tokens of all of them; "" where none is known."""
    tokens, cost = sum(run.total_tokens or 0 for run in runs), spent(*runs)
    return f"{cost or theme.none}, {amounts.plural(tokens, 'token')}" if tokens or cost else ""


def _root_span(session: Session, run: Run, root: Root | None) -> Span | None:
    where = SpanFilter(span_ids=(root.span_id,)) if root is not None else None
    return next(session.reader.spans(run.run_id, where), None) if where is not None else None


def _sender(resource: Mapping[str, Any], to: Terminal, *, full: bool) -> Iterator[Line]:
    if full:
        yield from content_lines("sender", as_json.dumps(resource), to, full=True)
    else:
        yield [Piece("sender  ", "dim"), Piece(facts_text(resource, to), "dim")]


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
        yield "inside", [Piece(session.to.theme.dot.join(named))]
