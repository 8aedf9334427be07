"""`lens stats`: how long spans take, by name."""

from collections.abc import Sequence
from typing import Annotated

import typer

from flujo_otel.query.statistics import Sort, statistics
from flujo_otel.spanstore.api import NameStatistics
from flujo_otel_cli import amounts
from flujo_otel_cli.bar import spark
from flujo_otel_cli.document import statistics_document
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Name, Piece
from flujo_otel_cli.options import Db, Json
from flujo_otel_cli.pipelines import no_such_pipeline
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.table import Column, table
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, cell_len
from flujo_otel_cli.times import duration

_HOURS = 24
_ALL_HOURS = 1_000_000
"""Longer ago than any span: a window beyond that is the same window."""
_SHOWN = 30
"""Names on a terminal, where nothing else is asked for: the first are what one looks for."""
_NAME_MOST = 30
"""Columns that a name, of a pipeline or a span, is not cut below: others are left out first."""


def command(
    *,
    pipeline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only runs of this pipeline.")
    ] = None,
    hours: Annotated[
        float, typer.Option(min=0.01, metavar="N", help="Look back so many hours.")
    ] = _HOURS,
    sort: Annotated[Sort, typer.Option(help="What to order by, largest first.")] = Sort.TOTAL,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"At most so many names. Without it {_SHOWN} on a terminal, else all.",
        ),
    ] = None,
    db: Db = None,
    json: Json = False,
) -> None:
    """Per span name: count, errors, percentiles, total time."""
    hours = min(_ALL_HOURS, hours)  # in this order NaN is no bound either
    with open_session(db, json=json) as session:
        rows = statistics(
            session.reader, pipeline=pipeline, hours=hours, sort=sort, now_ns=session.now_ns
        )
        if json:
            found = [statistics_document(row) for row in rows[:limit]]
            session.answer({"hours": hours, "pipeline": pipeline, "statistics": found})
        elif rows:
            shown = rows[: _SHOWN if limit is None and session.to.cuts else limit]
            session.show(_table(shown, hours, session.to))
            if len(shown) < len(rows):
                asked = _asked(pipeline, hours, sort)
                session.show([_rest(len(shown), len(rows), asked, session)])
        else:
            session.show(_nothing(session, pipeline, hours))


def _table(rows: Sequence[NameStatistics], hours: float, to: Terminal) -> list[Line]:
    spent = any(row.tokens or row.cost_usd for row in rows)
    cells = [_row(row, to, spent=spent) for row in rows]
    return table(_columns(rows, hours, spent=spent), cells, to)


def _asked(pipeline: str | None, hours: float, sort: Sort) -> list[str]:
    """The options, but for those that are as they are by themselves."""
    options = (
        ("--pipeline", pipeline),
        ("--hours", None if hours == _HOURS else _figure(hours)),
        ("--sort", None if sort == Sort.TOTAL else sort.value),
    )
    return [word for name, value in options if value is not None for word in (name, value)]


def _rest(shown: int, total: int, asked: Sequence[str], session: Session) -> Line:
    """How many there are, and the command that shows them."""
    command = hint("stats", *asked, "--limit", str(total), db=session.db)
    said = f"{shown:,} of {total:,} names{session.to.theme.dot}"
    return [Piece(said, "dim"), Command(command, "dim")]


def _nothing(session: Session, pipeline: str | None, hours: float) -> list[Line]:
    unknown = no_such_pipeline(session.reader, pipeline) if pipeline is not None else None
    if unknown is not None:
        return [[Piece(unknown)]]
    lines = [[Piece(f"No ended spans in the last {_figure(hours)} hours.")]]
    if hours < _ALL_HOURS:
        further = _figure(min(max(hours * 30, 24), _ALL_HOURS))
        again = ("stats", "--hours", further, *(("--pipeline", pipeline) if pipeline else ()))
        lines.append([Piece("Look back further:  ", "dim"), Command(hint(*again, db=session.db))])
    return lines


def _figure(hours: float) -> str:
    """Without an exponent: it is to be typed."""
    return f"{hours:.2f}".rstrip("0").rstrip(".")


def _columns(rows: Sequence[NameStatistics], hours: float, *, spent: bool) -> tuple[Column, ...]:
    """`spent`: whether any name has tokens or cost."""
    # Of what is called alike by all pipelines, their names are what tells.
    names = [cell_len(brief(row.pipeline or row.name)) for row in rows]
    return (
        Column("SPAN", shrinks=True, least=min(max(names), _NAME_MOST)),
        Column("COUNT", right=True),
        Column("ERRORS", right=True, rank=1),
        Column("MEAN", right=True, rank=5),
        Column("P50", right=True, rank=3),
        Column("P95", right=True, rank=2),
        Column("P99", right=True, rank=4),
        Column("TOTAL", right=True),
        *((Column("TOKENS", right=True, rank=3), Column("COST", right=True, rank=2)) * spent),
        Column(f"LAST {_figure(hours)} H", rank=6),
    )


def _named(row: NameStatistics, to: Terminal) -> Line:
    """The pipeline first, where the name is every pipeline's: what is cut off is the end."""
    if not row.pipeline:
        return [Name(brief(row.name) or "(no name)")]
    return [Name(brief(row.pipeline)), Piece(f"{to.theme.dot}{brief(row.name)}", "dim")]


def _row(row: NameStatistics, to: Terminal, *, spent: bool) -> list[Line]:
    times = (row.mean_ns, row.p50_ns, row.p95_ns, row.p99_ns, row.total_ns)
    failed = f"{row.error_count:,} ({row.error_count / row.count:.1%})" if row.error_count else ""
    cost = amounts.cost(row.cost_usd, at_least=row.unpriced_count > 0)
    usage = (amounts.count(row.tokens), cost) * spent
    return [
        _named(row, to),
        [Piece(f"{row.count:,}")],
        [Piece(failed or "0", "red" if failed else "dim")],
        *([Piece(duration(time_ns, to.theme.micro))] for time_ns in times),
        *([Piece(amount or to.theme.none)] for amount in usage),
        [Piece(spark(list(row.buckets), to.theme), "cyan")],
    ]
