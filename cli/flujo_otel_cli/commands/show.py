"""`lens show`: a run's facts, its steps with what went in and came out, its final context."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from flujo_otel.model import Run, Span, Step
from flujo_otel.query.alike import Alike, fold_alike
from flujo_otel.query.beneath import Placed, placed
from flujo_otel.query.context import Changes, changes_of
from flujo_otel.query.decision import decision_of
from flujo_otel.query.exchange import Exchange, exchange_of
from flujo_otel.query.failure import failure_of
from flujo_otel.query.nesting import nesting_of, spans_with
from flujo_otel.query.resolve import CANDIDATES
from flujo_otel.query.resume import Wait, last_part, mark_resumed, waits_of
from flujo_otel.query.spending import Spending, spending_of
from flujo_otel.query.tree import build_tree, walk
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel.spanstore.api import Root, SpanFilter
from flujo_otel_cli.cause import cause_lines
from flujo_otel_cli.changes import change_document, change_lines
from flujo_otel_cli.content import PIPED_MOST, content_lines
from flujo_otel_cli.conversation import told_exchange
from flujo_otel_cli.decision import account
from flujo_otel_cli.detail import original_lines
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
from flujo_otel_cli.facts import facts, sender
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece
from flujo_otel_cli.options import Db, Json, RunName
from flujo_otel_cli.panel import panel
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.runs import (
    find_run,
    short_id,
    status_line,
    title,
)
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.span import opened, overview
from flujo_otel_cli.step import alike_lines, one_step, step_lines
from flujo_otel_cli.text import brief, cell_len, escape
from flujo_otel_cli.theme import STYLES

_NO_STEPS: list[Line] = [[Piece("No steps.", "dim")]]
_LEVELS_SHOWN = 8
"""Levels of steps within steps that are indented."""
_ID_LEAST = 4
"""Characters of a span's id that may name it."""
_FAILED_SHOWN = 3
"""Of the spans that failed beneath a step."""
STEPS_READ = 10_000
"""Of a run with more steps, `--all` shows the rest too."""


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
            chosen = _chosen(steps, step)
            if chosen:
                _show_steps(session, run, steps, chosen, full=full)
            else:
                _show_spans(session, run, steps, step, full=full)
        elif json:
            session.answer(_document(session, run, steps))
        else:
            session.show(_lines(session, run, steps, full=full, unfold=unfold))


