"""`lens list`: the runs, newest first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from flujo_otel.model import Run, Span
from flujo_otel.query.nesting import Inside, insides
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel.spanstore.api import ALL, Root, RunFilter
from flujo_otel_cli import amounts
from flujo_otel_cli.hint import hint
from flujo_otel_cli.inside import with_inside
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
from flujo_otel_cli.table import Column, table, with_column
from flujo_otel_cli.text import escape
from flujo_otel_cli.times import ago, duration

if TYPE_CHECKING:
    from flujo_otel_cli.document import Document

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
_COUNTED = 2_000
"""In text it may be left open how many more there are."""
_OWN = "Cost, tokens and spans are each run's own; lens trace adds those of the runs in it."
_WITH_INSIDE = "Cost and tokens are with those of the runs inside; spans are each run's own."


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
    inside: Annotated[bool, typer.Option("--inside", help="Also the runs inside others.")] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    db: Db = None,
    json: Json = False,
) -> None:
    """The runs, newest first. Of runs inside runs the outer ones, but where a filter picks an inner
    one and not the one around it."""
    limit = min(limit, ALL)
    with open_session(db, json=json) as session:
        where = RunFilter(status, pipeline, since_ns(since, session.now_ns), outermost=not inside)
        runs = session.reader.list_runs(where, limit)
        roots = session.reader.roots([run.run_id for run in runs])
        found = _Found(runs, roots, insides(session.reader, roots))
        if json:
            total = session.reader.count_runs(where)
            session.answer({"runs": list(_documents(found)), "total": total})
        elif runs:
            more = _more(session, where, len(runs), limit, _asked(status, pipeline, since, inside))
            session.show(_lines(session, found, more, inside=inside))
        else:
            session.show(_nothing(session, where))


class _Found(NamedTuple):
    """The runs that are listed, what they begin with, and what is inside them."""

    runs: list[Run]
    roots: Mapping[str, Root]
    insides: Mapping[str, Inside]


class _More(NamedTuple):
    """How many there are in all, as said, and the command that lists more."""

    total: str
    command: str


def _asked(
    status: str | None, pipeline: str | None, since: str | None, inside: bool
) -> Sequence[str]:
    """The options again, for a command that lists more of the same."""
    given = (("--status", status), ("--pipeline", pipeline), ("--since", since))
    named = [word for name, value in given if value is not None for word in (name, str(value))]
    return [*named, *(["--inside"] if inside else [])]


def _documents(found: _Found) -> "Iterator[Document]":
    from flujo_otel_cli.document import root_document, run_document  # lines need neither

    for run in found.runs:
        count = found.insides.get(run.run_id, Inside()).run_count
        root = root_document(found.roots.get(run.run_id))
        yield run_document(run) | root | {"inside_count": count}


def _nothing(session: Session, where: RunFilter) -> list[Line]:
    if where._replace(outermost=False) == RunFilter():
        return [[Piece(text)] for text in ("No runs here yet.", *first_trace(session.db))]
    unknown = where.pipeline and no_such_pipeline(session.reader, where.pipeline)
    return [
        *([[Piece(unknown)]] if unknown else []),
        [Piece("No runs match. All there are:  "), Command(hint("list", db=session.db))],
    ]


def _lines(session: Session, found: _Found, more: _More, *, inside: bool) -> list[Line]:
    """`inside`: the runs inside others are listed too, each with what it spent itself, so that
    nothing stands there twice."""
    runs, roots, insides = found
    unique = session.reader.unique_prefixes([run.run_id for run in runs])
    width = max(ID_WIDTH, *unique.values()) if session.to.cuts else None
    added = {} if inside else insides
    rows = [
        _row(session, run, roots.get(run.run_id), (unique[run.run_id], width), added)
        for run in runs
    ]
    columns, rows = with_inside(session.to.theme, COLUMNS, rows, runs, insides)
    columns, rows = with_outer(session, columns, rows, runs, roots)
    columns, rows = _with_called(session, columns, rows, runs, roots)
    outer = {run_id for run_id, root in roots.items() if root.outer_run_id}
    newest_id = next((run.run_id for run in runs if run.run_id not in outer), runs[0].run_id)
    newest = hint("trace", short_name(newest_id, unique[newest_id]), db=session.db)
    of = f"{len(runs):,} of {more.total}"
    commands = filter(None, (more.command, newest))
    lines = [*table(columns, rows, session.to), *_footer(of, commands, session)]
    if outer or insides:
        whose: Line = [Piece(_OWN if inside else _WITH_INSIDE, "dim")]
        lines += flowed([whose], session.to.width, Piece(" ")) if session.to.cuts else [whose]
    return lines


def _more(
    session: Session, where: RunFilter, shown: int, limit: int, asked: Sequence[str]
) -> _More:
    if shown < limit:  # a list that is not cut has told already
        return _More(amounts.plural(shown, "run"), "")
    most = max(_COUNTED, shown)
    total = session.reader.count_quickly(where, most)
    said = amounts.plural(total, "run") if total is not None else f"{most:,}+ runs"
    if total is not None and total <= shown:
        return _More(said, "")
    # All where they are few, else twice as many.
    is_few = total is not None and total <= max(2 * limit, _FEW)
    next_limit = str(total if is_few else 2 * limit)
    return _More(said, hint("list", *asked, "--limit", next_limit, db=session.db))


def _footer(said: str, commands: Iterable[str], session: Session) -> list[Line]:
    """On one line; each command on its own where there is no room for that."""
    parts: Line = [Piece(said, "dim"), *(Command(each, "dim") for each in commands)]
    dot = Piece(session.to.theme.dot, "dim")
    line = [piece for part in parts for piece in (dot, part)][1:]
    if session.to.cuts and width_of(line) > session.to.width:
        return [[part] for part in parts]
    return [line]


def _row(
    session: Session,
    run: Run,
    root: Root | None,
    id_widths: tuple[int, int | None],
    insides: Mapping[str, Inside],
) -> list[Line]:
    """`id_widths`: as much of its id as names it, and as is shown."""
    theme = session.to.theme
    unique, width = id_widths
    inside = insides.get(run.run_id, Inside())
    tokens = (run.total_tokens or 0) + (inside.total_tokens or 0)
    failed = f" ({run.error_count:,} {theme.mark('failed')})" if run.error_count else ""
    head, tail = escape(run.run_id[:unique]), escape(run.run_id[unique:width])
    return [
        [Piece(head, "bold"), Piece(tail, "dim")],
        [Piece(title(run)), *_beside(run, root)],
        [*status_line(run.status, theme), *_waiting(run, session)],
        [Piece(ago(run.start_time_ns, session.now_ns))],
        [Piece(took(run, session.now_ns, theme))],
        [Piece(spent(run, inside) or theme.none)],
        [Piece(amounts.count(tokens) or theme.none)],
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
    called = [_called(spans.get(run.run_id)) for run in runs]
    if not any(called):
        return list(columns), list(rows)
    cells = [[Piece(each, "dim")] for each in called]
    return with_column(columns, rows, _CALLED, cells, len(columns))


def _called(root: Span | None) -> str:
    return "  ".join(subject_notes(root)) if root is not None else ""
