"""The table above two compared runs: each fact of both, and what changed."""

from collections.abc import Iterator, Mapping

from flujo_otel.model import Run
from flujo_otel.spanstore.api import Root
from flujo_otel_cli import amounts
from flujo_otel_cli.comparison import deltas
from flujo_otel_cli.comparison.sides import Side, Sides
from flujo_otel_cli.line import Line, Name, Piece
from flujo_otel_cli.runs import began_with, spent, status_line, title, took
from flujo_otel_cli.session import Session
from flujo_otel_cli.table import Column, table
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape
from flujo_otel_cli.times import ago

_LEAST = 14
"""Columns: rather than less of a fact, what changed stands beneath it."""
_COLUMNS = (
    Column(""),
    Column("BASE", shrinks=True, least=_LEAST),
    Column("OTHER", shrinks=True, least=_LEAST),
    Column("CHANGE", rank=1, beneath=True),
)


def run_table(sides: Sides, session: Session) -> list[Line]:
    """What the runs are called, where they share that, and the table."""
    base, other = sides
    roots = session.reader.roots([base.run.run_id, other.run.run_id])
    called = [_called(side, roots) for side in sides]
    rows = list(_rows(sides, session))
    if called[0] == called[1]:
        return [[Name(called[0], "bold")], *table(_COLUMNS, rows, session.to)]
    names: list[Line] = [[Name(each)] for each in called]
    return table(_COLUMNS, [[[Piece("pipeline", "dim")], *names, []], *rows], session.to)


def _called(side: Side, roots: Mapping[str, Root]) -> str:
    """Its pipeline, and what it began with where that is called otherwise."""
    root = roots.get(side.run.run_id)
    began = began_with(side.run, root) if root is not None else ""
    return "  ".join(filter(None, (title(side.run), began)))


def _rows(sides: Sides, session: Session) -> Iterator[list[Line]]:
    to, now_ns = session.to, session.now_ns
    runs = [side.run for side in sides]
    names = [side.drawing.shown_id if to.cuts else escape(side.run.run_id) for side in sides]
    yield _row("run", names, [])
    yield _row("started", [ago(run.start_time_ns, now_ns) for run in runs], [])
    statuses = [status_line(run.status, to.theme) for run in runs]
    yield [
        [Piece("status", "dim")],
        *statuses,
        deltas.status_verdict(*(run.status for run in runs)),
    ]
    yield _row("took", [took(run, now_ns, to.theme) for run in runs], _time(runs, to))
    yield from _cost(sides, to)
    yield from _tokens(sides, to)
    yield _row("spans", [_spans(side, to) for side in sides], [])


def _row(word: str, texts: list[str], change: Line) -> list[Line]:
    return [[Piece(word, "dim")], *([Piece(text)] for text in texts), change]


def _time(runs: list[Run], to: Terminal) -> Line:
    """Nothing of a run that is not over: what it took is not known yet."""
    lengths = [run.end_time_ns - run.start_time_ns for run in runs if run.end_time_ns is not None]
    if len(lengths) < len(runs):
        return []
    was_ns, now_ns = lengths
    return deltas.time_verdict(was_ns, now_ns, to)


def _cost(sides: Sides, to: Terminal) -> Iterator[list[Line]]:
    texts = [spent(*side.all_runs) for side in sides]
    if not any(texts):
        return
    was, now = (sum(run.total_cost_usd or 0 for run in side.all_runs) for side in sides)
    change: Line = []
    if texts[0] != texts[1] and _are_over(sides):
        said = f"{'+' if now > was else '-'}{amounts.cost(abs(now - was))}"
        change = deltas.verdict(was, now, said, deltas.MORE, to.theme.times)
    yield _row("cost", [text or to.theme.none for text in texts], change)


def _tokens(sides: Sides, to: Terminal) -> Iterator[list[Line]]:
    counts = [sum(run.total_tokens or 0 for run in side.all_runs) for side in sides]
    if not any(counts):
        return
    was, now = counts
    change: Line = []
    if was != now and _are_over(sides):
        change = deltas.verdict(was, now, f"{now - was:+,}", deltas.MORE, to.theme.times)
    yield _row("tokens", [amounts.count(each) or to.theme.none for each in counts], change)


def _are_over(sides: Sides) -> bool:
    """Else what is spent so far is no more and no less than what the other one did."""
    return all(side.run.end_time_ns is not None for side in sides)


def _spans(side: Side, to: Terminal) -> str:
    """Its own and those of the runs inside it, and how many failed."""
    failed = sum(run.error_count for run in side.all_runs)
    count = sum(run.span_count for run in side.all_runs)
    return f"{count:,} ({failed:,} {to.theme.mark('failed')})" if failed else f"{count:,}"
