"""The steps of a run, each in its place, with what it changed and what failed beneath it."""

from collections import deque
from collections.abc import Iterator, Sequence

from flujo_otel.model import Run, Span, Step
from flujo_otel.query.alike import Alike, fold_alike
from flujo_otel.query.beneath import Placed, placed
from flujo_otel.query.context import changes_of
from flujo_otel.query.failure import failure_of
from flujo_otel.query.fold import fold
from flujo_otel.query.resume import Wait
from flujo_otel.query.tree import Node
from flujo_otel_cli.changes import change_lines
from flujo_otel_cli.handle import handle_in
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece, width_of
from flujo_otel_cli.run_spans import (
    READ,
    FirstSpans,
    first_plain_spans_of,
    plain_spans_of,
    spans_of,
)
from flujo_otel_cli.runs import short_id
from flujo_otel_cli.session import Session
from flujo_otel_cli.span import more_line, short_lines
from flujo_otel_cli.step import alike_lines, error_lines, step_lines
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, brief_name, cell_len
from flujo_otel_cli.theme import STYLES

_LEVELS_SHOWN = 8
"""Levels of steps within steps that are indented."""
_ROOM_LEAST = 20
"""Columns that a step deep within others is laid out for."""
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
    """Each step in its place, among them the top-level spans that are none; many alike on one line,
    but for `unfold` and `full`."""
    if not steps:
        return
    to, folds = session.to, not (unfold or full)
    read = steps[:READ] if folds else steps
    spans = spans_of(session, run, read)
    found = placed(session.reader, run, read, spans)
    shown = fold_alike(found) if folds else found
    ids = {each.step.span_id for each in shown if isinstance(each, Placed)}
    wanted = [span for span in spans.values() if span.span_id in ids]
    changes = changes_of(root_span, list(spans.values()), wanted)
    beside = _beside(session, run, root_span, folds=folds)
    plain = _nodes(beside.spans, folds=folds)
    for each in shown:
        if each.depth == 0:
            yield from _plain_lines(session, run, plain, before_ns=_start_of(each))
        front = [Piece("  " * min(each.depth, _LEVELS_SHOWN))]
        room = to._replace(width=max(to.width - width_of(front), _ROOM_LEAST))
        if isinstance(each, Alike):
            yield from ([*front, *line] for line in alike_lines(run, each, room))
            continue
        span = spans.get(each.step.span_id or "")
        lines = [
            *step_lines(run, each.step, span, room, session.now_ns, waits=waits, full=full),
            *change_lines(changes.get(each.step.span_id or "", ()), room, full=full),
            *_failed_beneath(session, run, each, room),
        ]
        yield from ([*front, *line] for line in lines)
    yield from _plain_lines(session, run, plain)
    if len(read) < len(steps):
        yield [Piece(f"{len(steps) - len(read):,} more steps: --all shows them.", "dim")]
    yield from more_line(beside, "more top-level span")


def _beside(session: Session, run: Run, root_span: Span | None, *, folds: bool) -> FirstSpans:
    if folds:
        return first_plain_spans_of(session, run, root_span)
    return FirstSpans(plain_spans_of(session, run, root_span))


def _nodes(spans: Sequence[Span], *, folds: bool) -> deque[Node]:
    nodes = [Node(s.name, s.status, s.start_time_ns, s.end_time_ns, s) for s in spans]
    return deque(fold(nodes) if folds else nodes)


def _start_of(each: Placed | Alike) -> int:
    return (each.steps[0] if isinstance(each, Alike) else each.step).start_time_ns


def _plain_lines(
    session: Session, run: Run, plain: deque[Node], before_ns: int | None = None
) -> Iterator[Line]:
    """Those that started before that time (None: all), which are then shown no more."""
    while plain and (before_ns is None or plain[0].start_time_ns < before_ns):
        node = plain.popleft()
        yield from short_lines(run, node, session.to, session.now_ns)
        span = node.span if node.fold is None else node.fold.members[0].span
        failure = failure_of(span) if span is not None and node.status == "failed" else None
        if failure is not None:
            yield from error_lines(failure.message, session.to)


def _failed_beneath(session: Session, run: Run, placed: Placed, to: Terminal) -> Iterator[Line]:
    """Of each span that failed in a step, a model's call above all, how to open it."""
    shown_id = short_id(session.reader, run.run_id) if placed.failed else ""
    for span in placed.failed[:_FAILED_SHOWN]:
        failure = failure_of(span)
        said = brief(failure.message.split("\n", 1)[0]) if failure else "failed"
        name = handle_in(session.reader, run, span)
        opens = hint("show", shown_id, "--step", name, db=session.db)
        mark = f"   {to.theme.mark('failed')} "
        text = f"{brief_name(span.name)}: {said}"
        if not to.cuts or cell_len(text) + 3 + cell_len(opens) <= to.width - len(mark):
            yield [Piece(mark, STYLES["failed"]), Piece(f"{text}   "), Command(opens, "dim")]
            continue
        yield [Piece(mark, STYLES["failed"]), Piece(text)]
        yield [Piece("     "), Command(opens, "dim")]
    if len(placed.failed) > _FAILED_SHOWN:
        more = len(placed.failed) - _FAILED_SHOWN
        all_of_them = hint("trace", shown_id, "--errors", db=session.db)
        yield [Piece(f"   {more:,} more failed: ", "dim"), Command(all_of_them, "dim")]
