"""The column that says which run a run is in, where any of those listed is in another."""

from collections.abc import Collection, Mapping, Sequence

from flujo_otel.model import Run
from flujo_otel.spanstore.api import Root
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.runs import short_name
from flujo_otel_cli.session import Session
from flujo_otel_cli.table import Column, with_column
from flujo_otel_cli.text import escape

_AT = 2
"""Where it stands."""


def with_outer(
    session: Session,
    columns: Sequence[Column],
    rows: Sequence[list[Line]],
    runs: Sequence[Run],
    roots: Mapping[str, Root],
) -> tuple[list[Column], list[list[Line]]]:
    """`columns` and `rows`, a row for each of `runs`, with that column where there is need."""
    outer = {run_id: root.outer_run_id for run_id, root in roots.items() if root.outer_run_id}
    if not outer:
        return list(columns), list(rows)
    typed = _typed(session, set(outer.values())) | {"": ""}
    cells = [[Piece(typed[outer.get(run.run_id, "")], "dim")] for run in runs]
    return with_column(columns, rows, Column("IN", rank=1), cells, _AT)


def _typed(session: Session, run_ids: Collection[str]) -> dict[str, str]:
    """As much of each id as names it."""
    if not session.to.cuts:
        return {run_id: escape(run_id) for run_id in run_ids}
    unique = session.reader.unique_prefixes(list(run_ids))
    return {run_id: escape(short_name(run_id, unique[run_id])) for run_id in run_ids}
