"""What was found in runs: each run, the spans in it, and where in them it stands."""

from collections.abc import Iterator, Sequence
from itertools import islice

from flujo_otel.model import Run
from flujo_otel.query.search import Found, FoundRun, Place
from flujo_otel_cli import amounts
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
    unique = session.reader.unique_prefixes([each.run.run_id for each in runs])
    for run, found in runs:
        name = short_name(run.run_id, unique[run.run_id])
        yield _run_line(session, run, name)
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


def _run_line(session: Session, run: Run, name: str) -> Line:
    return [
        Piece(escape(name), "bold"),
        Piece("  "),
        Name(title(run)),
        Piece("  "),
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
