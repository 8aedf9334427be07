"""`lens list`: the runs, newest first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from flujo_otel.model import Run, Span
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel.spanstore.api import ALL, Root, RunFilter
from flujo_otel_cli import amounts
from flujo_otel_cli.document import root_document, run_document
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece, flowed, width_of
from flujo_otel_cli.notes import subject_notes
from flujo_otel_cli.options import Db, Json, since_ns
from flujo_otel_cli.outer import with_outer
from flujo_otel_cli.pipelines import no_such_pipeline
from flujo_otel_cli.problem import first_trace
from flujo_otel_cli.runs import (
    ID_WIDTH,
    began_with,
    short_name,
    spent,
    status_line,
    title,
    took,
    waiting_since,
)
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.table import Column, table
from flujo_otel_cli.text import escape
from flujo_otel_cli.times import ago, duration

COLUMNS = (
    Column("RUN"),
    Column("PIPELINE", shrinks=True, least=14),
    Column("STATUS"),
    Column("STARTED", rank=2),
    Column("TOOK"),
    Column("COST", right=True, rank=4),
    Column("TOKENS", right=True, rank=5),
    Column("SPANS", rank=3),
)

_CALLED = Column("CALLED", rank=6, beneath=True)
_FEW = 100
_OWN = "Cost, tokens and spans are each run's own; lens trace adds those of the runs in it."


class Status(StrEnum):
    """Statuses that `--status` takes."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    DIED = "died"


def command(
    *,
    status: Annotated[Status | None, typer.Option(help="Only runs of this status.")] = None,
    pipeline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only runs of this pipeline.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only runs started since: 30m, 2h, 3d, or an ISO time."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    db: Db = None,
    json: Json = False,
) -> None:
    """The runs, newest first."""
    limit = min(limit, ALL)
    with open_session(db, json=json) as session:
        where = RunFilter(status, pipeline, since_ns(since, session.now_ns))
        runs = session.reader.list_runs(where, limit)
        total = session.reader.count_runs(where)
        roots = session.reader.roots([run.run_id for run in runs])
        if json:
            found = [run_document(run) | root_document(roots.get(run.run_id)) for run in runs]
            session.answer({"runs": found, "total": total})
        elif runs:
            session.show(_lines(session, runs, roots, total, limit))
        else:
            session.show(_nothing(session, where))


def _nothing(session: Session, where: RunFilter) -> list[Line]:
    if where == RunFilter():
        return [[Piece(text)] for text in ("No runs here yet.", *first_trace(session.db))]
    unknown = where.pipeline and no_such_pipeline(session.reader, where.pipeline)
    return [
        *([[Piece(unknown)]] if unknown else []),
        [Piece("No runs match. All there are:  "), Command(hint("list", db=session.db))],
    ]


def _lines(
    session: Session, runs: list[Run], roots: Mapping[str, Root], total: int, limit: int
) -> list[Line]:
    unique = session.reader.unique_prefixes([run.run_id for run in runs])
    width = max(ID_WIDTH, *unique.values()) if session.to.cuts else None
    rows = [_row(session, run, roots.get(run.run_id), unique[run.run_id], width) for run in runs]
    columns, rows = with_outer(session, COLUMNS, rows, runs, roots)
    columns, rows = _with_called(session, columns, rows, runs, roots)
    outer = {run_id for run_id, root in roots.items() if root.outer_run_id}
    newest_id = next((run.run_id for run in runs if run.run_id not in outer), runs[0].run_id)
    newest = hint("trace", short_name(newest_id, unique[newest_id]), db=session.db)
    is_cut = total > len(runs)
    more = hint("list", "--limit", str(_more(limit, total)), db=session.db) if is_cut else ""
    of = f"{len(runs):,} of {amounts.plural(total, 'run')}"
    lines = [*table(columns, rows, session.to), *_footer(of, filter(None, (more, newest)), session)]
    if outer:
        own: Line = [Piece(_OWN, "dim")]
        lines += flowed([own], session.to.width, Piece(" ")) if session.to.cuts else [own]
    return lines


def _footer(said: str, commands: Iterable[str], session: Session) -> list[Line]:
    """On one line; each command on its own where there is no room for that."""
    parts: Line = [Piece(said, "dim"), *(Command(each, "dim") for each in commands)]
    dot = Piece(session.to.theme.dot, "dim")
    line = [piece for part in parts for piece in (dot, part)][1:]
    if session.to.cuts and width_of(line) > session.to.width:
        return [[part] for part in parts]
    return [line]


def _more(limit: int, total: int) -> int:
    """The limit to ask for next: all where they are few, else twice as many."""
    return total if total <= max(2 * limit, _FEW) else 2 * limit


def _row(
    session: Session, run: Run, root: Root | None, unique: int, width: int | None
) -> list[Line]:
    theme = session.to.theme
    failed = f" ({run.error_count:,} {theme.mark('failed')})" if run.error_count else ""
    head, tail = escape(run.run_id[:unique]), escape(run.run_id[unique:width])
    return [
        [Piece(head, "bold"), Piece(tail, "dim")],
        [Piece(title(run)), *_beside(run, root)],
        [*status_line(run.status, theme), *_waiting(run, session)],
        [Piece(ago(run.start_time_ns, session.now_ns))],
        [Piece(took(run, session.now_ns, theme))],
        [Piece(spent(run) or theme.none)],
        [Piece(amounts.count(run.total_tokens) or theme.none)],
        [Piece(f"{run.span_count:,}"), Piece(failed, "red")],
    ]


def _waiting(run: Run, session: Session) -> Iterator[Piece]:
    """For how long a paused run has been waiting."""
    since_ns = waiting_since(run)
    if since_ns is not None:
        waited = duration(max(session.now_ns - since_ns, 0), session.to.theme.micro)
        yield Piece(f" for {waited}", "dim")


def _beside(run: Run, root: Root | None) -> Iterator[Piece]:
    """What it began with, which tells one request to a service from the next."""
    name = began_with(run, root) if root is not None else ""
    if name:
        yield Piece(f"  {name}", "dim")


def _with_called(
    session: Session,
    columns: Sequence[Column],
    rows: Sequence[list[Line]],
    runs: Sequence[Run],
    roots: Mapping[str, Root],
) -> tuple[list[Column], list[list[Line]]]:
    """`columns` and `rows` with what the span that a run began with called, where any says so."""
    plain = [root for root in roots.values() if root.name != PIPELINE_RUN]
    spans = session.reader.root_spans(plain)
    cells = [_called(spans.get(run.run_id)) for run in runs]
    if not any(cells):
        return list(columns), list(rows)
    wider = [[*row, [Piece(cell, "dim")]] for row, cell in zip(rows, cells, strict=True)]
    return [*columns, _CALLED], wider


def _called(root: Span | None) -> str:
    return "  ".join(subject_notes(root)) if root is not None else ""
