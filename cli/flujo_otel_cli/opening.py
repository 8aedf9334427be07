"""What `lens show --step` opens: the steps or spans of a run that are named, with everything about
each."""

from collections.abc import Sequence

from flujo_otel.model import Run, Span, Step
from flujo_otel.query.context import changes_of
from flujo_otel.query.nesting import nesting_of, spans_with
from flujo_otel.query.resolve import CANDIDATES
from flujo_otel.query.resume import mark_resumed
from flujo_otel.query.tree import build_tree, walk
from flujo_otel_cli.changes import changed_document
from flujo_otel_cli.document import decided, run_document, span_document, step_document
from flujo_otel_cli.nearest import did_you_mean
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.run_spans import root_span_of, spans_of, waits_within
from flujo_otel_cli.session import Session
from flujo_otel_cli.span import opened
from flujo_otel_cli.step import one_step
from flujo_otel_cli.text import brief_name, escape

_ID_LEAST = 4
"""Characters of a span's id that may name it."""
_NAMES_SHOWN = 30
"""Of the steps and spans that there are, where none is the one; JSON has all."""


def open_named(session: Session, run: Run, steps: list[Step], name: str, *, full: bool) -> None:
    """Show the steps of this name, index or span id, else the spans of this name or id.

    Raises Problem with the names there are, or with the spans whose id begins so.
    """
    chosen = _chosen(steps, name)
    if chosen:
        _show_steps(session, run, steps, chosen, full=full)
    else:
        _show_spans(session, run, steps, name, full=full)


def _chosen(steps: list[Step], name: str) -> list[Step]:
    """Steps of this name, else the ones at this index, else the one with this span id."""
    chosen = [step for step in steps if step.step_name == name]
    chosen = chosen or [step for step in steps if str(step.step_index) == name]
    return chosen or [step for step in steps if step.span_id == name.lower()]


def _show_steps(
    session: Session, run: Run, steps: list[Step], chosen: Sequence[Step], *, full: bool
) -> None:
    spans = spans_of(session, run, steps)
    root = session.reader.roots([run.run_id]).get(run.run_id)
    of_chosen = [(step, spans.get(step.span_id or "")) for step in chosen]
    wanted = [span for _, span in of_chosen if span is not None]
    changes = changes_of(root_span_of(session, run, root), list(spans.values()), wanted)
    if session.json:
        shown = [
            step_document(step)
            | decided(span)
            | changed_document(changes, step)
            | {"span": span_document(span) if span else None}
            for step, span in of_chosen
        ]
        session.answer({"run": run_document(run), "steps": shown})
        return
    waits, to = waits_within(session, run, chosen), session.to
    for step, span in of_chosen:
        changed = changes.get(step.span_id or "", ())
        session.show(
            one_step(run, step, span, to, session.now_ns, changed=changed, waits=waits, full=full)
        )


def _show_spans(
    session: Session, run: Run, steps: Sequence[Step], name: str, *, full: bool
) -> None:
    """The spans of this name, or the one with an id that begins so, in the run and in those inside
    it; `resumed` opens the parts that it went on with."""
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
    hints = [f"{escape(span.span_id)}  {brief_name(span.name)}" for span in found[:CANDIDATES]]
    if len(found) > CANDIDATES:
        hints.append(f"and {len(found) - CANDIDATES:,} more")
    return Problem(
        Exit.NOT_FOUND,
        "ambiguous_span",
        f"{escape(prefix)} names {len(found):,} spans:",
        hints,
        {"candidates": [span.span_id for span in found[:CANDIDATES]]},
    )


def _no_such(name: str, steps: Sequence[Step], spans: Sequence[Span]) -> Problem:
    """With the names that there are, of steps and of other spans."""
    of_steps = list(dict.fromkeys(step.step_name for step in steps))
    of_spans = [each for each in dict.fromkeys(s.name for s in spans) if each not in of_steps]
    named = {"steps": of_steps, "spans": of_spans}
    hints = [f"Its {what}: {_some(names)}" for what, names in named.items() if names]
    return Problem(
        Exit.NOT_FOUND,
        "no_such_step",
        f"No {'step or span' if steps else 'span'} {escape(name)!r} in this run."
        f"{did_you_mean(name, [*of_steps, *of_spans])}",
        hints or ["It has neither steps nor spans."],
        {what: names for what, names in named.items() if names},
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(escape(each) for each in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown
