"""`lens spans`: a run's spans one by one, in order of start."""

from collections.abc import Sequence
from typing import Annotated

import typer

from flujo_otel.model import Run, Span
from flujo_otel.spanstore.api import SpanFilter
from flujo_otel_cli.commands.list import Status
from flujo_otel_cli.document import run_document, span_document
from flujo_otel_cli.line import Line, Name, Piece, width_of
from flujo_otel_cli.options import Db, Json, RunName
from flujo_otel_cli.runs import find_run, lasted, status_line, status_within
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.table import Column, table
from flujo_otel_cli.text import both_ends, head
from flujo_otel_cli.times import duration

_NAME_MOST = 20
"""Columns that a name is not cut below: its parent's id and when it began are left out first."""


def command(
    *,
    name: RunName = "last",
    status: Annotated[
        Status | None,
        typer.Option(help="Only spans of this status; died: open when their process ended."),
    ] = None,
    span_name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Only spans of this name.")
    ] = None,
    db: Db = None,
    json: Json = False,
) -> None:
    """A run's spans one by one, in order of start."""
    with open_session(db, json=json) as session:
        run = find_run(session.reader, name, session.now_ns, session.db)
        spans = _chosen(session, run, status, span_name)
        if json:
            shown = [span_document(span) for span in spans]
            session.answer({"run": run_document(run), "spans": shown})
        elif spans:
            rows = [_row(session, run, span) for span in spans]
            session.show(table(_columns(rows), rows, session.to))
        else:
            session.show([[Piece(_nothing(status, span_name))]])


def _chosen(session: Session, run: Run, status: Status | None, name: str | None) -> list[Span]:
    """What is stored as running in a run whose process is gone has died with it."""
    stored = Status.RUNNING if status is Status.DIED else status
    if stored is Status.RUNNING and (status is Status.DIED) != run.is_gone:
        return []
    return list(session.reader.spans(run.run_id, SpanFilter(stored, name)))


def _nothing(status: str | None, name: str | None) -> str:
    return "This run has no spans." if status is None and name is None else "No spans match."


def _columns(rows: Sequence[Sequence[Line]]) -> tuple[Column, ...]:
    names = max(width_of(name) for _, name, *_ in rows)
    return (
        Column("SPAN", rank=1),
        Column("NAME", shrinks=True, least=min(names, _NAME_MOST)),
        Column("STATUS"),
        Column("AT", right=True, rank=2),
        Column("TOOK", right=True),
        Column("PARENT", rank=3),
    )


def _row(session: Session, run: Run, span: Span) -> list[Line]:
    theme = session.to.theme
    at = duration(span.start_time_ns - run.start_time_ns, theme.micro)
    took = lasted(run, span.start_time_ns, span.end_time_ns, session.now_ns, theme)
    status = status_within(run, span.status, span.end_time_ns)
    return [
        [Piece(head(span.otel_span_id, 40), "dim")],
        [Name(both_ends(span.name, session.to.width if session.to.cuts else None) or "(no name)")],
        status_line(status, theme),
        [Piece(f"+{at}", "dim")],
        [Piece(took)],
        [Piece(head(span.otel_parent_id or theme.none, 40), "dim")],
    ]