def _document(session: Session, run: Run, steps: list[Step]) -> Document:
    spans = _spans_of(session, run, steps)
    root = session.reader.roots([run.run_id]).get(run.run_id)
    nesting = nesting_of(session.reader, run)
    spending = _spending(session, run, nesting.inside)
    root_span = _root_span(session, run, root)
    changes = changes_of(root_span, list(spans.values()))
    exchange = _exchange(session, run, root_span) if root_span is not None else Exchange()
    return {
        "run": run_document(run) | root_document(root),
        "input": parsed(exchange.input),
        "output": parsed(exchange.output),
        "runs_inside": [each.run_id for each in nesting.inside],
        "resource": dict(root.resource) if root else None,
        **decided(root_span),
        "final_context": parsed(run.final_context),
        "usage": usage_document(spending.whole),
        "waited_ns": sum(w.length_ns for w in _waits(session, run, steps)),
        "steps": [
            step_document(step)
            | decided(spans.get(step.span_id or ""))
            | _changed(changes, step)
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
    """Steps of this name, else the ones at this index."""
    chosen = [step for step in steps if step.step_name == name]
    if not chosen and name.isdecimal():
        chosen = [step for step in steps if step.step_index == int(name)]
    return chosen


def _no_such(name: str, steps: Sequence[Step], spans: Sequence[Span]) -> Problem:
    """With the names that there are, of steps and of other spans."""
    of_steps = list(dict.fromkeys(step.step_name for step in steps))
    of_spans = [each for each in dict.fromkeys(s.name for s in spans) if each not in of_steps]
    named = {"steps": of_steps, "spans": of_spans}
    hints = [
        f"Its {what}: {', '.join(escape(each) for each in names[:30])}"
        for what, names in named.items()
        if names
    ]
    return Problem(
        Exit.NOT_FOUND,
        "no_such_step",
        f"No {'step or span' if steps else 'span'} {escape(name)!r} in this run.",
        hints or ["It has neither steps nor spans."],
        {what: names for what, names in named.items() if names},
    )


def _show_steps(
    session: Session, run: Run, steps: list[Step], chosen: Sequence[Step], *, full: bool
) -> None:
    spans = _spans_of(session, run, steps)
    root = session.reader.roots([run.run_id]).get(run.run_id)
    of_chosen = [(step, spans.get(step.span_id or "")) for step in chosen]
    wanted = [span for _, span in of_chosen if span is not None]
    changes = changes_of(_root_span(session, run, root), list(spans.values()), wanted)
    if session.json:
        shown = [
            step_document(step)
            | decided(span)
            | _changed(changes, step)
            | {"span": span_document(span) if span else None}
            for step, span in of_chosen
        ]
        session.answer({"run": run_document(run), "steps": shown})
        return
    waits, to = _waits(session, run, chosen), session.to
    for step, span in of_chosen:
        changed = changes.get(step.span_id or "", ())
        session.show(
            one_step(run, step, span, to, session.now_ns, changed=changed, waits=waits, full=full)
        )


def _waits(session: Session, run: Run, steps: Sequence[Step]) -> list[Wait]:
    """When the run stood still for a human, where any of `steps` asked one."""
    if not any(step.status == "paused" for step in steps):
        return []
    return waits_of(session.reader.spans(run.run_id, SpanFilter(name=PIPELINE_RUN)))


def _changed(changes: Changes, step: Step) -> Document:
    changed = changes.get(step.span_id or "", ())
    return {"context_changes": [change_document(change) for change in changed]}


def _show_spans(
    session: Session, run: Run, steps: Sequence[Step], name: str, *, full: bool
) -> None:
    """The spans of this name, or the one with an id that begins so, in the run and in those inside
    it; `resumed` opens the parts that it went on with.

    Raises Problem with the names there are, or with the spans whose id begins so.
    """
    inside = nesting_of(session.reader, run).inside
    spans = spans_with(session.reader, run, inside)
    names = _shown_names(spans)
    chosen = [span for span in spans if name in (span.name, names[span.span_id])]
    chosen = chosen or _with_id(spans, name)
    if not chosen:
        raise _no_such(name, steps, spans)
    if session.json:
        shown = [span_document(span) | decided(span) for span in chosen]
        session.answer({"run": run_document(run), "steps": [], "spans": shown})
        return
    runs = {each.run_id: each for each in (run, *inside)}
    for span in chosen:
        lines = opened(
            runs[span.run_id],
            span,
            session.to,
            session.now_ns,
            name=names[span.span_id],
            full=full,
        )
        session.show(lines)


def _shown_names(spans: Sequence[Span]) -> dict[str, str]:
    """By span id, what the tree calls it: a part of a run that was resumed has no name of its
    own."""
    roots = build_tree(spans)
    mark_resumed(roots)
    return {node.span.span_id: node.name for node, _ in walk(roots) if node.span is not None}


def _with_id(spans: Sequence[Span], prefix: str) -> list[Span]:
    """The one span whose id is or begins with `prefix`. Raises Problem where there are several."""
    if len(prefix) < _ID_LEAST:
        return []
    start = prefix.lower()
    exact = [span for span in spans if span.span_id in (prefix, start)]
    found = exact or [
        s for s in spans if s.otel_span_id.startswith(start) or s.span_id.startswith(start)
    ]
    if len(found) > 1:
        raise _ambiguous(prefix, found)
    return found


def _ambiguous(prefix: str, found: Sequence[Span]) -> Problem:
    hints = [f"{escape(span.span_id)}  {brief(span.name, 80)}" for span in found[:CANDIDATES]]
    if len(found) > CANDIDATES:
        hints.append(f"and {len(found) - CANDIDATES:,} more")
    return Problem(
        Exit.NOT_FOUND,
        "ambiguous_span",
        f"{escape(prefix)} names {len(found):,} spans:",
        hints,
        {"candidates": [span.span_id for span in found[:CANDIDATES]]},
    )


def _spans_of(session: Session, run: Run, steps: list[Step]) -> dict[str, Span]:
    wanted = tuple(step.span_id for step in steps if step.span_id is not None)
    spans = session.reader.spans(run.run_id, SpanFilter(span_ids=wanted)) if wanted else ()
    return {span.span_id: span for span in spans}


def _lines(
    session: Session, run: Run, steps: list[Step], *, full: bool, unfold: bool
) -> Iterator[Line]:
    to = session.to
    heading = [Piece(title(run), "bold"), Piece("  "), *status_line(run.status, to.theme)]
    root = session.reader.roots([run.run_id]).get(run.run_id)
    waits = _waits(session, run, steps)
    yield from panel(heading, list(facts(session, run, root, waits)), to)
    if steps:  # else the overview says it
        yield from cause_lines(session, run)
    if root is not None:
        yield from sender(root.resource, to, full=full)
    root_span = _root_span(session, run, root)
    if root_span is not None:
        yield from original_lines(root_span, to, to.width)
        yield from told_exchange(root_span, _exchange(session, run, root_span), to, full=full)
    decision = decision_of(root_span.attributes) if root_span is not None else None
    if decision is not None:
        yield from account(decision, to, full=full)
    yield from _step_lines(session, run, steps, root_span, waits, full=full, unfold=unfold)
    if not steps:
        spans = list(session.reader.spans(run.run_id, SpanFilter()))
        shown_id = short_id(session.reader, run.run_id)
        yield from (
            overview(
                run,
                spans,
                shown_id,
                to,
                session.now_ns,
                db=session.db,
                full=full,
                unfold=unfold or full,
            )
            if spans
            else _NO_STEPS
        )
    context = run.final_context
    yield from content_lines("final context", context, to, full=full, piped=PIPED_MOST)


def _step_lines(
    session: Session,
    run: Run,
    steps: list[Step],
    root_span: Span | None,
    waits: Sequence[Wait],
    *,
    full: bool,
    unfold: bool,
) -> Iterator[Line]:
    """Each step in its place; many alike on one line, but for `unfold` and `full`."""
    to, folds = session.to, not (unfold or full)
    read = steps[:STEPS_READ] if folds else steps
    spans = _spans_of(session, run, read)
    found = placed(session.reader, run, read, spans)
    shown = fold_alike(found) if folds else found
    ids = {each.step.span_id for each in shown if isinstance(each, Placed)}
    wanted = [span for span in spans.values() if span.span_id in ids]
    changes = changes_of(root_span, list(spans.values()), wanted)
    for each in shown:
        front = [Piece("  " * min(each.depth, _LEVELS_SHOWN))]
        if isinstance(each, Alike):
            yield from ([*front, *line] for line in alike_lines(run, each, to))
            continue
        span = spans.get(each.step.span_id or "")
        lines = [
            *step_lines(run, each.step, span, to, session.now_ns, waits=waits, full=full),
            *change_lines(changes.get(each.step.span_id or "", ()), to, full=full),
            *_failed_beneath(session, run, each),
        ]
        yield from ([*front, *line] for line in lines)
    if len(read) < len(steps):
        yield [Piece(f"{len(steps) - len(read):,} more steps: --all shows them.", "dim")]


def _failed_beneath(session: Session, run: Run, placed: Placed) -> Iterator[Line]:
    """Of each span that failed in a step, a model's call above all, how to open it."""
    shown_id = short_id(session.reader, run.run_id) if placed.failed else ""
    for span in placed.failed[:_FAILED_SHOWN]:
        failure = failure_of(span)
        said = brief(failure.message.split("\n", 1)[0]) if failure else "failed"
        # A name that is not shown as it is cannot be pasted, nor does one of several open the one
        # span; an id always can.
        is_one = [each.name for each in placed.failed].count(span.name) == 1
        name = span.name if is_one and escape(span.name) == span.name else span.span_id
        opens = hint("show", shown_id, "--step", name, db=session.db)
        mark = f"   {session.to.theme.mark('failed')} "
        text = f"{brief(span.name, 80)}: {said}"
        room = session.to.width - len(mark) - _LEVELS_SHOWN * 2
        if not session.to.cuts or cell_len(text) + 3 + cell_len(opens) <= room:
            yield [Piece(mark, STYLES["failed"]), Piece(f"{text}   "), Command(opens, "dim")]
            continue
        yield [Piece(mark, STYLES["failed"]), Piece(text)]
        yield [Piece("     "), Command(opens, "dim")]
    if len(placed.failed) > _FAILED_SHOWN:
        more = len(placed.failed) - _FAILED_SHOWN
        all_of_them = hint("trace", shown_id, "--errors", db=session.db)
        yield [Piece(f"   {more:,} more failed: ", "dim"), Command(all_of_them, "dim")]


def _exchange(session: Session, run: Run, root: Span) -> Exchange:
    """What went into the run; what came out of it in the end, where it was gone on with."""
    found = exchange_of(root.attributes)
    if root.name != PIPELINE_RUN:
        return found
    last = last_part(session.reader.spans(run.run_id, SpanFilter(name=PIPELINE_RUN)))
    return found if last is None else found._replace(output=exchange_of(last.attributes).output)


def _root_span(session: Session, run: Run, root: Root | None) -> Span | None:
    where = SpanFilter(span_ids=(root.span_id,)) if root is not None else None
    return next(session.reader.spans(run.run_id, where), None) if where is not None else None
