"""`lens show`: a run's facts, its steps with what went in and came out, its final context."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from flujo_otel.model import Run, Span, Step
from flujo_otel.spanstore.api import SpanFilter
from flujo_otel_cli import amounts
from flujo_otel_cli.content import content_lines
from flujo_otel_cli.document import parsed, run_document, span_document, step_document
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.options import Db, Json, RunName
from flujo_otel_cli.panel import panel
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.runs import find_run, process_of, short_id, status_line, title, took
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.span import opened, overview
from flujo_otel_cli.step import one_step, step_lines
from flujo_otel_cli.text import escape, head
from flujo_otel_cli.times import ago, iso, local

_NO_STEPS: list[Line] = [[Piece("No steps.", "dim")]]
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
            _show_spans(session, run, step)
        elif step is not None:
            _show_steps(session, run, _chosen(steps, step), full=full)
        elif json:
            shown = [step_document(each) for each in steps]
            context = {"final_context": parsed(run.final_context), "steps": shown}
            session.answer({"run": run_document(run), **context})
        else:
            session.show(_lines(session, run, steps, full=full))


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
            step_document(step) | {"span": span_document(span) if span else None}
            for step, span in ((step, spans.get(step.span_id or "")) for step in steps)
        ]
        session.answer({"run": run_document(run), "steps": shown})
        return
    for step in steps:
        span = spans.get(step.span_id or "")
        session.show(one_step(run, step, span, session.to, session.now_ns, full=full))


def _show_spans(session: Session, run: Run, name: str) -> None:
    """In a run without steps, the spans of this name. Raises Problem with the names there are."""
    spans = list(session.reader.spans(run.run_id, SpanFilter()))
    chosen = [span for span in spans if span.name == name]
    if not chosen:
        raise _no_such("span", name, [span.name for span in spans])
    if session.json:
        shown = [span_document(span) for span in chosen]
        session.answer({"run": run_document(run), "steps": [], "spans": shown})
        return
    for span in chosen:
        session.show(opened(run, span, session.to, session.now_ns))


def _spans_of(session: Session, run: Run, steps: list[Step]) -> dict[str, Span]:
    wanted = {step.span_id for step in steps}
    spans = session.reader.spans(run.run_id, SpanFilter())
    return {span.span_id: span for span in spans if span.span_id in wanted}


def _lines(session: Session, run: Run, steps: list[Step], *, full: bool) -> Iterator[Line]:
    to = session.to
    heading = [Piece(title(run), "bold"), Piece("  "), *status_line(run.status, to.theme)]
    yield from panel(heading, list(_facts(session, run)), to)
    shown = steps if full else steps[:STEPS_SHOWN]
    for step in shown:
        yield from step_lines(run, step, to, session.now_ns, full=full)
    if len(shown) < len(steps):
        yield [Piece(f"{len(steps) - len(shown):,} more steps: --full shows them.", "dim")]
    if not steps:
        spans = list(session.reader.spans(run.run_id, SpanFilter()))
        shown_id = short_id(session.reader, run.run_id)
        yield from overview(run, spans, shown_id, to, session.now_ns) if spans else _NO_STEPS
    yield from content_lines("final context", run.final_context, to, full=full)


def _facts(session: Session, run: Run) -> Iterator[tuple[str, Line]]:
    now_ns, theme = session.now_ns, session.to.theme
    when, age = local(run.start_time_ns, now_ns), ago(run.start_time_ns, now_ns)
    started = when if age == when else f"{when} ({age})"
    yield "run", [Piece(escape(run.run_id))]
    if run.trace_id and run.trace_id != run.run_id:
        yield "trace", [Piece(escape(run.trace_id))]
    yield "started", [Piece(started), Piece(f"  {iso(run.start_time_ns)}", "dim")]
    yield "took", [Piece(took(run, now_ns, theme))]
    if run.total_cost_usd or run.total_tokens:
        spent = amounts.cost(run.total_cost_usd)
        tokens = amounts.plural(run.total_tokens or 0, "token")
        yield "spent", [Piece(f"{spent or theme.none}, {tokens}")]
    failed = f", {run.error_count:,} failed" if run.error_count else ""
    yield "spans", [Piece(f"{run.span_count:,}{failed}")]
    if run.writer is not None:
        gone = " is gone" if run.status == "died" else ""
        # Of what came over OTLP the writer is not the process that made it.
        name = "received by" if run.writer.command == "lens serve" else "process"
        yield name, [Piece(process_of(run) + gone)]
    if run.origin:
        yield "from", [Piece(head(run.origin, None))]
