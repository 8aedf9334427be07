"""What was found in runs: each run, the spans in it, and where in them it stands."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from flujo_otel.model import Run
from flujo_otel.query.search import Found, FoundRun, Place
from flujo_otel.spanstore.api import Root
from flujo_otel_cli import amounts
from flujo_otel_cli.handle import handle_in
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Name, Piece, width_of
from flujo_otel_cli.runs import lasted, short_name, status_line, status_within, title
from flujo_otel_cli.session import Session
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief_name, escape
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import ago

_SPANS_OF_A_RUN = 3
_PLACES_OF_A_SPAN = 2
_BEFORE = 30
_AFTER = 200
"""Characters of a long text that stand before and after what was found in it."""
_LEAST_ROOM = 24
"""Columns for those beside the name of the place; with less they have a line of their own."""
_INDENT = "      "


def match_lines(
    session: Session, runs: Sequence[FoundRun], words: Sequence[str], *, is_one_run: bool
) -> Iterator[Line]:
    """`words`: those of the command that found them. Of runs among others the first few spans."""
    roots = session.reader.roots([each.run.run_id for each in runs])
    outer = {run_id: root.outer_run_id for run_id, root in roots.items() if root.outer_run_id}
    named = {each.run.run_id for each in runs}.union(outer.values())
    unique = session.reader.unique_prefixes(list(named))
    names = {run_id: short_name(run_id, unique[run_id]) for run_id in named}
    for run, found in runs:
        name = names[run.run_id]
        inside = names.get(outer.get(run.run_id, ""), "")
        yield _run_line(session, run, name, inside)
        shown = found if is_one_run else found[:_SPANS_OF_A_RUN]
        for each in shown:
            yield _span_line(session, run, each)
            for place in islice(_places(each), _PLACES_OF_A_SPAN):
                yield from _place_lines(place, session.to)
        if len(shown) < len(found):
            more = hint("find", *words, "--run", name, db=session.db)
            left = amounts.plural(len(found) - len(shown), "span")
            yield [Piece(f"  {left} more:  ", "dim"), Command(more, "dim")]
    span_count = sum(len(each.found) for each in runs)
    said = f"{amounts.plural(span_count, 'span')} in {amounts.plural(len(runs), 'run')}"
    yield [Piece(said, "dim")]
    if runs:
        opens = _opens(session, runs[0], names[runs[0].run.run_id], roots)
        yield [Piece("To open one:  ", "dim"), Command(opens, "dim")]


def _opens(session: Session, first: FoundRun, name: str, roots: Mapping[str, Root]) -> str:
    """The command that shows the first span that is not the run itself, else the run."""
    run, found = first
    root_id = roots[run.run_id].span_id if run.run_id in roots else None
    span = next((each.span for each in found if each.span.span_id != root_id), None)
    step = () if span is None else ("--step", handle_in(session.reader, run, span))
    return hint("show", name, *step, db=session.db)


def _run_line(session: Session, run: Run, name: str, inside: str) -> Line:
    """`inside`: the run that it is in, or ""."""
    return [
        Piece(escape(name), "bold"),
        Piece("  "),
        Name(title(run)),
        Piece(f"  in {escape(inside)}  " if inside else "  ", "dim"),
        *status_line(run.status, session.to.theme),
        Piece(f"  {ago(run.start_time_ns, session.now_ns)}", "dim"),
    ]


def _span_line(session: Session, run: Run, found: Found) -> Line:
    theme, span = session.to.theme, found.span
    status = status_within(run, span.status, span.end_time_ns)
    took = lasted(run, span.start_time_ns, span.end_time_ns, session.now_ns, theme)
    return [
        Piece("  "),
        Piece(theme.mark(status), STYLES.get(status, "")),
        Piece(" "),
        Name(brief_name(span.name) or "(no name)"),
        Piece(f"  {took}", "dim"),
    ]


def _places(found: Found) -> Iterator[Place]:
    """Without those that say what stands there already: some text is recorded by two names."""
    said = {found.span.name}
    for place in found.places:
        if place.text not in said:
            said.add(place.text)
            yield place


def _place_lines(place: Place, to: Terminal) -> Iterator[Line]:
    label: Line = [Piece(_INDENT), Piece(brief_name(place.name), "dim"), Piece("  ")]
    if not to.cuts:
        yield [*label, *_excerpt(place, _BEFORE, to.theme.ellipsis)]
        return
    room = to.width - width_of(label)
    if room < _LEAST_ROOM:
        yield label
        label = [Piece(_INDENT + "  ")]
        room = to.width - width_of(label)
    before = min(_BEFORE, max((room - (place.end - place.start)) // 3, 0))
    yield [*label, *_excerpt(place, before, to.theme.ellipsis)]


def _excerpt(place: Place, before: int, ellipsis: str) -> Line:
    text, start, end = place.text, place.start, place.end
    first, last = max(start - before, 0), end + _AFTER
    return [
        Piece((ellipsis if first else "") + escape(text[first:start])),
        Piece(escape(text[start:end]), "bold"),
        Piece(escape(text[end:last]) + (ellipsis if last < len(text) else "")),
    ]
