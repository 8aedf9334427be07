"""The steps of a run, each in its place, with what it changed and what failed beneath it."""

from collections.abc import Iterator, Sequence

from flujo_otel.model import Run, Span, Step
from flujo_otel.query.alike import Alike, fold_alike
from flujo_otel.query.beneath import Placed, placed
from flujo_otel.query.context import changes_of
from flujo_otel.query.failure import failure_of
from flujo_otel.query.resume import Wait
from flujo_otel_cli.changes import change_lines
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece
from flujo_otel_cli.run_spans import spans_of
from flujo_otel_cli.runs import short_id
from flujo_otel_cli.session import Session
from flujo_otel_cli.step import alike_lines, step_lines
from flujo_otel_cli.text import brief, cell_len, escape
from flujo_otel_cli.theme import STYLES

_READ = 10_000
"""Of a run with more steps, `--all` shows the rest too."""
_LEVELS_SHOWN = 8
"""Levels of steps within steps that are indented."""
_FAILED_SHOWN = 3
"""Of the spans that failed beneath a step."""


def placed_lines(
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
    read = steps[:_READ] if folds else steps
    spans = spans_of(session, run, read)
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
