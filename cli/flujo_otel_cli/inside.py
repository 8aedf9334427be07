"""The column that says how many runs are inside a run, where any of those listed has some."""

from collections.abc import Mapping, Sequence

from flujo_otel.model import Run
from flujo_otel.query.nesting import Inside
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.table import Column, with_column
from flujo_otel_cli.theme import Theme

_AT = 2
"""Where it stands."""


def with_inside(
    theme: Theme,
    columns: Sequence[Column],
    rows: Sequence[list[Line]],
    runs: Sequence[Run],
    insides: Mapping[str, Inside],
) -> tuple[list[Column], list[list[Line]]]:
    """`columns` and `rows`, a row for each of `runs`, with that column where there is need."""
    if not insides:
        return list(columns), list(rows)
    cells = [_cell(theme, insides.get(run.run_id, Inside())) for run in runs]
    return with_column(columns, rows, Column("INSIDE", rank=1), cells, _AT)


def _cell(theme: Theme, inside: Inside) -> Line:
    count = f"+{inside.run_count:,}" if inside.run_count else ""
    failed = f" ({inside.failed_count:,} {theme.mark('failed')})" if inside.failed_count else ""
    return [Piece(count, "dim"), Piece(failed, "red")]
