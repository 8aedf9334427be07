"""What is running now, as a table of runs with the spans that each has open beneath it."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from flujo_otel.errors import NoDatabase
from flujo_otel.model import Run
from flujo_otel.query.activity import Activity, Now, running_now
from flujo_otel.query.fold import fold
from flujo_otel.query.tree import Node, build_tree, walk
from flujo_otel_cli import amounts
from flujo_otel_cli.document import Document, root_document, run_document, span_document
from flujo_otel_cli.drawing import top_level
from flujo_otel_cli.line import Line, Name, Piece
from flujo_otel_cli.outer import with_outer
from flujo_otel_cli.runs import (
    lasted,
    process_of,
    short_id,
    status_line,
    status_within,
    title,
    took,
)
from flujo_otel_cli.session import Session
from flujo_otel_cli.table import Column, parted
from flujo_otel_cli.text import both_ends, escape
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import HOUR

DIED_WITHIN_NS = HOUR
"""Runs that died longer ago are counted only: nobody ever clears them away."""
SPANS_SHOWN = 20
"""Of a run's open spans, equal ones folded; `lens trace` has the rest."""
_COLUMNS = (
    Column("RUN"),
    Column("PIPELINE", shrinks=True, least=20),
    Column("STATUS"),
    Column("FOR", right=True),
    Column("PROCESS", shrinks=True, least=12, rank=1),
)


def look(session: Session, db: str | None, *, everything: bool, over_ns: int | None = None) -> Now:
    """What is running; `over_ns`: for so long at least. `everything`: all that ever died too."""
    from flujo_otel.spanstore.factory import open_change_feed

    until_ns = None if over_ns is None else session.now_ns - over_ns
    since_ns = 0 if everything else session.now_ns - DIED_WITHIN_NS
    try:
        feed = open_change_feed(db)
    except NoDatabase:  # flujo's own alone
        return running_now(session.reader, None, started_until_ns=until_ns, died_since_ns=since_ns)
    with closing(feed):
        return running_now(session.reader, feed, started_until_ns=until_ns, died_since_ns=since_ns)


def lines(session: Session, now: Now) -> Iterator[Line]:
    """The table; nothing where there is nothing."""
    found = [*now.living, *now.died]
    rows = [_row(session, each.run) for each in found]
    shown = [each.run for each in found]
    roots = session.reader.roots([run.run_id for run in shown])
    columns, rows = with_outer(session, _COLUMNS, rows, shown, roots)
    heading, runs, left_out = parted(columns, rows, session.to)
    if runs:
        yield heading
    for of_run, each in zip(runs, found, strict=True):
        yield from of_run
        yield from _open_lines(session, each)
    yield from left_out


def footer(session: Session, now: Now, *, everything: bool) -> str:
    """How many run, died of late, died before that; what is not shown of it."""
    counts = [f"{len(now.living) + now.more_living:,} running"]
    if now.died:
        counts.append(f"{len(now.died):,} died")
    if now.died_earlier:
        which = "more died before" if everything else "died over an hour ago: --all"
        counts.append(f"{now.died_earlier:,} {which}")
    if now.more_living:
        counts.append(f"the newest {len(now.living):,} shown")
    if now.more_open_spans:
        counts.append(f"{amounts.plural(now.more_open_spans, 'older open span')} not shown")
    return session.to.theme.dot.join(counts)


def document(session: Session, found: Sequence[Activity]) -> list[Document]:
    """Runs with their `open_spans`."""
    roots = session.reader.roots([each.run.run_id for each in found])
    return [
        run_document(each.run)
        | root_document(roots.get(each.run.run_id))
        | {"open_spans": [span_document(span) for span in each.open_spans]}
        for each in found
    ]


def _row(session: Session, run: Run) -> list[Line]:
    theme = session.to.theme
    shown_id = short_id(session.reader, run.run_id) if session.to.cuts else escape(run.run_id)
    return [
        [Piece(shown_id, "bold")],
        [Name(title(run))],
        status_line(run.status, theme),
        [Piece(took(run, session.now_ns, theme))],
        [Piece(process_of(run)), Piece(" is gone" if run.status == "died" else "", "dim")],
    ]


def _open_lines(session: Session, each: Activity) -> Iterator[Line]:
    """The run's own root is not among them: the line above is about it."""
    _, tops = top_level(each.run, build_tree(each.open_spans))
    nodes = list(walk(fold(tops)))
    for node, depth in nodes[:SPANS_SHOWN]:
        yield _open_line(session, each.run, node, depth)
    if len(nodes) > SPANS_SHOWN:
        more = amounts.plural(len(nodes) - SPANS_SHOWN, "more open span")
        yield [Piece(f"  and {more}", "dim")]


def _open_line(session: Session, run: Run, node: Node, depth: int) -> Line:
    to = session.to
    status = status_within(run, node.status, node.end_time_ns)
    name = both_ends(node.name, to.width if to.cuts else None) or "(no name)"
    times = f" {to.theme.times}{len(node.fold.members):,}" if node.fold else ""
    age = lasted(run, node.start_time_ns, node.end_time_ns, session.now_ns, to.theme)
    return [
        Piece("  " + "  " * min(depth, to.width // 8)),
        Piece(f"{to.theme.mark(status)} ", STYLES.get(status, "")),
        Name(name),
        Piece(times),
        Piece(f"  {age}", "dim"),
    ]
